# SPDX-License-Identifier: Apache-2.0
"""How far each detection is from where each track is expected, for the pairs within the gate (Wojke
2017, equation 1).

Where both sides have a 3D position, the distance is that of the positions, else that of the boxes.
Neighbours are found along one axis, then compared pair by pair: pairs that are far apart cost
nothing.
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
class Space:
    """What is known in 3D at a frame: ``rows`` (K,) of tracks, ascending, with their predicted
    ``states``, and ``columns`` (M,) of detections, ascending, with their measured ``positions`` (M,
    3).
    """

    rows: np.ndarray
    states: PoseStates
    columns: np.ndarray
    positions: np.ndarray


@dataclass
class MotionPairs:
    """Pairs within the gate: ``rows`` (P,) of tracks, ascending, ``columns`` (P,) of detections,
    and ``distance`` (P,), the squared Mahalanobis distance divided by its gate, 0 to 1.

    ``surprise`` (P,) of two 3D positions is minus twice the log-likelihood of the measured one, but
    for a constant: unlike the distance, it also grows with the uncertainty of the track. It is
    infinite where boxes were compared.
    """

    rows: np.ndarray
    columns: np.ndarray
    distance: np.ndarray
    surprise: np.ndarray

    def select(self, index: np.ndarray) -> MotionPairs:
        """The pairs that a boolean mask or an array of places selects."""
        return MotionPairs(
            self.rows[index], self.columns[index], self.distance[index], self.surprise[index]
        )


def pairs_by_motion(
    tracks: Tracks,
    candidates: np.ndarray,
    detections: Detections,
    space: Space | None,
    config: TrackerConfig,
) -> MotionPairs:
    """Pairs of the tracks ``candidates`` (ascending) and all detections, of one class where
    ``class_aware``, within the motion gate.
    """
    pairs = _pairs_of_boxes(tracks, candidates, detections, config)
    if space is not None:
        pairs = _with_pairs_in_space(pairs, candidates, space, config)
    if config.class_aware:
        pairs = pairs.select(
            tracks.records["class_id"][pairs.rows] == detections.class_id[pairs.columns]
        )
    return pairs


def neighbors(
    centers: np.ndarray, reach: np.ndarray, others: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """All pairs (i, j) with ``|centres[i] - others[j]| <= reach[i]``, ascending i."""
    order = np.argsort(others)
    ordered = others[order]
    first = np.searchsorted(ordered, centers - reach, side="left")
    counts = np.searchsorted(ordered, centers + reach, side="right") - first
    rows = np.repeat(np.arange(len(centers)), counts)
    offsets = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    return rows, order[first[rows] + offsets]


def _pairs_of_boxes(
    tracks: Tracks, candidates: np.ndarray, detections: Detections, config: TrackerConfig
) -> MotionPairs:
    positions = tracks.boxes.position[candidates]
    variance = box_motion.innovation_variance(tracks.boxes, candidates, config)
    reach = np.sqrt(config.motion_gate * variance[:, 0])
    near, columns = neighbors(positions[:, 0], reach, detections.measurements[:, 0])
    distance = (np.square(detections.measurements[columns] - positions[near]) / variance[near]).sum(
        axis=1
    )
    allowed = distance <= config.motion_gate
    distance = distance[allowed]
    return MotionPairs(
        candidates[near[allowed]],
        columns[allowed],
        distance / config.motion_gate,
        np.full(len(distance), np.inf),
    )


def _with_pairs_in_space(
    pairs: MotionPairs, candidates: np.ndarray, space: Space, config: TrackerConfig
) -> MotionPairs:
    """``pairs``, but by 3D positions wherever both sides have one."""
    by_boxes = pairs.select(
        ~(np.isin(pairs.rows, space.rows) & np.isin(pairs.columns, space.columns))
    )
    chosen = np.flatnonzero(np.isin(space.rows, candidates))
    positions = space.states.positions
    variance = positions.position_variance + config.pose_noise**2
    reach = np.sqrt(config.pose_gate * variance[chosen, 0])
    near, seen = neighbors(positions.position[chosen, 0], reach, space.positions[:, 0])
    distance = space.states.squared_distance(chosen[near], space.positions[seen], config)
    allowed = distance <= config.pose_gate
    near, seen, distance = chosen[near[allowed]], seen[allowed], distance[allowed]
    rows = np.concatenate([by_boxes.rows, space.rows[near]])
    columns = np.concatenate([by_boxes.columns, space.columns[seen]])
    distances = np.concatenate([by_boxes.distance, distance / config.pose_gate])
    surprise = np.concatenate([by_boxes.surprise, distance + np.log(variance[near]).sum(axis=1)])
    return MotionPairs(rows, columns, distances, surprise).select(np.argsort(rows, kind="stable"))
