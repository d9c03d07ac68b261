# SPDX-License-Identifier: Apache-2.0
"""Motion term of the association (Wojke 2017, equations (1) and (2)).

Extension to the paper: where both sides have a 3D position, the distance is that of the positions,
else that of the boxes. Neighbors are found along one axis, then compared pair by pair: pairs that
are far apart cost nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tracker_node import box_motion
from tracker_node.config import TrackerConfig
from tracker_node.detections import Detections
from tracker_node.pose_motion import PoseStates
from tracker_node.tracks import Tracks


@dataclass
class Positions3D:
    """Predicted 3D positions of tracks and measured ones of detections at one frame.

    ``rows`` (K,) of tracks, ascending, with their predicted ``states``; ``columns`` (M,) of
    detections, ascending, with their measured ``positions`` (M, 3).
    """

    rows: np.ndarray
    states: PoseStates
    columns: np.ndarray
    positions: np.ndarray


@dataclass
class MotionPairs:
    """Pairs of a track and a detection within the motion gate, equation (2).

    ``rows`` (P,) of tracks, ascending, ``columns`` (P,) of detections, and ``distance`` (P,), the
    squared Mahalanobis distance divided by its gate, 0 to 1.

    ``negative_log_likelihood`` (P,) of a measured 3D position is counted twice and without its
    constant. Unlike the distance, it also grows with the uncertainty of the track. It is infinite
    where boxes were compared.
    """

    rows: np.ndarray
    columns: np.ndarray
    distance: np.ndarray
    negative_log_likelihood: np.ndarray

    def select(self, index: np.ndarray) -> MotionPairs:
        """The pairs that a boolean mask or an array of places selects."""
        return MotionPairs(
            self.rows[index],
            self.columns[index],
            self.distance[index],
            self.negative_log_likelihood[index],
        )


def pairs_by_motion(
    tracks: Tracks,
    candidates: np.ndarray,
    detections: Detections,
    positions_3d: Positions3D | None,
    config: TrackerConfig,
) -> MotionPairs:
    """Pairs of the tracks ``candidates`` (ascending) and all detections within the motion gate.

    They are of one class where ``class_aware``.
    """
    pairs = _pairs_of_boxes(tracks, candidates, detections, config)
    if positions_3d is not None:
        pairs = _with_pairs_of_positions(pairs, candidates, positions_3d, config)

    # Extension: classes do not mix; the paper tracks pedestrians only.
    if config.class_aware:
        pairs = pairs.select(
            tracks.records["class_id"][pairs.rows] == detections.class_id[pairs.columns]
        )
    return pairs


def neighbors(
    centers: np.ndarray, reach: np.ndarray, others: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """All pairs (i, j) with ``|centers[i] - others[j]| <= reach[i]``, ascending i."""
    order = np.argsort(others)
    ordered = others[order]
    first = np.searchsorted(ordered, centers - reach, side="left")
    counts = np.searchsorted(ordered, centers + reach, side="right") - first

    # The neighbors of each center are a run of ``ordered``: number all runs one after the other.
    rows = np.repeat(np.arange(len(centers)), counts)
    offsets = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    return rows, order[first[rows] + offsets]


def _pairs_of_boxes(
    tracks: Tracks, candidates: np.ndarray, detections: Detections, config: TrackerConfig
) -> MotionPairs:
    """Pairs within the gate by the boxes in the image."""
    positions = tracks.boxes.position[candidates]
    variance = box_motion.innovation_variance(tracks.boxes, candidates, config)

    # Only what lies within the gate along x can lie within the gate.
    reach = np.sqrt(config.motion_gate * variance[:, 0])
    near, columns = neighbors(positions[:, 0], reach, detections.measurements[:, 0])

    # Equation (1): (d_j - y_i)^T S_i^-1 (d_j - y_i), where S_i is diagonal.
    innovation = detections.measurements[columns] - positions[near]
    distance = (np.square(innovation) / variance[near]).sum(axis=1)

    # Equation (2).
    allowed = distance <= config.motion_gate
    distance = distance[allowed]
    return MotionPairs(
        candidates[near[allowed]],
        columns[allowed],
        distance / config.motion_gate,
        np.full(len(distance), np.inf),
    )


def _with_pairs_of_positions(
    pairs: MotionPairs, candidates: np.ndarray, positions_3d: Positions3D, config: TrackerConfig
) -> MotionPairs:
    """``pairs``, but by 3D positions wherever both sides have one (extension)."""
    by_boxes = pairs.select(
        ~(np.isin(pairs.rows, positions_3d.rows) & np.isin(pairs.columns, positions_3d.columns))
    )

    # As for boxes: first along x, then equations (1) and (2) with three degrees of freedom.
    chosen = np.flatnonzero(np.isin(positions_3d.rows, candidates))
    predicted, measured = positions_3d.states.positions, positions_3d.positions
    variance = predicted.position_variance + config.pose_noise**2
    reach = np.sqrt(config.pose_gate * variance[chosen, 0])
    near, seen = neighbors(predicted.position[chosen, 0], reach, measured[:, 0])
    distance = positions_3d.states.squared_distance(chosen[near], measured[seen], config)
    allowed = distance <= config.pose_gate
    near, seen, distance = chosen[near[allowed]], seen[allowed], distance[allowed]

    # Twice the negative logarithm of the density N(measured; predicted, S), but for 3 log 2π.
    negative_log_likelihood = distance + np.log(variance[near]).sum(axis=1)

    rows = np.concatenate([by_boxes.rows, positions_3d.rows[near]])
    joined = MotionPairs(
        rows,
        np.concatenate([by_boxes.columns, positions_3d.columns[seen]]),
        np.concatenate([by_boxes.distance, distance / config.pose_gate]),
        np.concatenate([by_boxes.negative_log_likelihood, negative_log_likelihood]),
    )
    return joined.select(np.argsort(rows, kind="stable"))
