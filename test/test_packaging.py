# SPDX-License-Identifier: Apache-2.0
"""What ``pip install`` copies beside the modules."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from python_imports import PACKAGES, ROOT


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
    assert files(built) == sources
