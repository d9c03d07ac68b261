# SPDX-License-Identifier: Apache-2.0
"""Which detection belongs to which track (Wojke 2017, sections 2.2 and 2.3).

Only pairs that pass the motion gate are ever scored.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from perception_kit.boxes import box_iou
from tracker_node import box_motion
from tracker_node.assignment import Pairs, assign
from tracker_node.config import TrackerConfig
from tracker_node.detections import Detections
from tracker_node.gallery import Gallery
from tracker_node.motion_distance import MotionPairs, Space, neighbors, pairs_by_motion
from tracker_node.tracks import Tracks

# A pair at its limit must still be better than no match at all.
NO_MATCH_MARGIN = 1e-5


@dataclass
class Association:
    """``rows`` of tracks and ``columns`` of detections matched pair by pair, and the detections
    ``unmatched``, in the order of new ids.
    """

    rows: np.ndarray
    columns: np.ndarray
    unmatched: np.ndarray

    def followed_by(self, later: Association) -> Association:
        """These matches and those that ``later`` found among the unmatched."""
        return Association(
            np.concatenate([self.rows, later.rows]),
            np.concatenate([self.columns, later.columns]),
            later.unmatched,
        )


def associate(
    tracks: Tracks,
    detections: Detections,
    gallery: Gallery,
    space: Space | None,
    config: TrackerConfig,
) -> Association:
    """The cascade for confirmed tracks, then overlap for the unconfirmed ones and those that were
    matched in the frame before.

    ``space`` is what is known in 3D, None for nothing.
    """
    cascade = matching_cascade(tracks, detections, gallery, space, config)
    records = tracks.records
    lately_seen = records["confirmed"] & (records["missed"] == 1)
    lately_seen[cascade.rows] = False
    rows = np.concatenate([np.flatnonzero(~records["confirmed"]), np.flatnonzero(lately_seen)])
    return cascade.followed_by(
        match_by_overlap(tracks, rows, detections, cascade.unmatched, config)
    )


def matching_cascade(
    tracks: Tracks,
    detections: Detections,
    gallery: Gallery,
    space: Space | None,
    config: TrackerConfig,
) -> Association:
    """Match confirmed tracks by motion and appearance, those seen more recently first (Wojke 2017,
    listing 1).
    """
    confirmed = np.flatnonzero(tracks.records["confirmed"])
    near = pairs_by_motion(tracks, confirmed, detections, space, config)
    if space is not None:
        near = without_unlikely(near, ~_both_have_descriptors(tracks, near, detections, gallery))
    missed = tracks.records["missed"]
    free = np.ones(len(detections), bool)
    result = Association(np.zeros(0, np.int64), np.zeros(0, np.int64), np.arange(len(detections)))
    for age in sorted(set(missed[confirmed].tolist())):
        if len(result.unmatched) == 0:
            break
        level = near.select((missed[near.rows] == age) & free[near.columns])
        pairs = score_pairs(tracks, level, detections, gallery, config)
        matches = Association(*assign(pairs, confirmed[missed[confirmed] == age], result.unmatched))
        free[matches.columns] = False
        result = result.followed_by(matches)
    return result


def without_unlikely(near: MotionPairs, motion_decides: np.ndarray) -> MotionPairs:
    """``near`` without pairs whose detection and another track are each other's likeliest in space.

    The cascade lets recently seen tracks choose first because the Mahalanobis distance favours
    those that were lost for long, whose position is uncertain. So one of two look-alikes could take
    the other's place at the edge of its gate. The likelihood has no such favourite: where positions
    alone decide (``motion_decides`` (P,)), it comes before the age.
    """
    surprise = np.where(motion_decides, near.surprise, np.inf)
    known = np.isfinite(surprise)
    if not known.any():
        return near
    least_of_row, least_of_column = (
        np.full(near.rows.max() + 1, np.inf),
        np.full(near.columns.max() + 1, np.inf),
    )
    np.minimum.at(least_of_row, near.rows, surprise)
    np.minimum.at(least_of_column, near.columns, surprise)
    likeliest = (
        known & (surprise == least_of_row[near.rows]) & (surprise == least_of_column[near.columns])
    )
    return near.select(~known | likeliest | ~np.isin(near.columns, near.columns[likeliest]))


def _both_have_descriptors(
    tracks: Tracks, near: MotionPairs, detections: Detections, gallery: Gallery
) -> np.ndarray:
    """(P,) whether the appearance of a pair can be compared."""
    return (
        gallery.has_descriptors(tracks.records["slot"][near.rows])
        & detections.has_descriptor[near.columns]
    )


def score_pairs(
    tracks: Tracks,
    near: MotionPairs,
    detections: Detections,
    gallery: Gallery,
    config: TrackerConfig,
) -> Pairs:
    """The pairs within the appearance gate and their cost (equation 5, motion normalised by its
    gate).

    A pair that lacks a descriptor on either side takes its motion, scaled to the appearance gate,
    in the place of appearance.
    """
    appearance = near.distance * config.max_cosine_distance
    slots = tracks.records["slot"][near.rows]
    known = np.flatnonzero(_both_have_descriptors(tracks, near, detections, gallery))
    appearance[known] = gallery.distances(slots[known], near.columns[known], detections.descriptors)
    weight = config.motion_weight
    cost = weight * near.distance + (1.0 - weight) * appearance
    allowed = appearance <= config.max_cosine_distance
    limit = weight + (1.0 - weight) * config.max_cosine_distance + NO_MATCH_MARGIN
    return Pairs(near.rows[allowed], near.columns[allowed], cost[allowed], limit)


def match_by_overlap(
    tracks: Tracks,
    candidates: np.ndarray,
    detections: Detections,
    free: np.ndarray,
    config: TrackerConfig,
) -> Association:
    """Match tracks and detections by intersection over union of predicted and detected box (Bewley
    2016, section 3.3).
    """
    if len(candidates) == 0 or len(free) == 0:
        return Association(candidates[:0], free[:0], free)
    boxes = box_motion.measurements_to_boxes(tracks.boxes.position[candidates])
    detected = detections.boxes[free]
    reach = (boxes[:, 2] - boxes[:, 0] + (detected[:, 2] - detected[:, 0]).max()) / 2
    near, near_free = neighbors(
        boxes[:, [0, 2]].mean(axis=1), reach, detected[:, [0, 2]].mean(axis=1)
    )
    rows, columns = candidates[near], free[near_free]
    cost = 1.0 - box_iou(boxes[near], detected[near_free])
    allowed = cost <= config.max_iou_distance
    if config.class_aware:
        allowed &= tracks.records["class_id"][rows] == detections.class_id[columns]
    pairs = Pairs(
        rows[allowed], columns[allowed], cost[allowed], config.max_iou_distance + NO_MATCH_MARGIN
    )
    return Association(*assign(pairs, candidates, free))
