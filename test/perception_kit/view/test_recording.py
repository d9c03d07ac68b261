# SPDX-License-Identifier: Apache-2.0
"""What is in a recording."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from perception_kit.types import Instance, PoseEstimate, TrackEstimate, TrackState
from perception_kit.view.recording import SceneRecording
from perception_kit.view.server import RERUN


def contents(path: Path) -> str:
    return subprocess.run(
        [str(RERUN), "rrd", "print", "-vvv", str(path)], check=True, capture_output=True, text=True
    ).stdout


def test_everything_is_in_the_file(rrd: Callable[[Sequence[str]], Path]) -> None:
    text = contents(rrd(["walking", "falling"]))
    for entity in (
        "camera/image",
        "camera/depth",
        "camera/masks",
        "camera/boxes",
        "camera/fall",
        "cloud",
        "axes",
        "labels",
        "trails",
    ):
        assert f"/{entity}" in text, entity
    assert "/objects/mug" in text
    assert "/people" in text
    assert "/actions/person_2/falling" in text
    assert "Mesh3D" in text
    assert "mug #1" in text
    assert "person #2: falling" in text
    assert "FALL 90%" in text


def test_nothing_found_and_nothing_known_is_logged_as_well(tmp_path: Path) -> None:
    recording = SceneRecording({})
    recording.save(tmp_path / "empty.rrd")
    unknown = PoseEstimate(
        0, 1, "teapot", np.eye(3), np.array([0.0, 0.0, 1.0]), 0.9, np.full(3, 0.1)
    )
    lost = TrackEstimate(
        4,
        1,
        "teapot",
        TrackState.LOST,
        0.9,
        9,
        9,
        0.1,
        -1,
        np.array([1.0, 2.0, 3.0, 4.0]),
        np.zeros(4),
    )
    somebody = Instance(1, "person", 0.9, np.zeros(4, np.float32), np.ones((2, 2), bool), (0, 0))
    for stamp_ns in (10**9, 2 * 10**9):
        recording.detections(stamp_ns, [somebody], 48, 64)
        recording.poses(stamp_ns, [])
        recording.tracks(stamp_ns, [])
        recording.actions(stamp_ns, [], [])
    recording.poses(3 * 10**9, [unknown])
    recording.tracks(3 * 10**9, [lost])
    recording.poses(4 * 10**9, [])
    recording.close()
    text = contents(tmp_path / "empty.rrd")
    assert "Boxes3D" in text, "an object without a mesh is a box"
    assert "teapot #4" in text


def test_trails_end_where_the_time_jumps_back(
    tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    """As where a bag is played anew; a step from what is still to come would be brighter than
    bright.
    """
    recording = SceneRecording({})
    recording.save(tmp_path / "loop.rrd")
    seen = {
        "state": TrackState.CONFIRMED,
        "score": 0.9,
        "age": 9,
        "hits": 9,
        "time_since_update": 0.0,
        "box_velocity": np.zeros(4),
    }
    for tenths in (0, 1, 2, 0, 1):
        position = np.array([tenths / 10, 0.0, 1.0])
        track = TrackEstimate(
            1,
            1,
            "mug",
            detection_index=0,
            box=np.array([0.0, 0.0, 9.0, 9.0]),
            position=position,
            **seen,
        )
        recording.tracks(10**9 + tenths * 10**8, [track])
    recording.close()
    assert not recwarn.list
