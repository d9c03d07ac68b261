# SPDX-License-Identifier: Apache-2.0
"""What an evaluation says about poses that are missing."""

from __future__ import annotations

from collections import Counter

from pose6d_node.evaluation.notes import reason_notes


def test_reasons_that_differ_in_their_numbers_are_one_note() -> None:
    few = "{} known depths in the mask, at least 50 are needed"
    reasons = Counter({few.format(29): 2, few.format(31): 1, "the mask is empty": 1})
    assert reason_notes(reasons) == [
        f"3 times no pose, such as: {few.format(29)}",
        "once no pose: the mask is empty",
    ]
