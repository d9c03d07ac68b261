# SPDX-License-Identifier: Apache-2.0
"""What ``pip install`` and the ROS build install, and the names by which they find the rest."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml
from python_imports import PACKAGES, ROOT
from setuptools.config.pyprojecttoml import read_configuration

from perception_kit import resources


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packages as they go into a wheel."""
    folder = tmp_path_factory.mktemp("build")
    command = [sys.executable, "setup.py", "-q", "build_py", "--build-lib", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return folder


@pytest.mark.parametrize("package", PACKAGES)
def test_every_file_of_a_package_is_installed(package: str, built: Path) -> None:
    def files(root: Path) -> set[Path]:
        found = (root / package).rglob("*")
        return {path.relative_to(root) for path in found if path.is_file()}

    sources = {path for path in files(ROOT) if "__pycache__" not in path.parts}
    assert Path(package, "py.typed") in sources
    share = Path("perception_kit", "share")
    assert {path for path in files(built) if share not in path.parents} == sources


def test_models_and_configuration_are_installed(
    built: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resources, "__file__", str(built / "perception_kit" / "resources.py"))
    share = resources.package_folder()
    assert share == built / "perception_kit" / "share"
    for name in ("config", "launch", "models", "msg", "srv"):
        wanted = {
            path.relative_to(ROOT)
            for path in (ROOT / name).rglob("*")
            if path.is_file() and "__pycache__" not in path.parts
        }
        found = {path.relative_to(share) for path in (share / name).rglob("*") if path.is_file()}
        assert found == wanted


def package() -> ElementTree.Element:
    """The root of package.xml."""
    return ElementTree.parse(ROOT / "package.xml").getroot()


def test_the_version_stands_in_one_place(monkeypatch: pytest.MonkeyPatch) -> None:
    version = package().findtext("version")
    command = [sys.executable, "setup.py", "--version"]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    assert done.stdout.split()[-1] == version
    assert resources.package_version() == version
    monkeypatch.setattr(resources, "package_folder", lambda: Path("/no/package.xml/here"))
    monkeypatch.setattr(resources.metadata, "version", {resources.DISTRIBUTION: "9"}.get)
    assert resources.package_version() == "9"


def test_rosdep_knows_every_dependency() -> None:
    known = yaml.safe_load((ROOT / "test" / "data" / "rosdep_keys.yaml").read_text())
    names = {
        element.text
        for element in package()
        if element.tag == "depend" or element.tag.endswith("_depend")
    }
    assert names - {*known["packages"], *known["python"]} == set()
    assert {name for name in names if name.startswith("python3-")} == set(known["python"])


def test_pip_and_rosdep_name_the_same_libraries() -> None:
    known = yaml.safe_load((ROOT / "test" / "data" / "rosdep_keys.yaml").read_text())
    provided = {name for names in known["python"].values() for name in names}
    without_key = set(known["pip_only"])
    project = read_configuration(ROOT / "pyproject.toml", expand=False)["project"]
    wanted = {re.split(r"[=<>]", line)[0] for line in project["dependencies"]}
    assert wanted - provided == without_key
