# SPDX-License-Identifier: Apache-2.0
"""Workflows, containers and templates are well formed, and use what the repository has."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml
from python_imports import ROOT

from perception_kit.resources import package_version

YAML = sorted([*(ROOT / ".github").rglob("*.yaml"), ROOT / "docker/compose.yaml"])
STEPS = [ROOT / ".github/workflows/ci.yaml", ROOT / "docker/Dockerfile"]


@pytest.mark.parametrize("path", YAML, ids=lambda path: path.name)
def test_a_file_is_yaml(path: Path) -> None:
    assert isinstance(yaml.safe_load(path.read_text()), dict)


def test_the_citation_has_what_its_format_asks_for() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert {"cff-version", "message", "title", "authors"} <= set(citation)


def test_the_newest_release_is_the_version_of_the_package() -> None:
    releases = re.findall(
        r"^(\d+\.\d+\.\d+) \(", (ROOT / "CHANGELOG.rst").read_text(), re.MULTILINE
    )
    version = ElementTree.parse(ROOT / "package.xml").findtext("version")
    assert releases[0] == version == package_version()


def test_the_dev_container_is_json() -> None:
    content = json.loads((ROOT / ".devcontainer/devcontainer.json").read_text())
    assert "make setup" in content["postCreateCommand"]


@pytest.mark.parametrize("path", STEPS, ids=lambda path: path.name)
def test_steps_use_targets_scripts_and_extras_that_exist(path: Path) -> None:
    text = path.read_text()
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    assert set(re.findall(r"run: make (\w+)", text)) <= targets
    assert all((ROOT / name).is_file() for name in re.findall(r"scripts/\w+\.sh", text))
    extras = set(re.findall(r"^(\w+) = \[", (ROOT / "pyproject.toml").read_text(), re.MULTILINE))
    for arguments in re.findall(r"install_python\.sh \S*venv ([a-z ]+)", text):
        assert set(arguments.split()) <= extras


def workflow_jobs() -> dict[str, Any]:
    return yaml.safe_load((ROOT / ".github/workflows/ci.yaml").read_text())["jobs"]


def test_the_workflow_runs_what_ci_runs() -> None:
    """``.ci/run`` and the workflow have the same targets, on every Python that is supported."""
    commands = [step.get("run", "") for job in workflow_jobs().values() for step in job["steps"]]
    run_by_ci = re.findall(r"^make \w+", (ROOT / ".ci/run").read_text(), flags=re.MULTILINE)
    assert len(run_by_ci) >= 4
    assert set(run_by_ci) <= set(commands)

    test = workflow_jobs()["test"]
    assert test["strategy"]["matrix"]["python"] == ["3.10", "3.11", "3.12", "3.13"]
    steps = [step.get("run", "") for step in test["steps"]]
    assert steps.index("scripts/install_launch.sh") < steps.index("make test")


def test_actions_are_pinned() -> None:
    """To a commit, with the version in a comment: a tag may be moved to other code."""
    used = re.findall(r"uses: (.*)", (ROOT / ".github/workflows/ci.yaml").read_text())
    assert used
    assert [use for use in used if not re.fullmatch(r"[\w/-]+@[0-9a-f]{40}  # v[\d.]+", use)] == []


def test_the_compose_file_starts_the_launch_file() -> None:
    services = yaml.safe_load((ROOT / "docker/compose.yaml").read_text())["services"]
    command = services["perception"]["command"]
    assert (ROOT / "launch" / command.split()[3]).is_file()
    assert (ROOT / services["perception"]["build"]["dockerfile"]).is_file()
