# SPDX-License-Identifier: Apache-2.0
"""CLEAR MOT (Bernardin and Stiefelhagen 2008) as TrackEval computes it.

A match of the frame before is kept while it overlaps enough; all others maximize the IoU. After a
gap nothing is kept: the better track matches, which may be a switch.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

Frame = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Ids (N,) of the ground truth and (M,) of the tracks, from 0 on, and their similarity (N, M)."""

UNMATCHED = -1
KEEP_MATCH = 1000.0  # outweighs any sum of similarities of a frame
MOSTLY_TRACKED, MOSTLY_LOST = 0.8, 0.2  # above, and below, this fraction of an identity's frames
EPSILON = np.finfo(float).eps  # an exact similarity such as 0.5 passes in spite of rounding


@dataclass(frozen=True)
class FrameMatches:
    """What became of the N identities ``ids`` of one frame with ``track_count`` tracks.

    ``track`` (N,) id of the matching track or UNMATCHED, ``similarity`` (N,) of the matches, 0 for
    a miss. ``switch`` (N,): another track matched it the last time. ``resumed`` (N,): it was
    matched before, but not in the frame before.
    """

    ids: np.ndarray
    track_count: int
    track: np.ndarray
    similarity: np.ndarray
    switch: np.ndarray
    resumed: np.ndarray


def match_frames(
    frames: Iterable[Frame], identity_count: int, threshold: float
) -> list[FrameMatches]:
    """Match the tracks of each frame with the ground truth at a similarity of ``threshold``."""
    # The track of each identity the last time that it was matched, and in the frame before.
    last = np.full(identity_count, UNMATCHED)
    before = np.full(identity_count, UNMATCHED)

    result = []
    for ids, track_ids, similarity in frames:
        track = np.full(len(ids), UNMATCHED)
        matched_similarity = np.zeros(len(ids))

        # Matches of the frame before come first, then the largest sum of similarities.
        score = KEEP_MATCH * (before[ids][:, None] == track_ids) + similarity
        score[similarity < threshold - EPSILON] = 0.0
        rows, columns = linear_sum_assignment(score, maximize=True)
        good = score[rows, columns] > EPSILON
        rows, columns = rows[good], columns[good]
        track[rows] = track_ids[columns]
        matched_similarity[rows] = similarity[rows, columns]

        known = (track != UNMATCHED) & (last[ids] != UNMATCHED)
        result.append(
            FrameMatches(
                ids=ids,
                track_count=len(track_ids),
                track=track,
                similarity=matched_similarity,
                switch=known & (track != last[ids]),
                resumed=known & (before[ids] == UNMATCHED),
            )
        )

        # A frame without ground truth or without tracks interrupts nothing.
        if len(ids) and len(track_ids):
            before[:] = UNMATCHED
            before[ids] = track
            last[ids[rows]] = track[rows]
    return result


def clear_mot(
    matches: Iterable[FrameMatches], identity_count: int
) -> dict[str, float | int | None]:
    """``mota``, ``motp`` and the counts of ``tracking_metrics``."""
    present, matched = np.zeros(identity_count, int), np.zeros(identity_count, int)
    switches = fragments = boxes = tracks = 0
    similarity = 0.0
    for frame in matches:
        present[frame.ids] += 1
        matched[frame.ids] += frame.track != UNMATCHED
        switches += int(frame.switch.sum())
        fragments += int(frame.resumed.sum())
        similarity += float(frame.similarity.sum())
        boxes += len(frame.ids)
        tracks += frame.track_count

    true_positives = int(matched.sum())
    tracked = matched / np.maximum(1, present)
    mostly_tracked = int((tracked > MOSTLY_TRACKED).sum())
    mostly_lost = int((tracked < MOSTLY_LOST).sum())
    return {
        "mota": (2 * true_positives - tracks - switches) / boxes if boxes else None,
        "motp": similarity / true_positives if true_positives else None,
        "id_switches": switches,
        "fragments": fragments,
        "false_positives": tracks - true_positives,
        "misses": boxes - true_positives,
        "mostly_tracked": mostly_tracked,
        "partially_tracked": identity_count - mostly_tracked - mostly_lost,
        "mostly_lost": mostly_lost,
        "truth_ids": identity_count,
        "truth_boxes": boxes,
    }
