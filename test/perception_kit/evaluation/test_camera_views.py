# SPDX-License-Identifier: Apache-2.0
"""Identities over the views of several cameras: what counts as a hand-over, and as a switch."""

from __future__ import annotations

from typing import Any

import numpy as np

from perception_kit.evaluation.camera_views import HandOver, ViewFrame, evaluate_views
from perception_kit.evaluation.ground_truth import FrameGroundTruth
from perception_kit.evaluation.matching import EvaluatedFrame
from perception_kit.types import FrameResults, TrackEstimate, TrackState

FRAME_NS = 200_000_000
BOX = np.array([10, 10, 50, 60], np.float32)


def track(track_id: int) -> TrackEstimate:
    """A confirmed track, always in one place of the image."""
    still = np.zeros(4, np.float32)
    return TrackEstimate(track_id, 1, "cup", TrackState.CONFIRMED, 1.0, 5, 5, 0.0, -1, BOX, still)


def views(*frames: tuple[str, bool, int | None, int | None]) -> list[ViewFrame]:
    """Of (camera, whether cup 7 is there, its track, its fused id), in the order of time."""
    found = []
    for number, (camera, is_there, track_id, fused_id) in enumerate(frames):
        ground_truth = FrameGroundTruth(tracks=[track(7)] if is_there else [])
        results = FrameResults(tracks=[] if track_id is None else [track(track_id)])
        identities = {track_id: fused_id} if track_id is not None and fused_id is not None else {}
        frame = EvaluatedFrame(number * FRAME_NS, ground_truth, results)
        found.append(ViewFrame(camera, frame, identities))
    return found


def scored(
    *frames: tuple[str, bool, int | None, int | None],
) -> tuple[dict[str, Any], list[HandOver]]:
    return evaluate_views(views(*frames))


LEFT, GONE = ("left", True, 1, 4), ("left", False, None, None)
NOT_YET = ("right", False, None, None)


def test_a_kept_identity_is_a_hand_over_without_a_switch() -> None:
    scores, hand_overs = scored(
        LEFT, NOT_YET, LEFT, ("right", True, 9, 4), GONE, ("right", True, 9, 4)
    )
    assert (scores["hand_overs"], scores["hand_overs_kept"], scores["id_switches"]) == (1, 1, 0)
    assert (hand_overs[0].camera, hand_overs[0].stamp_ns) == ("right", 3 * FRAME_NS)
    assert scores["mota"] == 1.0


def test_another_identity_in_the_next_view_is_a_switch() -> None:
    scores, hand_overs = scored(
        LEFT, NOT_YET, LEFT, ("right", True, 9, 5), GONE, ("right", True, 9, 4)
    )
    assert (scores["hand_overs"], scores["hand_overs_kept"], scores["id_switches"]) == (1, 0, 2)
    assert (hand_overs[0].before, hand_overs[0].after) == (4, 5)


def test_the_first_match_of_an_appearance_counts_however_late() -> None:
    scores, _ = scored(
        LEFT, ("right", True, None, None), ("right", True, 9, None), ("right", True, 9, 4)
    )
    assert (scores["hand_overs"], scores["hand_overs_kept"]) == (1, 1)


def test_a_view_in_which_it_stays_takes_over_nothing() -> None:
    both = [LEFT, ("right", True, 9, 4)] * 5
    assert scored(*both)[0]["hand_overs"] == 1


def test_a_return_into_the_same_view_is_no_hand_over() -> None:
    away = [GONE] * 8
    scores, (back,) = scored(LEFT, *away, LEFT)
    assert (scores["hand_overs"], scores["returns"], scores["returns_kept"]) == (0, 1, 1)
    assert (back.seen_ns, back.stamp_ns) == (0, 9 * FRAME_NS)
    again = scored(LEFT, ("right", True, 9, 4), *away, ("left", True, 2, 4))[0]
    assert again["hand_overs"] == 2
