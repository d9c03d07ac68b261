# SPDX-License-Identifier: Apache-2.0
"""The frames of a video are seen one after the other, each with the poses of the one before."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from bench.perception import Perception, VideoFrame, video_frame
from perception_kit.datasets.files import DatasetError
from perception_kit.evaluation.ground_truth import FrameGroundTruth
from perception_kit.replay.annotated_frames import AnnotatedCameraFrame
from perception_kit.types import Instance, Intrinsics

RGB, DEPTH = np.zeros((4, 6, 3), np.uint8), np.ones((4, 6), np.float32)
CAMERA = Intrinsics(5, 5, 3, 2, 6, 4)


def segment(rgb: np.ndarray, depth: np.ndarray | None, camera: Intrinsics | None) -> list[Instance]:
    return [Instance(1, "mug", 0.9, np.zeros(4, np.float32), np.ones((1, 1), bool), (0, 0))]


class CountingEstimator:
    """Its poses are the numbers of its calls; ``previous`` are what it is given of those before."""

    def __init__(self) -> None:
        self.previous: list[list[Any]] = []

    def __call__(self, *arguments: Any) -> Sequence[Any]:
        self.previous.append(list(arguments[-1]))
        return [len(self.previous)]


def test_each_frame_has_the_poses_of_the_last_one_with_depth() -> None:
    estimator = CountingEstimator()
    perceive = Perception(segment, estimator)  # type: ignore[arg-type]
    frames = [VideoFrame(RGB, depth, CAMERA, FrameGroundTruth()) for depth in (DEPTH, None, DEPTH)]
    seen = [perceive(frame) for frame in frames]
    assert [poses for _, poses, _ in seen] == [[1], [], [2]]
    assert estimator.previous == [[], [1]]
    assert all(len(instances) == 1 for instances, _, _ in seen)
    assert all(set(seconds) == {"segmentation", "pose"} for _, _, seconds in seen)


def test_without_an_estimator_there_are_no_poses() -> None:
    frame = VideoFrame(RGB, DEPTH, CAMERA, FrameGroundTruth())
    assert Perception(segment, None)(frame)[1] == []  # type: ignore[arg-type]


def test_a_bag_without_ground_truth_is_named() -> None:
    recorded = AnnotatedCameraFrame(SimpleNamespace(), SimpleNamespace(), None)  # type: ignore[arg-type]
    with pytest.raises(DatasetError, match=r"'kitchen\.bag' has no ground truth"):
        video_frame(Path("kitchen.bag"), recorded)
