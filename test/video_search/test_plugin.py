# SPDX-License-Identifier: Apache-2.0
"""A matcher of another package, installed in a folder of its own, is found and used."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from poster_videos import write_video
from python_imports import ROOT

from video_search import Library


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with the example plug-in, as pip leaves it."""
    folder = tmp_path_factory.mktemp("site")
    source = folder / "source"
    source.mkdir()
    for name in ("pyproject.toml", "search_lights.py"):
        (source / name).write_bytes((ROOT / "examples" / "search_plugin" / name).read_bytes())
    command = [
        *(sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation"),
        *("--no-index", "--target", str(folder / "site"), str(source)),
    ]
    subprocess.run(command, check=True, capture_output=True)
    return folder / "site"


def index(library: Path, *arguments: str, site: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "video_search.index", str(library), *arguments]
    command += ["--models", "none", "--no-descriptors"]
    path = os.pathsep.join(filter(None, [str(site), str(ROOT), os.environ.get("PYTHONPATH", "")]))
    return subprocess.run(
        command, cwd=ROOT, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True
    )


@pytest.mark.slow
def test_the_example_tags_dark_times(installed: Path, tmp_path: Path) -> None:
    bright, dark = np.full((48, 64, 3), 200, np.uint8), np.zeros((48, 64, 3), np.uint8)
    video = write_video(tmp_path / "room.mp4", iter([bright] * 10 + [dark] * 10 + [bright] * 10))
    done = index(tmp_path / "library", str(video), "--matcher", "lights", site=installed)
    assert done.returncode == 0, done.stderr
    (tag,) = Library.open(tmp_path / "library").tags()
    assert (tag.label, tag.producer) == ("lights off", "lights")
    assert 0.9e9 <= tag.start_ns <= 1.3e9
    assert 1.6e9 <= tag.end_ns <= 2e9


@pytest.mark.slow
def test_what_a_plugin_raises_names_it(installed: Path, tmp_path: Path) -> None:
    broken = tmp_path / "site"
    info = broken / "broken-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[video_search.matchers]\nbroken = nothing_there:X\n")
    (tmp_path / "a.jsonl").write_text('{"start": 1, "text": "goal"}\n')
    done = index(
        tmp_path / "library", str(tmp_path / "a.jsonl"), "--matcher", "broken", site=broken
    )
    assert done.returncode == 2
    assert "matcher 'broken' (nothing_there:X) cannot be made" in done.stderr
