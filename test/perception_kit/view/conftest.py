# SPDX-License-Identifier: Apache-2.0
"""A small scene with one of everything, logged to a file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from perception_kit.types import (
    ActionEstimate,
    Instance,
    Intrinsics,
    PoseEstimate,
    TrackEstimate,
    TrackState,
)
from perception_kit.view.meshes import Shape
from perception_kit.view.rerun_scene import RerunScene

WIDTH, HEIGHT, FPS = 320, 240, 10
ACTION_CLASSES = ["falling", "walking"]
CORNERS = np.array([[x, y, z] for x in (-0.1, 0.1) for y in (-0.1, 0.1) for z in (-0.1, 0.1)])
TRIANGLES = np.array(
    [[0, 1, 3], [0, 3, 2], [4, 6, 7], [4, 7, 5], [0, 4, 5], [0, 5, 1], [2, 3, 7], [2, 7, 6]]
)


def log_frame(scene: RerunScene, number: int, action: str) -> None:
    """A mug that moves to the right in front of a grey wall, and a person."""
    stamp_ns = 10**9 + number * 10**9 // FPS
    left = 60 + 5 * number
    position = np.array([(left + 40 - WIDTH / 2) / 300, 0.1, 1.0])
    box = np.array([left, 100, left + 80, 180], np.float32)
    mug = Instance(1, "mug", 0.9, box, np.ones((80, 80), bool), (left, 100))
    person_box = np.array([200, 20, 260, 200], np.float32)
    person = Instance(2, "person", 0.8, person_box, np.ones((180, 60), bool), (200, 20))

    turned = np.array([[0.8, 0.0, 0.6], [0.0, 1.0, 0.0], [-0.6, 0.0, 0.8]])
    seen = {
        "state": TrackState.CONFIRMED,
        "score": 0.9,
        "age": 9,
        "hits": 9,
        "time_since_update": 0.0,
        "box_velocity": np.zeros(4),
    }
    place = {"position": position, "rotation": turned}
    tracks = [
        TrackEstimate(1, 1, "mug", detection_index=0, box=box, **place, **seen),
        TrackEstimate(2, 2, "person", detection_index=1, box=person_box, **seen),
    ]
    scores = np.array([0.9, 0.1] if action == "falling" else [0.1, 0.9])
    estimate = ActionEstimate(action, 0.9, scores, stamp_ns, stamp_ns, 2)

    scene.camera(stamp_ns, Intrinsics(300, 300, WIDTH / 2, HEIGHT / 2, WIDTH, HEIGHT))
    scene.color(stamp_ns, np.full((HEIGHT, WIDTH, 3), 90, np.uint8))
    scene.depth(stamp_ns, np.full((HEIGHT, WIDTH), 1.2, np.float32))
    scene.actions(stamp_ns, [estimate], ACTION_CLASSES)
    scene.detections(stamp_ns, [mug, person], HEIGHT, WIDTH)
    scene.poses(stamp_ns, [PoseEstimate(0, 1, "mug", turned, position, 0.9, np.full(3, 0.2))])
    scene.tracks(stamp_ns, tracks)


@pytest.fixture
def rrd(tmp_path: Path) -> Callable[[Sequence[str]], Path]:
    """Writes a file with one frame for each of the given actions."""

    def write(actions: Sequence[str]) -> Path:
        path = tmp_path / "out" / "scene.rrd"
        scene = RerunScene({"mug": Shape(CORNERS, TRIANGLES)})
        scene.save(path)
        for number, action in enumerate(actions):
            log_frame(scene, number, action)
        scene.close()
        return path

    return write
