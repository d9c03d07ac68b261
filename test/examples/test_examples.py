# SPDX-License-Identifier: Apache-2.0
"""The examples run as they stand, in any folder, from a shell where no ROS is sourced."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
MAX_LINES = 10
OF_ROS = ("AMENT", "ROS_", "RMW_", "COLCON", "CMAKE", "LD_LIBRARY_PATH")


def start(example: str, folder: Path, *arguments: Path) -> subprocess.CompletedProcess[str]:
    """An example, run in ``folder``."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(OF_ROS)}
    command = [sys.executable, str(ROOT / "examples" / f"{example}.py"), *map(str, arguments)]
    return subprocess.run(
        command,
        cwd=folder,
        env=environment | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )


def run(example: str, folder: Path, *arguments: Path) -> list[str]:
    """Lines that an example prints when it is run in ``folder``."""
    done = start(example, folder, *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_two_objects_keep_their_identities(tmp_path: Path) -> None:
    lines = run("track_objects", tmp_path)
    assert len(lines) == 40
    assert lines[-2].startswith("frame 19: cup #1 at [248")
    assert "#2" in lines[-1]


@pytest.mark.slow
def test_poses_of_a_rendered_dataset(tmp_path: Path) -> None:
    data = tmp_path / "data"
    options = ["--format", "bop", "--split", "test", "--seed", "3", "--frames", "3"]
    render = [sys.executable, "-m", "perception_kit.synth", *options, "--out", str(data)]
    subprocess.run(render, check=True, capture_output=True)
    lines = run("estimate_poses", tmp_path, data)
    assert lines
    assert all(" at [" in line for line in lines)


@pytest.mark.slow
def test_actions_of_a_video(tmp_path: Path) -> None:
    path = tmp_path / "video.mp4"
    with av.open(str(path), "w") as video:
        stream = video.add_stream("mpeg4", rate=15)
        stream.width, stream.height = 160, 120
        for shade in range(40, 76):
            pixels = np.full((120, 160, 3), shade, np.uint8)
            video.mux(stream.encode(av.VideoFrame.from_ndarray(pixels)))
        video.mux(stream.encode())
    lines = run("recognize_actions", tmp_path, path)
    assert lines
    assert all(" s: " in line for line in lines)


@pytest.mark.slow
def test_moments_of_a_library(tmp_path: Path) -> None:
    write = (
        "from video_search import Library, Source, Tag\n"
        "library = Library.create('library')\n"
        "library.put_source(Source('a', 'a.mp4', 'video'))\n"
        "library.add([Tag('a', 2_000_000_000, 3_000_000_000, 'object', 'mug')])\n"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", write], cwd=tmp_path, env=environment, check=True)
    lines = run("find_moments", tmp_path, Path("library"), Path("cup"))
    assert lines[0] == "0.95 a.mp4 at 2.0 s: mug is meant by “cup” (vocabulary)"


@pytest.mark.parametrize("example", ["estimate_poses", "find_moments", "recognize_actions"])
def test_an_example_says_how_it_is_used(example: str, tmp_path: Path) -> None:
    usage = f"usage: python examples/{example}.py "
    for arguments in ((), (Path("absent"),), (Path("absent"), Path("mug"))):
        done = start(example, tmp_path, *arguments)
        assert done.returncode == 1
        assert usage in done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.py")), ids=lambda p: p.stem)
def test_an_example_is_short(path: Path) -> None:
    code = [
        line
        for line in path.read_text().split('"""', 2)[2].splitlines()
        if line.strip() and not line.startswith(("import ", "from "))
    ]
    assert len(code) <= MAX_LINES
