# SPDX-License-Identifier: Apache-2.0
"""What went wrong in a frame, in words, and which frames are worst."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from replay_runs import BOX, frame

from perception_kit.evaluation.frame_records import DetectionRecord, FrameRecord, IdentityRecord
from perception_kit.report.problems import badness, describe_problems, verdict, worst_frames

GOOD = frame(0)
WRONG = DetectionRecord("bowl", 0.9, BOX, False)
CASES = {
    "all right": (GOOD, [], 0),
    "missed": (frame(0, found=False), ["missed: mug"], 1),
    "wrong detections": (
        replace(GOOD, detections=[WRONG, WRONG]),
        ["wrong detection: 2 × bowl"],
        2,
    ),
    "detection on what is barely visible": (
        replace(GOOD, detections=[replace(WRONG, right=None)]),
        [],
        0,
    ),
    "pose off": (frame(0, error=0.0125), ["pose off: mug by 12 mm (12% of its diameter)"], 1),
    "pose just right": (frame(0, error=0.0099), [], 0),
    "no pose": (frame(0, error=None), ["no pose: mug"], 1),
    "switch": (
        replace(GOOD, identities=[IdentityRecord(1, "mug", 9, True, False)]),
        ["identity switch: mug 1 is now track 9"],
        2,
    ),
    "fragment": (
        replace(GOOD, identities=[IdentityRecord(1, "mug", None, False, True)]),
        ["track lost for a while: mug 1"],
        0,
    ),
    "wrong action": (frame(0, label="falling"), ["action is walking, recognised: falling"], 1),
    "no action": (frame(0, label=""), ["action is walking, recognised: none"], 1),
    "frame that nobody labelled": (replace(frame(0, label="falling"), true_label=""), [], 0),
    "no truth": (FrameRecord(0, 0, None, {}, [replace(WRONG, right=None)], label="falling"), [], 0),
}


@pytest.mark.parametrize("case", CASES)
def test_problems(case: str) -> None:
    record, problems, expected = CASES[case]
    assert describe_problems(record) == problems
    assert badness(record) == expected


def test_the_verdict_counts_frames_by_what_is_wrong_in_them() -> None:
    right = replace(frame(0), true_label="walking", label="walking")
    wrong = replace(right, label="running")
    assert verdict([right]) == "Nothing is wrong in any of the 1 frames."
    assert verdict([right, wrong, right]) == (
        "Nothing is wrong in 2 of 3 frames: a wrong action in 1."
    )


def test_worst_frames_of_a_long_recording_are_apart() -> None:
    seconds = [0.1 * k for k in range(100)]
    scores = [0.0] * 100
    scores[50:60] = [5.0] * 10
    scores[20], scores[90] = 9.0, 1.0
    assert worst_frames(scores, seconds, 5) == [20, 50, 57, 90]


@given(st.lists(st.floats(0, 5), max_size=30), st.integers(1, 5))
def test_worst_frames_are_the_worst_and_none_is_right(scores: list[float], number: int) -> None:
    chosen = worst_frames(scores, [0.1 * k for k in range(len(scores))], number)
    assert len(chosen) == len(set(chosen)) <= number
    assert all(scores[index] > 0 for index in chosen)
    assert not chosen or scores[chosen[0]] == max(scores)
    assert bool(chosen) == any(score > 0 for score in scores)
