# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from perception_kit.geometry import pose_matrix
from perception_kit.types import Instance, PoseEstimate, TrackEstimate
from tracker_node.config import TrackerConfig
from tracker_node.deep_sort import DeepSort

Detection = Callable[..., Instance]
Pose = Callable[..., PoseEstimate]

PERIOD_NS = 33_333_333
PERIOD_S = PERIOD_NS * 1e-9
VELOCITY = np.array([0.3, -0.1, 0.2])
QUARTER_TURN = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])


def ground_truth(frame: int) -> np.ndarray:
    """Position in metres of an object with constant velocity."""
    return np.array([0.1, 0.2, 0.9]) + VELOCITY * frame * PERIOD_S


def run(
    detection: Detection,
    poses_at: Callable[[int], list[PoseEstimate]],
    frames: int,
    tracker: DeepSort | None = None,
) -> TrackEstimate:
    """The only track after some frames of one object that stands still in the image."""
    tracker = tracker or DeepSort()
    for frame in range(1, frames + 1):
        estimates = tracker.update(
            [detection([100, 100, 150, 200])], frame * PERIOD_NS, poses_at(frame)
        )
    (estimate,) = estimates
    return estimate


def test_no_position_without_poses(detection: Detection) -> None:
    estimate = run(detection, lambda _: [], 5)
    assert estimate.position is None
    assert estimate.velocity is None
    assert estimate.rotation is None
    assert estimate.angular_velocity is None


def test_first_pose_gives_the_position_at_rest(detection: Detection, pose: Pose) -> None:
    estimate = run(detection, lambda frame: [pose(0, ground_truth(frame), QUARTER_TURN)], 1)
    np.testing.assert_allclose(estimate.position, ground_truth(1))
    np.testing.assert_allclose(estimate.velocity, 0)
    np.testing.assert_allclose(estimate.position_covariance, np.diag([1e-4] * 3))
    np.testing.assert_allclose(estimate.velocity_covariance, np.diag([0.25] * 3))
    np.testing.assert_allclose(estimate.rotation, QUARTER_TURN)
    np.testing.assert_allclose(estimate.angular_velocity, 0)
    np.testing.assert_allclose(estimate.rotation_covariance, np.diag([1e-2] * 3))
    np.testing.assert_allclose(estimate.angular_velocity_covariance, np.diag([0.25] * 3))


def test_velocity_is_learned_in_meters_per_second(detection: Detection, pose: Pose) -> None:
    estimate = run(detection, lambda frame: [pose(0, ground_truth(frame))], 60)
    np.testing.assert_allclose(estimate.position, ground_truth(60), atol=2e-3)
    np.testing.assert_allclose(estimate.velocity, VELOCITY, atol=0.02)


def test_angular_velocity_is_learned_and_orientation_predicted(
    detection: Detection, pose: Pose
) -> None:
    turned = lambda frame: Rotation.from_rotvec([0, 0, 2.0 * frame * PERIOD_S]).as_matrix()  # noqa: E731
    poses_at = lambda frame: [pose(0, [0, 0, 1], turned(frame))] if frame <= 60 else []  # noqa: E731
    np.testing.assert_allclose(
        run(detection, poses_at, 60).angular_velocity, [0, 0, 2.0], atol=0.05
    )
    np.testing.assert_allclose(run(detection, poses_at, 70).rotation, turned(70), atol=0.05)


def test_position_is_predicted_while_poses_are_missing(detection: Detection, pose: Pose) -> None:
    followed = run(
        detection, lambda frame: [pose(0, ground_truth(frame))] if frame <= 60 else [], 60
    )
    predicted = run(
        detection, lambda frame: [pose(0, ground_truth(frame))] if frame <= 60 else [], 70
    )
    np.testing.assert_allclose(predicted.position, ground_truth(70), atol=0.01)
    assert (np.diag(predicted.position_covariance) > np.diag(followed.position_covariance)).all()


