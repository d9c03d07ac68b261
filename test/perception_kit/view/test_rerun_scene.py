# SPDX-License-Identifier: Apache-2.0
"""Contents of a recording."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from perception_kit.types import Instance, PoseEstimate, TrackEstimate, TrackState
from perception_kit.view.meshes import Shape
from perception_kit.view.rerun_scene import RerunScene
from perception_kit.view.server import RERUN

CORNERS = np.array([[x, y, z] for x in (-0.1, 0.1) for y in (-0.1, 0.1) for z in (-0.1, 0.1)])
TRIANGLES = np.array([[0, 1, 3], [0, 3, 2], [4, 6, 7], [4, 7, 5]])


def contents(path: Path) -> str:
    return subprocess.run(
        [str(RERUN), "rrd", "print", "-vvv", str(path)], check=True, capture_output=True, text=True
    ).stdout


def test_everything_is_in_the_file(rrd: Callable[[Sequence[str]], Path]) -> None:
    text = contents(rrd(["walking", "falling"]))
    in_image = [f"camera/{name}" for name in ("image", "depth", "masks", "boxes", "fall")]
    for entity in (*in_image, "cloud", "axes", "labels", "trails"):
        assert f"/{entity}" in text, entity
    assert "/objects/mug" in text
    assert "/people" in text
    assert "/actions/person_2/falling" in text
    assert "Mesh3D" in text
    assert "mug #1" in text
    assert "person #2: falling" in text
    assert "FALL 90%" in text


def test_nothing_found_and_nothing_known_is_logged_as_well(tmp_path: Path) -> None:
    scene = RerunScene({})
    scene.save(tmp_path / "empty.rrd")
    unknown = PoseEstimate(
        0, 1, "teapot", np.eye(3), np.array([0.0, 0.0, 1.0]), 0.9, np.full(3, 0.1)
    )
    box = np.array([1.0, 2.0, 3.0, 4.0])
    lost = TrackEstimate(4, 1, "teapot", TrackState.LOST, 0.9, 9, 9, 0.1, -1, box, np.zeros(4))
    somebody = Instance(1, "person", 0.9, np.zeros(4, np.float32), np.ones((2, 2), bool), (0, 0))

    for stamp_ns in (10**9, 2 * 10**9):
        scene.detections(stamp_ns, [somebody], 48, 64)
        scene.poses(stamp_ns, [])
        scene.tracks(stamp_ns, [])
        scene.actions(stamp_ns, [], [])
    scene.poses(3 * 10**9, [unknown])
    scene.tracks(3 * 10**9, [lost])
    scene.poses(4 * 10**9, [])
    scene.close()

    text = contents(tmp_path / "empty.rrd")
    assert "Boxes3D" in text, "an object without a mesh is a box"
    assert "teapot #4" in text


def test_trails_end_where_the_time_jumps_back(
    tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    """A bag is played anew: a line from a later stamp would be brighter than its colour."""
    scene = RerunScene({})
    scene.save(tmp_path / "loop.rrd")
    box, still = np.array([0.0, 0.0, 9.0, 9.0]), np.zeros(4)
    for tenths in (0, 1, 2, 0, 1):
        track = TrackEstimate(1, 1, "mug", TrackState.CONFIRMED, 0.9, 9, 9, 0.0, 0, box, still)
        track.position = np.array([tenths / 10, 0.0, 1.0])
        scene.tracks(10**9 + tenths * 10**8, [track])
    scene.close()
    assert not recwarn.list


def test_objects_are_as_large_as_their_size_says(tmp_path: Path) -> None:
    scene = RerunScene({"mug": Shape(CORNERS, TRIANGLES)})  # 0.2 m in each direction
    scene.save(tmp_path / "sizes.rrd")
    turned = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])

    def pose(name: str, length: float, size_std: np.ndarray | None) -> PoseEstimate:
        size = np.array([length, 0.2, 0.1])
        return PoseEstimate(0, 1, name, turned, np.array([0.0, 0, 1]), 0.9, size, size_std)

    estimated = np.full(3, 0.01)
    scene.poses(10**9, [pose("mug", 0.4, estimated), pose("mug", 0.4, None)])
    scene.poses(2 * 10**9, [pose("pot", 0.4, estimated), pose("pot", 0.3, estimated)])
    scene.poses(3 * 10**9, [])
    scene.close()

    # Column by column: the long x axis points along the camera's y.
    text = contents(tmp_path / "sizes.rrd")
    assert (
        "[[0.0, 2.0, 0.0, -1.0, 0.0, 0.0, 0.0, 0.0, 0.5],"
        " [0.0, 1.0, 0.0, -1.0, 0.0, 0.0, 0.0, 0.0, 1.0]]"
    ) in text
    assert "[[0.2, 0.1, 0.05], [0.15, 0.1, 0.05]]" in text, "half sizes of both boxes"
