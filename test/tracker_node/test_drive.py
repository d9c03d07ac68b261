# SPDX-License-Identifier: Apache-2.0
"""A robot drives away from a table and comes back: its objects are known again, on the map."""

from __future__ import annotations

import numpy as np
import pytest

from perception_kit.geometry import invert_pose, project, transform
from perception_kit.synth.robot_path import DrivePath
from perception_kit.synth.scene import pinhole
from perception_kit.types import Instance, PoseEstimate, TrackEstimate, TrackState
from tracker_node.config import TrackerNodeConfig
from tracker_node.deep_sort import DeepSort

CAMERA = pinhole(640, 480)
PLACES = np.array([[-0.3, 0.0, 0.45], [-0.1, 0.1, 0.45], [0.1, -0.1, 0.45], [0.3, 0.05, 0.45]])
"""Of four cups that look the same, metres in the room."""
SECONDS, FPS = 50.0, 10


def seen_from(
    camera: np.ndarray, rng: np.random.Generator
) -> tuple[list[Instance], list[PoseEstimate]]:
    """Detections and noisy poses of the cups in the image, in random order."""
    from_world = invert_pose(camera)
    instances: list[Instance] = []
    poses: list[PoseEstimate] = []
    for place in transform(PLACES, from_world[:3, :3], from_world[:3, 3])[rng.permutation(4)]:
        pixel = project(place[None], CAMERA)[0]
        if place[2] < 0.3 or not ((pixel > 0).all() and (pixel < (640, 480)).all()):
            continue
        half = 0.5 * CAMERA.fx * np.array([0.08, 0.1]) / place[2]
        box = np.concatenate([pixel - half, pixel + half]).astype(np.float32)
        look = np.array([1, 0.1 * rng.normal(), 0, 0], np.float32)
        look /= np.linalg.norm(look)
        measured = place + rng.normal(0, 0.008, 3)
        size = np.full(3, 0.1)
        poses.append(PoseEstimate(len(instances), 1, "cup", np.eye(3), measured, 0.9, size))
        instances.append(Instance(1, "cup", 0.9, box, np.zeros((0, 0), bool), (0, 0), look))
    return instances, poses


def nearest_cup(track: TrackEstimate, camera: np.ndarray) -> tuple[int, float]:
    """The cup that a track is, and how far it is from it on the map, metres."""
    assert track.position is not None
    place = transform(track.position[None], camera[:3, :3], camera[:3, 3])[0]
    distances = np.linalg.norm(PLACES - place, axis=1)
    return int(distances.argmin()), float(distances.min())


@pytest.mark.parametrize("seed", range(3))
def test_objects_keep_identity_and_place_when_they_come_back_into_view(seed: int) -> None:
    rng = np.random.default_rng(seed)
    path, tracker = DrivePath(SECONDS, rng), DeepSort(TrackerNodeConfig(fixed_frame="odom"))
    owners: dict[int, int] = {}
    confirmed = []
    for number in range(round(SECONDS * FPS)):
        camera = path.at(number / FPS)
        instances, poses = seen_from(camera, rng)
        tracks = tracker.update(instances, number * 10**9 // FPS, poses, camera)
        now = [track for track in tracks if track.state == TrackState.CONFIRMED]
        confirmed.append(len(now))
        for track in now:
            cup, error = nearest_cup(track, camera)
            assert owners.setdefault(track.id, cup) == cup
            assert error < 0.05
    away = np.flatnonzero(np.array(confirmed) == 0)
    assert np.diff(away[[2, -1]])[0] > 30 * FPS, "out of sight for half a minute"
    assert confirmed[-1] >= 3
    assert len(owners) == len(set(owners.values())), "one id for each cup"
