# SPDX-License-Identifier: Apache-2.0
"""What the algorithms of pose6d_node see in the frames of one video."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np

from perception_kit.datasets.files import DatasetError
from perception_kit.evaluation.ground_truth import FrameGroundTruth
from perception_kit.replay.annotated_frames import AnnotatedCameraFrame
from perception_kit.types import Instance, Intrinsics, PoseEstimate
from pose6d_node import PoseEstimator, Segmenter


@dataclass(frozen=True)
class VideoFrame:
    """A frame of a video, as ``AnnotatedFrame``; ``depth`` is None where there is none."""

    rgb: np.ndarray
    depth: np.ndarray | None
    intrinsics: Intrinsics | None
    ground_truth: FrameGroundTruth


def video_frame(bag: Path, recorded: AnnotatedCameraFrame) -> VideoFrame:
    """The images of a frame of a ``bag``. Raises DatasetError where it has no ground truth."""
    message, reader, truth = recorded.message, recorded.reader, recorded.ground_truth
    if truth is None:
        raise DatasetError(f"'{bag}' has no ground truth: give a bag of perception synth")
    color = message.color.message
    if message.depth is None or message.camera_info is None:
        return VideoFrame(reader.color(color), None, None, truth)
    camera = reader.intrinsics(message.camera_info.message, color)
    return VideoFrame(reader.color(color), reader.depth(message.depth.message), camera, truth)


class Perception:
    """Segmentation and poses of the frames of one video, each with the poses of the one before.

    Without an ``estimator``, and where a frame has no depth, there are no poses.
    """

    def __init__(self, segmenter: Segmenter, estimator: PoseEstimator | None) -> None:
        self._segmenter, self._estimator = segmenter, estimator
        self._last_poses: list[PoseEstimate] = []

    def __call__(
        self, frame: VideoFrame
    ) -> tuple[list[Instance], list[PoseEstimate], dict[str, float]]:
        """Instances and poses of a frame, and the seconds that each stage took."""
        start = perf_counter()
        instances = self._segmenter(frame.rgb, frame.depth, frame.intrinsics)
        segmented = perf_counter()
        poses: list[PoseEstimate] = []
        if self._estimator is not None and frame.depth is not None and frame.intrinsics is not None:
            poses = self._last_poses = self._estimator(
                frame.rgb, frame.depth, frame.intrinsics, instances, self._last_poses
            )
        return (
            instances,
            poses,
            {
                "segmentation": segmented - start,
                "pose": perf_counter() - segmented,
            },
        )