def test_position_is_unknown_when_the_last_pose_is_too_old(
    detection: Detection, pose: Pose
) -> None:
    poses_at = lambda frame: [pose(0, ground_truth(frame))] if frame == 1 else []  # noqa: E731
    assert run(detection, poses_at, 31).position is not None
    assert run(detection, poses_at, 32).position is None


@pytest.mark.parametrize("delay", [1, 2, 5])
def test_late_poses_give_the_same_result_as_timely_ones(
    delay: int, detection: Detection, pose: Pose
) -> None:
    frames = 20
    timely = run(detection, lambda frame: [pose(0, ground_truth(frame))], frames)
    late = DeepSort()
    for frame in range(1, frames + 1):
        late.update([detection([100, 100, 150, 200])], frame * PERIOD_NS)
        if frame > delay:
            late.add_poses((frame - delay) * PERIOD_NS, [pose(0, ground_truth(frame - delay))])
            assert late.rejected_poses == []
    for frame in range(frames - delay + 1, frames + 1):
        late.add_poses(frame * PERIOD_NS, [pose(0, ground_truth(frame))])
    (estimate,) = late.estimates()
    np.testing.assert_allclose(estimate.position, timely.position)
    np.testing.assert_allclose(estimate.velocity, timely.velocity)
    np.testing.assert_allclose(estimate.position_covariance, timely.position_covariance)


def test_poses_go_to_the_track_of_their_detection(detection: Detection, pose: Pose) -> None:
    left, right = detection([100, 100, 150, 200]), detection([400, 100, 450, 200])
    unusable = detection([5, 5, 5, 5])
    tracker = DeepSort()
    tracker.update([left, right], PERIOD_NS)
    first, second = tracker.update(
        [unusable, right, left], 2 * PERIOD_NS, [pose(1, [0.5, 0, 1]), pose(2, [-0.5, 0, 1])]
    )
    assert (first.detection_index, second.detection_index) == (2, 1)
    np.testing.assert_allclose(first.position, [-0.5, 0, 1])
    np.testing.assert_allclose(second.position, [0.5, 0, 1])


BAD_POSES = {
    "no such detection": (
        lambda pose: pose(3, [0, 0, 1]),
        "detection 3 belongs to no living track",
    ),
    "NaN in the translation": (lambda pose: pose(0, [0, np.nan, 1]), "not three finite numbers"),
    "far outside of any room": (lambda pose: pose(0, [0, 0, 1e5]), "more than 10000 m out"),
    "not a rotation": (lambda pose: pose(0, [0, 0, 1], 2 * np.eye(3)), "not a rotation matrix"),
    "mirrored": (
        lambda pose: pose(0, [0, 0, 1], np.diag([1.0, 1.0, -1.0])),
        "not a rotation matrix",
    ),
    "NaN in the rotation": (
        lambda pose: pose(0, [0, 0, 1], np.full((3, 3), np.nan)),
        "not a rotation matrix",
    ),
}


@pytest.mark.parametrize("case", BAD_POSES)
def test_bad_poses_are_named_and_the_others_are_used(
    case: str, detection: Detection, pose: Pose
) -> None:
    make, reason = BAD_POSES[case]
    tracker = DeepSort()
    instances = [detection([100, 100, 150, 200]), detection([400, 100, 450, 200])]
    estimates = tracker.update(instances, PERIOD_NS, [make(pose), pose(1, [0.5, 0, 1])])
    ((index, message),) = tracker.rejected_poses
    assert index == 0
    assert reason in message
    assert estimates[0].position is None
    assert estimates[1].position is not None


def test_the_poses_of_a_frame_are_taken_once(detection: Detection, pose: Pose) -> None:
    tracker = DeepSort()
    for frame in (1, 2, 3):
        tracker.update([detection([100, 100, 150, 200])], frame * PERIOD_NS)
    tracker.add_poses(3 * PERIOD_NS, [pose(0, [0, 0, 1]), pose(0, [0, 0, 2])])
    assert tracker.rejected_poses == [(1, "detection 0 has more than one pose")]
    tracker.add_poses(3 * PERIOD_NS, [pose(0, [0, 0, 3])])
    assert "known already" in tracker.rejected_poses[0][1]
    tracker.add_poses(2 * PERIOD_NS, [pose(0, [0, 0, 1])])
    assert tracker.rejected_poses == []
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
    for frame in (2, 3):
        tracker.update([], frame * PERIOD_NS)
    tracker.add_poses(PERIOD_NS, [pose(0, [0, 0, 1])])
    assert tracker.rejected_poses == [(0, "detection 0 belongs to no living track")]


