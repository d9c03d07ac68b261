# SPDX-License-Identifier: Apache-2.0
"""What an evaluation says about poses that are missing."""

from __future__ import annotations

from collections import Counter

from perception_kit.datasets.frame import empty_mask_notes
from pose6d_node.evaluation.notes import reason_notes


def test_reasons_that_differ_in_their_numbers_are_one_note() -> None:
    few = "{} known depths in the mask, at least 50 are needed"
    reasons = Counter({few.format(29): 2, few.format(31): 1, "the mask is empty": 1})
    assert reason_notes(reasons) == [
        f"3 times no pose, such as: {few.format(29)}",
        "once no pose: the mask is empty",
    ]


def test_empty_masks_are_one_note_that_names_the_first() -> None:
    assert empty_mask_notes([]) == []
    (note,) = empty_mask_notes(["mug in frame 000002/000003", "can in frame 000002/000004"])
    assert note == (
        "2 instances annotated as visible, but with an empty mask: left out (first: mug in frame"
        " 000002/000003)"
    )
