# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from perception_kit.types import Instance, PoseEstimate, TrackEstimate
from tracker_node.deep_sort import DeepSort

Detection = Callable[..., Instance]
Pose = Callable[..., PoseEstimate]

PERIOD_NS = 33_333_333
PERIOD_S = PERIOD_NS * 1e-9
VELOCITY = np.array([0.3, -0.1, 0.2])
QUARTER_TURN = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])


def truth(frame: int) -> np.ndarray:
    """Position in metres of an object with constant velocity."""
    return np.array([0.1, 0.2, 0.9]) + VELOCITY * frame * PERIOD_S


def run(detection: Detection, poses_at: Callable[[int], list[PoseEstimate]], frames: int, tracker: DeepSort | None = None) -> TrackEstimate:
    """The only track after some frames of one object that stands still in the image."""
    tracker = tracker or DeepSort()
    for frame in range(1, frames + 1):
        estimates = tracker.update([detection([100, 100, 150, 200])], frame * PERIOD_NS, poses_at(frame))
    (estimate,) = estimates
    return estimate


def test_no_position_without_poses(detection: Detection) -> None:
    estimate = run(detection, lambda _: [], 5)
    assert estimate.position is None
    assert estimate.velocity is None
    assert estimate.rotation is None


def test_first_pose_gives_the_position_at_rest(detection: Detection, pose: Pose) -> None:
    estimate = run(detection, lambda frame: [pose(0, truth(frame), QUARTER_TURN)], 1)
    np.testing.assert_allclose(estimate.position, truth(1))
    np.testing.assert_allclose(estimate.velocity, 0)
    np.testing.assert_allclose(estimate.position_covariance, np.diag([1e-4] * 3))
    np.testing.assert_allclose(estimate.velocity_covariance, np.diag([0.25] * 3))
    np.testing.assert_array_equal(estimate.rotation, QUARTER_TURN)


def test_velocity_is_learned_in_metres_per_second(detection: Detection, pose: Pose) -> None:
    estimate = run(detection, lambda frame: [pose(0, truth(frame))], 60)
    np.testing.assert_allclose(estimate.position, truth(60), atol=2e-3)
    np.testing.assert_allclose(estimate.velocity, VELOCITY, atol=0.02)


def test_position_is_predicted_while_poses_are_missing(detection: Detection, pose: Pose) -> None:
    followed = run(detection, lambda frame: [pose(0, truth(frame))] if frame <= 60 else [], 60)
    predicted = run(detection, lambda frame: [pose(0, truth(frame))] if frame <= 60 else [], 70)
    np.testing.assert_allclose(predicted.position, truth(70), atol=0.01)
    assert (np.diag(predicted.position_covariance) > np.diag(followed.position_covariance)).all()


def test_position_is_unknown_when_the_last_pose_is_too_old(detection: Detection, pose: Pose) -> None:
    poses_at = lambda frame: [pose(0, truth(frame))] if frame == 1 else []  # noqa: E731
    assert run(detection, poses_at, 31).position is not None
    assert run(detection, poses_at, 32).position is None


@pytest.mark.parametrize("delay", [1, 2, 5])
def test_late_poses_give_the_same_result_as_timely_ones(delay: int, detection: Detection, pose: Pose) -> None:
    frames = 20
    timely = run(detection, lambda frame: [pose(0, truth(frame))], frames)
    late = DeepSort()
    for frame in range(1, frames + 1):
        late.update([detection([100, 100, 150, 200])], frame * PERIOD_NS)
        if frame > delay:
            late.add_poses((frame - delay) * PERIOD_NS, [pose(0, truth(frame - delay))])
            assert late.rejected_poses == []
    for frame in range(frames - delay + 1, frames + 1):
        late.add_poses(frame * PERIOD_NS, [pose(0, truth(frame))])
    (estimate,) = late.estimates()
    np.testing.assert_allclose(estimate.position, timely.position)
    np.testing.assert_allclose(estimate.velocity, timely.velocity)
    np.testing.assert_allclose(estimate.position_covariance, timely.position_covariance)


def test_poses_go_to_the_track_of_their_detection(detection: Detection, pose: Pose) -> None:
    left, right, unusable = detection([100, 100, 150, 200]), detection([400, 100, 450, 200]), detection([5, 5, 5, 5])
    tracker = DeepSort()
    tracker.update([left, right], PERIOD_NS)
    first, second = tracker.update([unusable, right, left], 2 * PERIOD_NS, [pose(1, [0.5, 0, 1]), pose(2, [-0.5, 0, 1])])
    assert (first.detection_index, second.detection_index) == (2, 1)
    np.testing.assert_allclose(first.position, [-0.5, 0, 1])
    np.testing.assert_allclose(second.position, [0.5, 0, 1])


BAD_POSES = {
    "no such detection": (lambda pose: pose(3, [0, 0, 1]), "detection 3 belongs to no living track"),
    "NaN in the translation": (lambda pose: pose(0, [0, np.nan, 1]), "not three finite numbers"),
    "not a rotation": (lambda pose: pose(0, [0, 0, 1], 2 * np.eye(3)), "not a rotation matrix"),
    "mirrored": (lambda pose: pose(0, [0, 0, 1], np.diag([1.0, 1.0, -1.0])), "not a rotation matrix"),
    "NaN in the rotation": (lambda pose: pose(0, [0, 0, 1], np.full((3, 3), np.nan)), "not a rotation matrix"),
}


@pytest.mark.parametrize("case", BAD_POSES)
def test_bad_poses_are_named_and_the_others_are_used(case: str, detection: Detection, pose: Pose) -> None:
    make, reason = BAD_POSES[case]
    tracker = DeepSort()
    instances = [detection([100, 100, 150, 200]), detection([400, 100, 450, 200])]
    estimates = tracker.update(instances, PERIOD_NS, [make(pose), pose(1, [0.5, 0, 1])])
    ((index, message),) = tracker.rejected_poses
    assert index == 0
    assert reason in message
    assert estimates[0].position is None
    assert estimates[1].position is not None


def test_second_and_older_poses_are_refused(detection: Detection, pose: Pose) -> None:
    tracker = DeepSort()
    for frame in (1, 2):
        tracker.update([detection([100, 100, 150, 200])], frame * PERIOD_NS)
    tracker.add_poses(2 * PERIOD_NS, [pose(0, [0, 0, 1]), pose(0, [0, 0, 2])])
    assert tracker.rejected_poses == [(1, "detection 0 has more than one pose")]
    tracker.add_poses(PERIOD_NS, [pose(0, [0, 0, 3])])
    assert "already has a pose" in tracker.rejected_poses[0][1]
    np.testing.assert_allclose(tracker.estimates()[0].position, [0, 0, 1])


def test_poses_of_unknown_frames_are_refused(detection: Detection, pose: Pose) -> None:
    tracker = DeepSort()
    for frame in range(1, 40):
        tracker.update([detection([100, 100, 150, 200])], frame * PERIOD_NS)
    for stamp in (12345, PERIOD_NS):
        tracker.add_poses(stamp, [pose(0, [0, 0, 1])])
        assert "no frame with stamp" in tracker.rejected_poses[0][1]


def test_poses_for_a_track_that_is_gone_are_refused(detection: Detection, pose: Pose) -> None:
    tracker = DeepSort()
    tracker.update([detection([100, 100, 150, 200])], PERIOD_NS)
    tracker.update([], 2 * PERIOD_NS)
    tracker.add_poses(PERIOD_NS, [pose(0, [0, 0, 1])])
    assert tracker.rejected_poses == [(0, "detection 0 belongs to no living track")]
