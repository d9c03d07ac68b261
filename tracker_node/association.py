# SPDX-License-Identifier: Apache-2.0
"""Association of tracks and detections (Wojke 2017, sections 2.2 and 2.3).

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
from tracker_node.motion_distance import MotionPairs, Positions3D, neighbors, pairs_by_motion
from tracker_node.tracks import Tracks

# A pair at its limit must still be better than no match at all.
NO_MATCH_MARGIN = 1e-5


@dataclass
class Association:
    """``rows`` of tracks and ``columns`` of detections, matched pair by pair.

    ``unmatched`` detections are in the order of new ids.
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
    positions_3d: Positions3D | None,
    config: TrackerConfig,
) -> Association:
    """Matching cascade, then overlap in the image (section 2.3).

    ``positions_3d`` is None where nothing is known in 3D.
    """
    # Confirmed tracks: listing 1.
    cascade = matching_cascade(tracks, detections, gallery, positions_3d, config)

    # Unconfirmed tracks, and unmatched ones of age 1, which were matched in the frame before: IoU.
    records = tracks.records
    of_age_one = records["confirmed"] & (records["missed"] == 1)
    of_age_one[cascade.rows] = False
    rows = np.concatenate([np.flatnonzero(~records["confirmed"]), np.flatnonzero(of_age_one)])
    overlap = match_by_overlap(tracks, rows, detections, cascade.unmatched, config)
    return cascade.followed_by(overlap)


def matching_cascade(
    tracks: Tracks,
    detections: Detections,
    gallery: Gallery,
    positions_3d: Positions3D | None,
    config: TrackerConfig,
) -> Association:
    """Match confirmed tracks by motion and appearance (listing 1).

    Tracks that were seen more recently come first.
    """
    confirmed = np.flatnonzero(tracks.records["confirmed"])
    missed = tracks.records["missed"]

    # Listing 1, lines 1 and 2: motion distance and gate, for all ages at once.
    near = pairs_by_motion(tracks, confirmed, detections, positions_3d, config)

    # Extension: look-alikes whose position is known in 3D.
    if positions_3d is not None:
        motion_decides = ~_both_have_descriptors(tracks, near, detections, gallery)
        near = gate_by_likelihood(near, motion_decides)

    # Lines 3 and 4: no matches, all detections unmatched.
    free = np.ones(len(detections), bool)
    result = Association(np.zeros(0, np.int64), np.zeros(0, np.int64), np.arange(len(detections)))

    # Lines 5 to 10: from the tracks matched in the last frame to those unmatched for longest.
    for age in sorted(set(missed[confirmed].tolist())):
        if len(result.unmatched) == 0:
            break
        level = near.select((missed[near.rows] == age) & free[near.columns])
        pairs = score_pairs(tracks, level, detections, gallery, config)
        matches = Association(*assign(pairs, confirmed[missed[confirmed] == age], result.unmatched))
        free[matches.columns] = False
        result = result.followed_by(matches)

        # Extension: the pose of what leaves the view, cut by its border, may lie beside the gate in
        # space. Its box is where it was, and no look-alike that was lost before takes it.
        if positions_3d is not None and age == 1:
            rows = np.setdiff1d(confirmed[missed[confirmed] == age], result.rows)
            matches = match_by_overlap(tracks, rows, detections, result.unmatched, config)
            free[matches.columns] = False
            result = result.followed_by(matches)
    return result


def gate_by_likelihood(near: MotionPairs, motion_decides: np.ndarray) -> MotionPairs:
    """Remove pairs whose detection and another track are each other's likeliest in space.

    This is an extension to the paper, for several instances of one class. The cascade lets recently
    seen tracks choose first because the Mahalanobis distance favours those that were lost for long,
    whose position is uncertain. So one of two look-alikes could take the other's place at the edge
    of its gate. The likelihood has no such favourite: where positions alone decide
    (``motion_decides`` (P,)), it comes before the age.
    """
    negative_log_likelihood = np.where(motion_decides, near.negative_log_likelihood, np.inf)
    known = np.isfinite(negative_log_likelihood)
    if not known.any():
        return near

    least_of_row = np.full(near.rows.max() + 1, np.inf)
    least_of_column = np.full(near.columns.max() + 1, np.inf)
    np.minimum.at(least_of_row, near.rows, negative_log_likelihood)
    np.minimum.at(least_of_column, near.columns, negative_log_likelihood)

    mutually_likeliest = (
        known
        & (negative_log_likelihood == least_of_row[near.rows])
        & (negative_log_likelihood == least_of_column[near.columns])
    )
    is_taken = np.isin(near.columns, near.columns[mutually_likeliest])
    return near.select(~known | mutually_likeliest | ~is_taken)


def score_pairs(
    tracks: Tracks,
    near: MotionPairs,
    detections: Detections,
    gallery: Gallery,
    config: TrackerConfig,
) -> Pairs:
    """Cost of the pairs that also lie within the appearance gate (equations (3) to (6)).

    The motion distance is normalized by its gate. A pair that lacks a descriptor on either side
    takes its motion, scaled to the appearance gate, in the place of appearance.
    """
    # Equation (3): smallest cosine distance to the gallery.
    appearance = near.distance * config.max_cosine_distance
    slots = tracks.records["slot"][near.rows]
    known = np.flatnonzero(_both_have_descriptors(tracks, near, detections, gallery))
    appearance[known] = gallery.distances(slots[known], near.columns[known], detections.descriptors)

    # Equation (5): c = λ d1 + (1 - λ) d2.
    weight = config.motion_weight
    cost = weight * near.distance + (1.0 - weight) * appearance

    # Equations (4) and (6): all pairs have passed the motion gate already.
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
    """Match predicted and detected boxes by intersection over union (Bewley 2016, section 3.3)."""
    if len(candidates) == 0 or len(free) == 0:
        return Association(candidates[:0], free[:0], free)
    boxes = box_motion.measurements_to_boxes(tracks.boxes.position[candidates])
    detected = detections.boxes[free]

    # Boxes can only overlap where their centers are less than half of both widths apart.
    reach = (boxes[:, 2] - boxes[:, 0] + (detected[:, 2] - detected[:, 0]).max()) / 2
    center_x, detected_x = boxes[:, [0, 2]].mean(axis=1), detected[:, [0, 2]].mean(axis=1)
    near, near_free = neighbors(center_x, reach, detected_x)
    rows, columns = candidates[near], free[near_free]

    # Cost 1 - IoU, within its gate.
    cost = 1.0 - box_iou(boxes[near], detected[near_free])
    allowed = cost <= config.max_iou_distance
    if config.class_aware:
        allowed &= tracks.records["class_id"][rows] == detections.class_id[columns]

    limit = config.max_iou_distance + NO_MATCH_MARGIN
    pairs = Pairs(rows[allowed], columns[allowed], cost[allowed], limit)
    return Association(*assign(pairs, candidates, free))


def _both_have_descriptors(
    tracks: Tracks, near: MotionPairs, detections: Detections, gallery: Gallery
) -> np.ndarray:
    """(P,) whether the appearance of a pair can be compared."""
    return (
        gallery.has_descriptors(tracks.records["slot"][near.rows])
        & detections.has_descriptor[near.columns]
    )
