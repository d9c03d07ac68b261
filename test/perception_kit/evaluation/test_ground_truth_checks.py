# SPDX-License-Identifier: Apache-2.0
"""Ground truth that does not fit the recording or the models is named."""

from __future__ import annotations

import numpy as np
import pytest

from perception_kit.evaluation.ground_truth import FrameGroundTruth
from perception_kit.evaluation.ground_truth_checks import ground_truth_warnings, mask_extent
from perception_kit.types import Instance

MUG = Instance(1, "mug", 1.0, np.zeros(4, np.float32), np.ones((2, 2), bool), (0, 0))
CASES = {
    "all is known": ([FrameGroundTruth(instances=[MUG], action="walking")], []),
    "a frame without an object": ([FrameGroundTruth(instances=[])], []),
    "stamps of another recording": (
        [FrameGroundTruth(), FrameGroundTruth()],
        ["nothing about any of the frames"],
    ),
    "one frame is enough": ([FrameGroundTruth(), FrameGroundTruth(instances=[MUG])], []),
    "actions of another time": (
        [FrameGroundTruth(instances=[MUG], action="")],
        ["no frame has a true action"],
    ),
    "no frame at all": ([], ["nothing about any of the frames"]),
    "unknown action": (
        [FrameGroundTruth(action="dancing"), FrameGroundTruth(action="bowing")],
        ["does not know 'bowing', 'dancing'"],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_remarks(case: str) -> None:
    ground_truths, expected = CASES[case]
    remarks = ground_truth_warnings(ground_truths, ["mug"], ["walking"])
    assert len(remarks) == len(expected)
    assert all(words in remark for words, remark in zip(expected, remarks, strict=True))


def test_objects_that_the_model_does_not_know() -> None:
    assert ground_truth_warnings([FrameGroundTruth(instances=[MUG])], ["bowl"], []) == [
        "the segmentation model does not know 'mug' of the truth: each counts as missed"
    ]


def test_the_extent_of_all_masks() -> None:
    far = Instance(1, "mug", 1.0, np.zeros(4, np.float32), np.ones((10, 4), bool), (600, 100))
    low = Instance(1, "mug", 1.0, np.zeros(4, np.float32), np.ones((20, 4), bool), (3, 460))
    frames = [FrameGroundTruth(instances=[far]), FrameGroundTruth(), FrameGroundTruth([low, MUG])]
    assert mask_extent(frames) == (480, 604)
    assert mask_extent([FrameGroundTruth()]) == (0, 0)