LEFT, RIGHT = [100, 100, 150, 200], [104, 100, 154, 200]
NEAR, FAR = [0.0, 0.0, 0.8], [0.0, 0.0, 1.2]


@pytest.mark.parametrize("late", [False, True])
def test_poses_decide_between_look_alikes(late: bool, detection: Detection, pose: Pose) -> None:
    """Two objects one behind the other swap their boxes within a frame.

    Late poses put the swap right before the next frame.
    """
    tracker = DeepSort()

    def step(frame: int, near_box: list[float], far_box: list[float]) -> list[TrackEstimate]:
        poses = [pose(0, NEAR), pose(1, FAR)]
        estimates = tracker.update(
            [detection(near_box), detection(far_box)], frame * PERIOD_NS, () if late else poses
        )
        if late:
            tracker.add_poses(frame * PERIOD_NS, poses)
            estimates = tracker.estimates()
        return estimates

    for frame in range(1, 6):
        step(frame, LEFT, RIGHT)
    swapped = step(6, RIGHT, LEFT)
    assert {track.id: track.detection_index for track in swapped} == {1: 0, 2: 1}
    without = DeepSort(TrackerConfig(pose_association=False))
    for frame in range(1, 7):
        boxes = (LEFT, RIGHT) if frame < 6 else (RIGHT, LEFT)
        estimates = without.update(
            [detection(box) for box in boxes], frame * PERIOD_NS, [pose(0, NEAR), pose(1, FAR)]
        )
    assert {track.id: track.detection_index for track in estimates} == {1: 1, 2: 0}


def test_late_poses_leave_the_tracker_as_timely_ones_do(detection: Detection, pose: Pose) -> None:
    """Ids, boxes and 3D states, with objects that come and go: frames and poses drawn at random."""
    rng = np.random.default_rng(0)
    timely, late = DeepSort(), DeepSort()
    for frame in range(1, 60):
        places = np.array([[100, 100], [130, 100], [160, 110]])
        corners = places[rng.random(3) < 0.8] + rng.normal(scale=3, size=2)
        instances = [
            detection([*corner, *(corner + np.array([50, 100]))], descriptor=rng.normal(size=3) + 2)
            for corner in corners
        ]
        poses = [
            pose(k, [corner[0] / 500, 0, 1])
            for k, corner in enumerate(corners)
            if rng.random() < 0.8
        ]

        timely.update(instances, frame * PERIOD_NS, poses)
        late.update(instances, frame * PERIOD_NS)
        late.add_poses(frame * PERIOD_NS, poses)
        for expected, actual in zip(timely.estimates(), late.estimates(), strict=True):
            for name in ("id", "hits", "detection_index"):
                assert getattr(actual, name) == getattr(expected, name)
            np.testing.assert_array_equal(actual.box, expected.box)
            np.testing.assert_array_equal(actual.position, expected.position)
    assert timely._next_id == late._next_id > 4


def test_one_outlier_is_refused_and_two_start_over(detection: Detection, pose: Pose) -> None:
    tracker = DeepSort()
    positions = [[0, 0, 1.0]] * 20 + [[0, 0, 2.0]] + [[0, 0, 1.0]] * 5 + [[0, 0, 2.0]] * 2
    refused, depths = [], []
    for frame, position in enumerate(positions, start=1):
        (track,) = tracker.update([detection(LEFT)], frame * PERIOD_NS, [pose(0, position)])
        refused += [frame for _, reason in tracker.rejected_poses if "out of reach" in reason]
        depths.append(track.position[2])
    assert refused == [21, 27]
    np.testing.assert_allclose(depths[:27], 1.0, atol=0.01)
    assert depths[27] == pytest.approx(2.0)
    assert track.id == 1


