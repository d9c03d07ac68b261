# SPDX-License-Identifier: Apache-2.0
"""Ground-truth topics of a bag, joined with frames by stamp."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("assistant_perception", reason="the messages are not built: run 'make setup'")

from rclpy.serialization import serialize_message
from std_msgs.msg import Header

from perception_kit.bags.bag import BagWriter, RawMessage
from perception_kit.evaluation.ground_truth import FrameGroundTruth, FrameKey
from perception_kit.evaluation.ground_truth_bag import ACTIONS, DETECTIONS, POSES, BagGroundTruth
from perception_kit.ros.to_messages import (
    actions_to_message,
    detections_to_message,
    ns_to_stamp,
    poses_to_message,
)
from perception_kit.types import ActionEstimate, Instance, PoseEstimate


def write_ground_truth(path: Path, stamps_ns: Iterable[int]) -> None:
    """At each stamp a mug, which moves by a pixel, its pose and a walking person's action."""
    with BagWriter(path) as writer:
        for k, stamp_ns in enumerate(stamps_ns):
            header = Header(stamp=ns_to_stamp(stamp_ns), frame_id="camera")
            mask = np.eye(5, 9, dtype=bool)
            mug = Instance(3, "mug", 0.4, np.array([k, 2, k + 9, 7], np.float32), mask, (k, 2))
            pose = PoseEstimate(0, 3, "mug", np.eye(3), np.array([0.1 * k, 0, 1]), 1.0, np.ones(3))
            action = ActionEstimate("walking", 1.0, np.array([0, 1.0]), stamp_ns, stamp_ns)
            detections = detections_to_message([mug], header, 64, 48)
            actions = actions_to_message([action], ["other", "walking"], header)
            messages = {
                DETECTIONS: ("InstanceDetectionArray", detections),
                POSES: ("ObjectPoseArray", poses_to_message([pose], header)),
                ACTIONS: ("ActionArray", actions),
            }
            for topic, (name, message) in messages.items():
                kind, data = f"assistant_perception/msg/{name}", serialize_message(message)
                writer.write_raw(RawMessage(topic, kind, stamp_ns, data))


def test_frames_are_joined_by_stamp(tmp_path: Path) -> None:
    write_ground_truth(tmp_path / "bag", [100, 200, 300, 400])
    ground_truth = BagGroundTruth(tmp_path / "bag")
    assert not ground_truth.is_empty
    before, first, between, third, after = ground_truth.frames(
        [FrameKey(k, stamp) for k, stamp in enumerate((50, 100, 250, 300, 999))]
    )
    assert before == between == after == FrameGroundTruth()
    assert first.instances[0].class_name == "mug"
    assert first.instances[0].score == pytest.approx(0.4)
    assert np.array_equal(first.instances[0].mask, np.eye(5, 9, dtype=bool))
    assert third.instances[0].mask_origin == (2, 2)
    assert np.allclose(third.poses[0].translation, [0.2, 0, 1])
    assert third.action == "walking"
    assert third.tracks is None


def test_bag_without_ground_truth(tmp_path: Path) -> None:
    write_ground_truth(tmp_path / "bag", [])
    assert BagGroundTruth(tmp_path / "bag").is_empty
