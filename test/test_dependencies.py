# SPDX-License-Identifier: Apache-2.0
"""What is imported is declared, and what is declared is used."""

from __future__ import annotations

import re
import sys
from importlib.metadata import packages_distributions

import pytest
from python_imports import PACKAGES, ROOT, imported, sources
from setuptools.config.pyprojecttoml import read_configuration

from perception_kit.cli import EXTRAS

PROJECT = read_configuration(ROOT / "pyproject.toml", expand=False)["project"]
PYPROJECT = {"run": PROJECT["dependencies"], **PROJECT["optional-dependencies"]}
INSTALLED = ("run", "openvino", "view", "search", "train")

# Declared, but imported by no module of ours.
WITHOUT_IMPORT = {
    "colcon-common-extensions": "command that builds the package",
    "colcon-ros": "lets colcon build ROS packages",
    "setuptools": "builds the package",
    "tensorboard": "torch.utils.tensorboard writes with it",
    "nncf": "loaded by name where OpenVINO quantizes",
    "httpx2": "sends the requests of FastAPI's TestClient",
    "onnx": "PyTorch writes ONNX files with it",
    "onnxruntime": "loaded by name where exported networks are checked",
    "psycopg-binary": "compiled part of psycopg",
    "fasteners": "pgserver needs it and does not say so",
    "pytest-timeout": "plugin: ends a test that hangs",
    "pytest-xdist": "plugin: two test files at a time",
    "ruff": "command of make lint",
    "mypy": "command of make lint",
    "types-pyyaml": "type hints for mypy",
    "types-tqdm": "type hints for mypy",
    "mkdocs-material": "theme of make docs; brings mkdocs",
    "mkdocstrings": "plugin of make docs",
    "defusedxml": "of trackers, which is installed without its dependencies",
    "pydeprecate": "of trackers, as defusedxml",
}
# Part of ROS 2 or of this package: package.xml names them, pip does not.
ROS_MODULES = {"assistant_perception", "cv_bridge", "launch", "launch_ros", "tf2_ros", "rclpy"}
OWN = {*PACKAGES, "bench", "examples", "scripts"}
BESIDE = ("test/support", "scripts")  # files import their neighbors


def declared(name: str) -> set[str]:
    """Distributions of a requirements file or of a part of pyproject.toml, in lower case."""
    if name in PYPROJECT:
        lines = PYPROJECT[name]
    else:
        lines = (ROOT / "requirements" / name).read_text().splitlines()
    names = {re.split(r"[=<>\[ ]", line)[0].lower() for line in lines if line[:1].isalpha()}
    return names - {"assistant-perception"}


def used(*folders: str) -> dict[str, str]:
    """Foreign top-level modules that the files below ``folders`` import, and one that does."""
    own = {path.stem for folder in BESIDE for path in (ROOT / folder).glob("*.py")}
    return {
        top: name
        for name, path in sources(*folders).items()
        for target in imported(path)
        if (top := target.partition(".")[0]) not in sys.stdlib_module_names | OWN | own
        and top not in ROS_MODULES
        and not top.endswith("_msgs")
    }


def distributions(modules: set[str]) -> dict[str, set[str]]:
    """The distributions, in lower case, that bring each module."""
    known = packages_distributions()
    return {module: {name.lower() for name in known.get(module, [])} for module in modules}


@pytest.mark.parametrize(
    ("folders", "files"),
    [
        (PACKAGES, INSTALLED),
        (("examples",), ("run",)),
        (("bench",), (*INSTALLED, "bench.in", "no_deps.txt")),
        (("test",), (*INSTALLED, "dev")),
        (("scripts",), (*INSTALLED, "dev", "docs")),
    ],
)
def test_what_is_imported_is_declared(folders: tuple[str, ...], files: tuple[str, ...]) -> None:
    allowed = set().union(*(declared(name) for name in files))
    modules = used(*folders)
    undeclared = {
        f"{modules[module]} imports {module}"
        for module, names in distributions(set(modules)).items()
        if not names & allowed
        and module.replace("_", "-") not in allowed
        and not any(name.startswith("ros-") for name in names)
    }
    assert not undeclared


@pytest.mark.parametrize(
    ("file", "folders"),
    [
        *((part, PACKAGES) for part in INSTALLED),
        ("dev", ("test",)),
        ("no_deps.txt", ("bench",)),
        ("bench.in", ("bench",)),
    ],
)
def test_what_is_declared_is_used(file: str, folders: tuple[str, ...]) -> None:
    modules = set(used(*folders))
    names = set().union(*distributions(modules).values())
    unused = {
        name
        for name in declared(file) - set(WITHOUT_IMPORT)
        if name not in names and name.replace("-", "_") not in modules
    }
    assert not unused


def test_the_lock_has_all_that_is_declared() -> None:
    wanted = set().union(*(declared(name) for name in ("dev", "docs", "ros.in", *INSTALLED)))
    assert not {name.replace("_", "-") for name in wanted} - declared("lock.txt")


def test_an_extra_of_the_command_line_brings_its_module() -> None:
    for module, extra in EXTRAS.items():
        names = distributions({module})[module] | {module.replace("_", "-")}
        assert names & declared(extra), f"{module} is not in the extra {extra}"