HALF_TURN = pose_matrix(np.diag([-1.0, -1.0, 1.0]), np.zeros(3))
OFF_CENTER = pose_matrix(np.diag([-1.0, -1.0, 1.0]), np.array([0.02, 0.0, 0.0]))


@pytest.mark.parametrize("symmetry", [HALF_TURN, OFF_CENTER])
def test_symmetric_equivalents_are_one_pose(
    symmetry: np.ndarray, detection: Detection, pose: Pose
) -> None:
    """An object with a twofold axis turns slowly.

    Its measured pose is now the one, now the other of the two that look the same.
    """
    tracker = DeepSort(symmetries={"class 1": np.stack([np.eye(4), symmetry])})
    rng = np.random.default_rng(0)
    for frame in range(1, 61):
        ground_truth = pose_matrix(
            Rotation.from_rotvec([0, 0, 1.0 * frame * PERIOD_S]).as_matrix(), np.array([0.1, 0, 1])
        )
        seen = ground_truth @ symmetry if frame > 1 and rng.random() < 0.5 else ground_truth
        (track,) = tracker.update(
            [detection(LEFT)], frame * PERIOD_NS, [pose(0, seen[:3, 3], seen[:3, :3])]
        )
        assert tracker.rejected_poses == []
        np.testing.assert_allclose(track.rotation, ground_truth[:3, :3], atol=0.1)
        np.testing.assert_allclose(track.position, ground_truth[:3, 3], atol=1e-6)
    np.testing.assert_allclose(track.angular_velocity, [0, 0, 1.0], atol=0.1)


def camera_at(frame: int) -> np.ndarray:
    """A camera that pans and moves: (4, 4) camera to fixed frame."""
    return pose_matrix(
        Rotation.from_rotvec([0, 0.05 * frame, 0]).as_matrix(),
        np.array([0.04 * np.sin(frame), 0.0, 0.01 * frame]),
    )


def seen_by(camera: np.ndarray, position: np.ndarray) -> np.ndarray:
    return camera[:3, :3].T @ (position - camera[:3, 3])


@pytest.mark.parametrize("delay", [0, 1, 3])
def test_camera_motion_is_compensated(delay: int, detection: Detection, pose: Pose) -> None:
    """An object at rest in front of a moving camera.

    Its filtered velocity is zero; its pose is given relative to the camera.
    """
    tracker, place = DeepSort(TrackerConfig(fixed_frame="odom")), np.array([0.2, 0.1, 1.5])
    for frame in range(1, 41):
        tracker.update([detection(LEFT)], frame * PERIOD_NS, camera=camera_at(frame))
        earlier = frame - delay
        if earlier > 0:
            camera = camera_at(earlier)
            seen = pose(0, seen_by(camera, place), camera[:3, :3].T)
            tracker.add_poses(earlier * PERIOD_NS, [seen], camera)
            assert tracker.rejected_poses == []
    (track,) = tracker.estimates()
    np.testing.assert_allclose(track.position, seen_by(camera_at(40), place), atol=1e-6)
    np.testing.assert_allclose(track.rotation, camera_at(40)[:3, :3].T, atol=1e-6)
    np.testing.assert_allclose(track.velocity, 0, atol=1e-6)
    np.testing.assert_allclose(track.angular_velocity, 0, atol=1e-6)


def test_without_the_cameras_place_nothing_is_guessed(detection: Detection, pose: Pose) -> None:
    tracker = DeepSort(TrackerConfig(fixed_frame="odom"))
    (track,) = tracker.update([detection(LEFT)], PERIOD_NS, [pose(0, NEAR)])
    assert "camera was in 'odom'" in tracker.rejected_poses[0][1]
    assert track.position is None
    tracker.add_poses(PERIOD_NS, [pose(0, NEAR)], np.eye(4))
    np.testing.assert_allclose(tracker.estimates()[0].position, NEAR)
    (track,) = tracker.update([detection(LEFT)], 2 * PERIOD_NS)
    assert (track.id, track.position) == (1, None)
