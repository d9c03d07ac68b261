# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from perception_kit.metrics.tracking import TrackedBoxes
from perception_kit.types import Instance, PoseEstimate, TrackEstimate, TrackState
from tracker_node.config import TrackerConfig
from tracker_node.deep_sort import DeepSort
from tracker_node.occlusions import Occlusions, short_occlusions
from tracker_node.tuning_data import LabeledFrame

Detection = Callable[..., Instance]
Pose = Callable[..., PoseEstimate]
RATE = 30.0
FOCAL_PX, CENTER_PX = 600.0, np.array([320.0, 240.0])
RADIUS_M = 0.05
BEFORE = 20


def crossing(
    hidden: int,
    speed: float,
    with_poses: bool,
    looks: np.ndarray | None,
    detection: Detection,
    pose: Pose,
) -> list[LabeledFrame]:
    """Two instances of one class pass each other 0.8 m and 1.1 m from the camera.

    They move in opposite directions with ``speed`` m/s. While the near one is before the far one,
    the far one is not detected: in ``hidden`` frames. All measurements have noise.
    """
    rng = np.random.default_rng(7)
    frames = []
    for number in range(2 * BEFORE + hidden):
        time = (number - BEFORE - (hidden - 1) / 2) / RATE
        seen, poses, boxes = [], [], []
        for identity, center in (
            (0, np.array([speed * time, 0.02, 0.8])),
            (1, np.array([-speed * time, 0.0, 1.1])),
        ):
            middle = CENTER_PX + FOCAL_PX * center[:2] / center[2]
            half = FOCAL_PX * RADIUS_M / center[2]
            boxes.append(np.concatenate([middle - half, middle + half]))
            if identity == 1 and BEFORE <= number < BEFORE + hidden:
                continue
            look = () if looks is None else looks[identity] + rng.normal(0, 0.1, looks.shape[1])
            seen.append(detection(boxes[-1] + rng.normal(0, 0.5, 4), descriptor=look))
            poses.append(pose(len(seen) - 1, center + rng.normal(0, 0.003, 3)))
        ground_truth = TrackedBoxes([1, 2], boxes, ["class 1", "class 1"])
        stamp_ns = round(number / RATE * 1e9)
        frames.append(LabeledFrame(stamp_ns, seen, poses if with_poses else [], ground_truth))
    return frames


LOOKS = {"no appearance": None, "the same look": np.ones((2, 16)) / 4, "two looks": np.eye(16)[:2]}


@pytest.mark.parametrize("motion_weight", [0.0, 0.25, 0.5, 1.0])
@pytest.mark.parametrize("with_poses", [False, True], ids=["boxes", "poses"])
@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize(("hidden", "speed"), [(6, 0.5), (15, 0.2), (28, 0.1)])
def test_crossing_instances_of_one_class_keep_their_identities(
    hidden: int,
    speed: float,
    look: str,
    with_poses: bool,
    motion_weight: float,
    detection: Detection,
    pose: Pose,
) -> None:
    frames = crossing(hidden, speed, with_poses, LOOKS[look], detection, pose)
    tracker = DeepSort(TrackerConfig(motion_weight=motion_weight))
    tracked = [tracker.update(frame.instances, frame.stamp_ns, frame.poses) for frame in frames]
    assert short_occlusions(frames, tracked) == Occlusions(1, 1)
    assert {track.id for tracks in tracked for track in tracks} == {1, 2}, (
        "nobody is taken for a newcomer"
    )
    assert tracked[-1][0].box_velocity[0] > 0 > tracked[-1][1].box_velocity[0], (
        "each goes its own way"
    )


def estimate(track_id: int, state: TrackState) -> TrackEstimate:
    return TrackEstimate(
        track_id, 1, "class 1", state, 0.9, 5, 5, 0.0, 0, np.array([0, 0, 10, 10.0]), np.zeros(4)
    )


# Frames in which it is detected, the id of its track in each, its state before, expected.
CASES = {
    "kept": ([0, 1, 9], [1, 1, 1], TrackState.CONFIRMED, Occlusions(1, 1)),
    "lost to a new track": ([0, 1, 9], [1, 1, 2], TrackState.CONFIRMED, Occlusions(1, 0)),
    "never hidden": ([0, 1, 2], [1, 1, 2], TrackState.CONFIRMED, Occlusions(0, 0)),
    "hidden for a second": ([0, 30], [1, 2], TrackState.CONFIRMED, Occlusions(0, 0)),
    "not confirmed before": ([0, 9], [1, 2], TrackState.TENTATIVE, Occlusions(0, 0)),
}


@pytest.mark.parametrize("case", CASES)
def test_counts(case: str, detection: Detection) -> None:
    detected, ids, state, expected = CASES[case]
    box = [0, 0, 10, 10]
    frames, tracked = [], []
    for number in range(detected[-1] + 1):
        seen = number in detected
        ground_truth = TrackedBoxes([4], [box], ["class 1"])
        instances = [detection(box)] if seen else []
        frames.append(LabeledFrame(round(number / RATE * 1e9), instances, [], ground_truth))
        tracked.append([estimate(ids[detected.index(number)], state)] if seen else [])
    assert short_occlusions(frames, tracked) == expected
