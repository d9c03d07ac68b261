# SPDX-License-Identifier: Apache-2.0
"""The frames of a bag with their ground truth."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from perception_kit.bags.camera_frames import CameraFrame
from perception_kit.evaluation.ground_truth import FrameGroundTruth, FrameKey
from perception_kit.replay.replay_input import ReplayInput
from perception_kit.replay.settings import ReplaySettings
from perception_kit.ros.camera_reader import CameraReader


@dataclass(frozen=True)
class AnnotatedCameraFrame:
    """A frame of a camera, whose images ``reader`` reads; ``ground_truth`` None without any."""

    message: CameraFrame
    reader: CameraReader
    ground_truth: FrameGroundTruth | None


def annotated_frames(settings: ReplaySettings) -> Iterator[AnnotatedCameraFrame]:
    """Every frame of the bag and the ground truth that ``settings`` name, in order.

    Raises BagError, and GroundTruthError where the ground truth is of other frames.
    """
    with ReplayInput(settings) as keys_source:
        stamps = [frame.stamp_ns for frame in keys_source.frames()]
    keys = [FrameKey(number, stamp_ns) for number, stamp_ns in enumerate(stamps)]
    with ReplayInput(settings) as source:
        reader, ground_truth = source.camera_reader(), source.ground_truth()
        truths: Iterator[FrameGroundTruth | None] = iter([None] * len(keys))
        if ground_truth is not None:
            truths = iter(ground_truth.frames(keys))
        for message, truth in zip(source.frames(), truths, strict=True):
            yield AnnotatedCameraFrame(message, reader, truth)
