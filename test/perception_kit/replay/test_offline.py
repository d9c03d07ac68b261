# SPDX-License-Identifier: Apache-2.0
"""The algorithms give the same results through the nodes as when they are called directly."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("assistant_perception", reason="the messages are not built: run 'make setup'")

from std_msgs.msg import Header

from actionrec_node.config import ActionConfig
from actionrec_node.recognition.recognizer import ActionRecognizer
from actionrec_node.recognition.track_join import TrackJoin
from perception_kit.evaluation.results import read_results
from perception_kit.replay.replay_input import ReplayInput
from perception_kit.replay.settings import ReplaySettings
from perception_kit.ros.from_messages import (
    detections_from_message,
    poses_from_message,
    tracks_from_message,
)
from perception_kit.ros.image import color_image, depth_image
from perception_kit.ros.intrinsics import picture_intrinsics
from perception_kit.ros.to_messages import (
    detections_to_message,
    poses_to_message,
    tracks_to_message,
)
from perception_kit.types import FrameResults, PoseEstimate
from pose6d_node.config import Pose6dConfig
from pose6d_node.densefusion.predictor import PoseEstimator
from pose6d_node.segmentation.predictor import Segmenter
from tracker_node.config import TrackerNodeConfig
from tracker_node.deep_sort import DeepSort
from tracker_node.symmetries import symmetries_of_model


def offline(settings: ReplaySettings) -> Iterator[tuple[int, FrameResults]]:
    """Stamp and results of each frame.

    What the nodes exchange has the precision of their messages.
    """
    pose_config, action_config = Pose6dConfig(), ActionConfig()
    segmenter = Segmenter(
        settings.segmentation_model, "cpu", pose_config.score_threshold, pose_config.max_detections
    )
    estimator = PoseEstimator(settings.pose_model, "cpu", pose_config.refine_iterations)
    estimator.configure(pose_config)
    tracker = DeepSort(TrackerNodeConfig(), symmetries_of_model(settings.pose_model))
    recognizer = ActionRecognizer(settings.action_model, "cpu", action_config)
    join = TrackJoin(
        action_config.person_class, action_config.tracks_wait, action_config.tracks_max_age
    )
    poses: list[PoseEstimate] = []
    with ReplayInput(settings) as source:
        for frame in source.frames():
            color = frame.color.message
            rgb = color_image(color)
            instances = segmenter(rgb)
            intrinsics = picture_intrinsics(frame.camera_info.message, color)
            depth = depth_image(frame.depth.message)
            poses = estimator(rgb, depth, intrinsics, instances, poses)
            instances = detections_from_message(
                detections_to_message(instances, Header(), color.width, color.height)
            )
            sent_poses = poses_from_message(poses_to_message(poses, Header()))
            tracks = tracks_from_message(
                tracks_to_message(tracker.update(instances, frame.stamp_ns), Header())
            )
            tracker.add_poses(frame.stamp_ns, sent_poses)
            for image in [
                *join.add_image(frame.stamp_ns, rgb),
                *join.add_tracks(frame.stamp_ns, tracks),
            ]:
                if requests := recognizer.add(image.message, image.stamp_ns, image.people):
                    recognizer.predict(requests)
            yield frame.stamp_ns, FrameResults(instances, sent_poses, tracks, recognizer.actions())


@pytest.mark.ros
@pytest.mark.slow
def test_results_through_the_nodes_are_those_of_the_algorithms(
    settings: ReplaySettings, replayed: Path
) -> None:
    through_nodes, _ = read_results(replayed / "results")
    frames = list(offline(settings))
    assert [stamp for stamp, _ in frames] == list(through_nodes)
    for stamp, scene in frames:
        expected = through_nodes[stamp]
        check(
            scene.instances,
            expected.instances,
            ("class_name", "score", "box", "mask_origin", "descriptor"),
        )
        assert all(
            np.mean(found.mask != wanted.mask) < 1e-3
            for found, wanted in zip(scene.instances, expected.instances, strict=True)
        )
        check(
            scene.poses,
            expected.poses,
            ("detection_index", "class_name", "rotation", "translation", "confidence"),
        )
        check(
            scene.tracks,
            expected.tracks,
            ("id", "class_name", "state", "detection_index", "age", "hits", "box"),
        )
        check(
            scene.actions,
            expected.actions,
            ("track_id", "label", "score", "class_scores", "clip_start_ns", "clip_end_ns"),
        )
    # Nobody is found in so short a scene, so that there is no action to compare.
    assert all(any(getattr(scene, part) for _, scene in frames) for part in ("instances", "tracks"))


def check(found: Sequence[Any], expected: Sequence[Any], names: Sequence[str]) -> None:
    """Numbers may differ by rounding: a node's process may sum in another order."""
    assert len(found) == len(expected)
    for result, reference in zip(found, expected, strict=True):
        for name in names:
            value, wanted = getattr(result, name), getattr(reference, name)
            if isinstance(wanted, (float, np.ndarray)):
                assert np.allclose(value, wanted, atol=1e-3), name
            else:
                assert value == wanted, name
