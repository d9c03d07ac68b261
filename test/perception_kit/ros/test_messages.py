# SPDX-License-Identifier: Apache-2.0
"""Dataclasses come back from their messages as they were."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from assistant_perception.msg import TrackArray
from builtin_interfaces.msg import Time
from geometry_msgs.msg import Quaternion
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from rclpy.serialization import deserialize_message, serialize_message
from scipy.spatial.transform import Rotation
from std_msgs.msg import Header

from perception_kit.drawing import draw_overlay
from perception_kit.ros.from_messages import (
    Rejected,
    actions_from_message,
    detections_from_message,
    poses_from_message,
    rotation_from_message,
    tracks_from_message,
)
from perception_kit.ros.to_messages import (
    actions_to_message,
    detections_to_message,
    fall_alarms_to_message,
    ns_to_stamp,
    poses_to_message,
    quaternion_message,
    tracks_to_message,
)
from perception_kit.stamps import stamp_to_ns
from perception_kit.types import (
    ActionEstimate,
    FallAlarm,
    FrameResults,
    Instance,
    PoseEstimate,
    TrackEstimate,
    TrackState,
)

HEADER = Header(stamp=ns_to_stamp(1_700_000_000_123_456_789), frame_id="camera_color_optical_frame")
seeds = st.integers(0, 2**32)


def wired(message: object) -> object:
    """The message as it arrives over DDS."""
    return deserialize_message(serialize_message(message), type(message))


def rotation(seed: int) -> np.ndarray:
    return Rotation.random(random_state=seed % 2**32).as_matrix()


@given(st.integers(0, 2**31 * 10**9 - 1))
def test_stamps_keep_their_nanoseconds(stamp_ns: int) -> None:
    assert stamp_to_ns(ns_to_stamp(stamp_ns)) == stamp_ns


@given(seeds)
def test_rotations_come_back_and_w_is_not_negative(seed: int) -> None:
    quaternion = quaternion_message(rotation(seed))
    assert quaternion.w >= 0
    components = [quaternion.x, quaternion.y, quaternion.z, quaternion.w]
    assert np.linalg.norm(components) == pytest.approx(1)
    np.testing.assert_allclose(rotation_from_message(quaternion), rotation(seed), atol=1e-9)


def test_a_quarter_turn_about_z_is_xyzw() -> None:
    quarter = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    message = quaternion_message(quarter)
    np.testing.assert_allclose(
        [message.x, message.y, message.z, message.w], [0, 0, np.sqrt(0.5), np.sqrt(0.5)], atol=1e-12
    )


@pytest.mark.parametrize("x", [0.0, 1e-300, 1e-9, np.nan, np.inf, 1e300])
def test_a_quaternion_without_direction_is_refused(x: float) -> None:
    with pytest.raises(ValueError, match="is no orientation"):
        rotation_from_message(Quaternion(x=x, y=0.0, z=0.0, w=0.0))


@given(
    mask=hnp.arrays(bool, st.tuples(st.integers(0, 20), st.integers(0, 20))),
    origin=st.tuples(st.integers(0, 9), st.integers(0, 9)),
    seed=seeds,
)
def test_instances_come_back(mask: np.ndarray, origin: tuple[int, int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    box, descriptor = rng.random(4).astype(np.float32), rng.random(8).astype(np.float32)
    instance = Instance(3, "cup", 0.75, box * 100, mask, origin, descriptor)
    message = wired(detections_to_message([instance, instance], HEADER, 640, 480))
    assert (message.header, message.image_width, message.image_height) == (HEADER, 640, 480)
    assert [detection.detection_id for detection in message.detections] == [0, 1]
    for back in detections_from_message(message):
        assert (back.class_id, back.class_name, back.score) == (3, "cup", 0.75)
        assert back.mask_origin == origin
        np.testing.assert_array_equal(back.mask, mask)
        np.testing.assert_array_equal(back.box, instance.box)
        np.testing.assert_array_equal(back.descriptor, instance.descriptor)


def test_mask_bits_are_as_the_message_says() -> None:
    mask = np.zeros((2, 10), bool)
    mask[0, [0, 9]] = mask[1, 7] = True
    instance = Instance(1, "cup", 1.0, np.zeros(4, np.float32), mask, (4, 5))
    (detection,) = detections_to_message([instance], HEADER, 64, 48).detections
    assert list(detection.mask) == [0b10000000, 0b01000000, 0b00000001, 0]
    roi = detection.mask_roi
    assert (roi.x_offset, roi.y_offset, roi.width, roi.height) == (4, 5, 10, 2)


def test_a_mask_of_the_wrong_length_is_refused_with_the_numbers() -> None:
    whole = Instance(1, "cup", 1.0, np.zeros(4), np.ones((3, 10), bool), (0, 0))
    message = detections_to_message([whole], HEADER, 64, 48)
    message.detections[0].mask = message.detections[0].mask[:5]
    expected = "detection 0: mask has 5 bytes, expected 3 rows of 2 for its 10x3 rectangle"
    with pytest.raises(ValueError, match=expected):
        detections_from_message(message)
    (instance,) = detections_from_message(message, with_masks=False)
    assert instance.mask.size == 0


def test_a_pose_without_orientation_is_refused_or_marked() -> None:
    pose = PoseEstimate(0, 1, "cup", np.eye(3), np.ones(3), 0.5, np.ones(3))
    message = poses_to_message([pose, pose], HEADER)
    message.poses[0].pose.orientation.w = 0.0
    with pytest.raises(ValueError, match="is no orientation"):
        poses_from_message(message)
    damaged, whole = poses_from_message(message, damaged_as_nan=True)
    assert np.isnan(damaged.rotation).all()
    np.testing.assert_array_equal(whole.rotation, np.eye(3))


@given(seeds)
def test_poses_come_back(seed: int) -> None:
    rng = np.random.default_rng(seed)
    pose = PoseEstimate(4, 2, "box", rotation(seed), rng.normal(size=3), 0.5, rng.random(3))
    message = wired(poses_to_message([pose], HEADER))
    assert message.header == HEADER
    (back,) = poses_from_message(message)
    assert (back.detection_index, back.class_id, back.class_name) == (4, 2, "box")
    assert back.confidence == 0.5
    np.testing.assert_allclose(back.rotation, pose.rotation, atol=1e-9)
    np.testing.assert_array_equal(back.translation, pose.translation)
    np.testing.assert_array_equal(back.size, pose.size)


@given(seeds)
def test_an_estimated_size_comes_back_with_its_deviation(seed: int) -> None:
    rng = np.random.default_rng(seed)
    size, std = rng.random((2, 3))
    known = PoseEstimate(0, 2, "box", rotation(seed), np.ones(3), 0.5, size)
    message = wired(poses_to_message([known, replace(known, size_std=std)], HEADER))
    assert [pose.size_estimated for pose in message.poses] == [False, True]
    first, second = poses_from_message(message)
    assert first.size_std is None
    np.testing.assert_array_equal(second.size_std, std)

    message.poses[1].size_std.x = float("nan")
    with pytest.raises(ValueError, match="size_std"):
        poses_from_message(message)

    (sent,) = wired(tracks_to_message([track(size=size, size_std=std)], HEADER)).tracks
    assert sent.has_size
    (back,) = tracks_from_message(TrackArray(header=HEADER, tracks=[sent]))
    np.testing.assert_array_equal(back.size, size)
    np.testing.assert_array_equal(back.size_std, std)


def track(**known: object) -> TrackEstimate:
    values = {
        "id": 7,
        "class_id": 2,
        "class_name": "box",
        "state": TrackState.LOST,
        "score": 0.5,
        "age": 9,
        "hits": 6,
        "time_since_update": 0.25,
        "detection_index": -1,
        "box": np.array([1, 2, 30, 40], np.float32),
        "box_velocity": np.array([-1, 0, 1, 2], np.float32),
    }
    return TrackEstimate(**(values | known))


def test_a_track_in_the_image_only_comes_back() -> None:
    message = wired(tracks_to_message([track()], HEADER))
    (sent,) = message.tracks
    assert (sent.has_position, sent.has_orientation) == (False, False)
    (back,) = tracks_from_message(message)
    assert (back.id, back.class_id, back.class_name) == (7, 2, "box")
    assert (back.state, back.score) == (TrackState.LOST, 0.5)
    assert (back.age, back.hits, back.time_since_update, back.detection_index) == (9, 6, 0.25, -1)
    np.testing.assert_array_equal(back.box, [1, 2, 30, 40])
    np.testing.assert_array_equal(back.box_velocity, [-1, 0, 1, 2])
    assert back.position is back.velocity is back.rotation is None


@given(seeds)
def test_a_track_in_space_comes_back(seed: int) -> None:
    rng = np.random.default_rng(seed)
    known = {
        "position": rng.normal(size=3),
        "velocity": rng.normal(size=3),
        "rotation": rotation(seed),
    }
    known |= {"position_covariance": rng.random((3, 3)), "velocity_covariance": rng.random((3, 3))}
    message = wired(tracks_to_message([track(**known)], HEADER))
    assert message.tracks[0].pose.covariance[6] == known["position_covariance"][1, 0], (
        "row 1, column 0 of a row-major 6x6 matrix"
    )
    (back,) = tracks_from_message(message)
    for name, value in known.items():
        np.testing.assert_allclose(getattr(back, name), value, atol=1e-9)


def test_actions_come_back() -> None:
    scores = np.array([0.25, 0.75], np.float32)
    start_ns, end_ns = 1_700_000_000_000_000_001, 1_700_000_001_000_000_002
    action = ActionEstimate("walking", 0.75, scores, start_ns, end_ns, 7)
    message = wired(actions_to_message([action], ["falling", "walking"], HEADER))
    assert (message.header, message.class_names) == (HEADER, ["falling", "walking"])
    (back,) = actions_from_message(message)
    np.testing.assert_array_equal(back.class_scores, scores)
    assert (back.label, back.score, back.track_id) == ("walking", 0.75, 7)
    assert (back.clip_start_ns, back.clip_end_ns) == (action.clip_start_ns, action.clip_end_ns)


@pytest.mark.parametrize(
    "message",
    [
        detections_to_message([], HEADER, 64, 48),
        poses_to_message([], HEADER),
        tracks_to_message([], HEADER),
        actions_to_message([], ["a"], HEADER),
    ],
    ids=lambda message: type(message).__name__,
)
def test_an_empty_array_keeps_its_header(message: object) -> None:
    assert wired(message).header == HEADER


anything = st.floats(width=32) | st.sampled_from([0.0, 1e-300, 1e300, np.nan, np.inf, -np.inf])
components = st.tuples(anything, anything, anything, anything)


def good_pose() -> PoseEstimate:
    return PoseEstimate(0, 1, "cup", np.eye(3), np.ones(3), 0.5, np.ones(3))


@given(quaternion=components, position=components)
def test_a_damaged_pose_costs_no_other(
    quaternion: tuple[float, ...], position: tuple[float, ...]
) -> None:
    message = poses_to_message([good_pose(), good_pose(), good_pose()], HEADER)
    x, y, z, w = quaternion
    message.poses[1].pose.orientation = Quaternion(x=x, y=y, z=z, w=w)
    message.poses[1].pose.position.x = position[0]
    rejected: Rejected = []
    poses = poses_from_message(wired(message), rejected=rejected)
    assert len(poses) + len(rejected) == 3
    assert {index for index, _ in rejected} <= {1}
    assert all(np.isfinite(pose.rotation).all() for pose in poses)
    assert all(np.isfinite(pose.translation).all() for pose in poses)
    for pose in (poses[0], poses[-1]):
        np.testing.assert_array_equal(pose.translation, good_pose().translation)
    assert len(poses_from_message(message, damaged_as_nan=True)) == 3


@given(
    state=st.integers(0, 255),
    box=components,
    quaternion=components,
    position=anything,
    has_position=st.booleans(),
    has_orientation=st.booleans(),
)
def test_a_damaged_track_costs_no_other(
    state: int,
    box: tuple[float, ...],
    quaternion: tuple[float, ...],
    position: float,
    has_position: bool,
    has_orientation: bool,
) -> None:
    message = tracks_to_message([track(id=1), track(id=2), track(id=3)], HEADER)
    bad = message.tracks[1]
    with np.errstate(over="ignore"):
        bad.state, bad.box = state, np.array(box).astype(np.float32)
    bad.has_position, bad.has_orientation = has_position, has_orientation
    x, y, z, w = quaternion
    bad.pose.pose.orientation = Quaternion(x=x, y=y, z=z, w=w)
    bad.pose.pose.position.y = position
    rejected: Rejected = []
    ids = [estimate.id for estimate in tracks_from_message(wired(message), rejected)]
    assert ids in ([1, 2, 3], [1, 3])
    assert len(rejected) == 3 - len(ids)


def test_an_unknown_track_state_is_named_with_those_that_there_are() -> None:
    message = tracks_to_message([track()], HEADER)
    message.tracks[0].state = 9
    with pytest.raises(ValueError, match=r"state 9 is not one of 1 \(TENTATIVE\), 2"):
        tracks_from_message(message)


@given(
    length=st.integers(0, 12),
    size=st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1)),
    box=components,
    origin=st.integers(0, 2**32 - 1),
)
def test_a_damaged_detection_keeps_its_place_and_costs_no_other(
    length: int, size: tuple[int, int], box: tuple[float, ...], origin: int
) -> None:
    whole = Instance(1, "cup", 1.0, np.zeros(4, np.float32), np.ones((3, 10), bool), (2, 2))
    message = detections_to_message([whole, whole, whole], HEADER, 64, 48)
    bad = message.detections[1]
    bad.mask, bad.mask_roi.width, bad.mask_roi.height = bad.mask[:length], *size
    bad.mask_roi.x_offset = origin
    with np.errstate(over="ignore"):
        bad.box = np.array(box).astype(np.float32)
    rejected: Rejected = []
    first, damaged, last = detections_from_message(wired(message), rejected=rejected)
    for mask in (first.mask, last.mask):
        np.testing.assert_array_equal(mask, whole.mask)
    assert damaged.mask.size <= 8 * length
    results = FrameResults([first, damaged, last])
    assert draw_overlay(np.zeros((48, 64, 3), np.uint8), results).any()


@given(
    scores=st.lists(anything, max_size=5),
    label=st.text(max_size=20),
    sec=st.integers(-9, 2**31 - 1),
)
def test_any_action_is_converted(scores: list[float], label: str, sec: int) -> None:
    action = ActionEstimate("walking", 0.75, np.zeros(2), 5, 6, 7)
    message = actions_to_message([action, action], ["falling", "walking"], HEADER)
    with np.errstate(over="ignore"):
        message.actions[0].class_scores = np.array(scores).astype(np.float32)
    message.actions[0].label = label
    message.actions[0].clip_start.sec = sec
    assert len(actions_from_message(message)) == 2


def test_fall_alarms_keep_their_times() -> None:
    raised = FallAlarm(2_000_000_003, 3_000_000_000)
    confirmed = FallAlarm(1_000_000_000, 2_000_000_000, 5_000_000_001, track_id=7)
    message = wired(fall_alarms_to_message([raised, confirmed], HEADER))
    assert message.header == HEADER
    first, second = message.alarms
    assert (first.track_id, first.confirmed, first.confirmed_at) == (-1, False, Time())
    assert (first.first_sign, first.raised) == (Time(sec=2, nanosec=3), Time(sec=3))
    assert (second.track_id, second.confirmed) == (7, True)
    assert second.confirmed_at == Time(sec=5, nanosec=1)
