# SPDX-License-Identifier: Apache-2.0
"""Confirmed tracks that have left, to be recognized when they are seen again in their place.

This is the project's extension to Deep SORT, for outages: of the camera, of the network, or of the
tracker itself. Only what stands still is recognized: by its class, its appearance, and its position
in space, or in the image where none is known in space. An object does not grow: it comes back with
the size that it had.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from perception_kit.boxes import box_iou
from tracker_node.box_motion import measurements_to_boxes
from tracker_node.config import TrackerConfig
from tracker_node.gallery import Gallery
from tracker_node.history import OpenFrame
from tracker_node.tracks import NO_SLOT, Tracks

# Of each track, over all of its gallery: what leaves the view is cut off by its border in the end.
KEPT_DESCRIPTORS = 10
_NO_DESCRIPTORS = np.zeros((0, 0), np.float32)
# Overlap in the image from which on two boxes are in the same place.
MIN_IOU = 0.5


@dataclass(frozen=True)
class SeenObject:
    """What is known of a track, or of a new one, for the comparison.

    ``box`` (4,) pixels; ``position`` (3,) metres in the frame in which tracks move, or None;
    ``descriptors`` (N, D) float32 of norm 1, N may be 0; ``seen_ns`` stamp of the last match;
    ``size`` (3,) and its standard deviation ``size_std`` (3,), metres, or None.
    """

    id: int
    class_id: int
    class_name: str
    seen_ns: int
    box: np.ndarray
    position: np.ndarray | None
    descriptors: np.ndarray
    size: np.ndarray | None
    size_std: np.ndarray | None

    def to_json(self) -> dict[str, Any]:
        """Plain values, for a state file."""
        return {
            name: value.tolist() if isinstance(value, np.ndarray) else value
            for name, value in vars(self).items()
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> SeenObject:
        """The inverse of ``to_json``. Raises KeyError, TypeError or ValueError for other values."""
        descriptors = np.array(values["descriptors"], np.float32)
        known = cls(
            id=int(values["id"]),
            class_id=int(values["class_id"]),
            class_name=str(values["class_name"]),
            seen_ns=int(values["seen_ns"]),
            box=np.array(values["box"], np.float64).reshape(4),
            position=_vector(values["position"]),
            descriptors=descriptors.reshape(len(descriptors), -1 if descriptors.size else 0),
            # Earlier versions did not write them.
            size=_vector(values.get("size")),
            size_std=_vector(values.get("size_std")),
        )
        if known.id < 1 or not known.is_possible:
            raise ValueError(f"track {known.id} has values that no track has")
        return known

    @property
    def is_possible(self) -> bool:
        """Whether a track can have such numbers."""
        numbers = [value for value in vars(self).values() if isinstance(value, np.ndarray)]
        if not all(np.isfinite(value).all() for value in numbers):
            return False
        if self.size is None or self.size_std is None:
            return self.size is self.size_std
        return bool((self.size > 0).all() and (self.size_std >= 0).all())


def _vector(values: Any) -> np.ndarray | None:
    """(3,) or None. Raises TypeError or ValueError for anything else."""
    return None if values is None else np.array(values, np.float64).reshape(3)


def seen_objects(tracks: Tracks, rows: np.ndarray, gallery: Gallery) -> list[SeenObject]:
    """The confirmed ones of the tracks ``rows``, with descriptors of their galleries."""
    boxes = measurements_to_boxes(tracks.boxes.position)
    seen = []
    for row in rows[tracks.records["confirmed"][rows]].tolist():
        record, descriptors = tracks.records[row], _NO_DESCRIPTORS
        position = size = size_std = None
        if record["slot"] != NO_SLOT:
            descriptors = gallery.sample(int(record["slot"]), KEPT_DESCRIPTORS)
        if record["has_pose"]:
            position = tracks.poses.positions.position[row].copy()
        if record["has_size"]:
            size, size_std = record["size"].copy(), np.sqrt(record["size_variance"])

        known = SeenObject(
            id=int(record["id"]),
            class_id=int(record["class_id"]),
            class_name=str(record["class_name"]),
            seen_ns=int(record["matched_ns"]),
            box=boxes[row].copy(),
            position=position,
            descriptors=descriptors,
            size=size,
            size_std=size_std,
        )
        seen.append(known)
    return seen


class DepartedTracks:
    """Tracks that have left, by id, for ``recall_s`` of the configuration."""

    def __init__(self) -> None:
        self._tracks: dict[int, SeenObject] = {}

    def __iter__(self) -> Iterator[SeenObject]:
        return iter(self._tracks.values())

    def remember(self, tracks: Sequence[SeenObject]) -> None:
        """Tracks have left."""
        self._tracks |= {track.id: track for track in tracks}

    def forget(self, ids: Sequence[int], older_than_ns: int) -> None:
        """Those with these ``ids`` are back, and those seen last before a stamp are too old."""
        self._tracks = {
            track.id: track
            for track in self._tracks.values()
            if track.id not in ids and track.seen_ns >= older_than_ns
        }

    def recalled(
        self, tracks: Tracks, frame: OpenFrame, gallery: Gallery, config: TrackerConfig
    ) -> Tracks:
        """The tracks, those that ``frame`` has confirmed under the earlier ids that they had.

        Their sizes are fused with those that they had.
        """
        records = tracks.records
        first = (records["hits"] == config.n_init) & (records["age"] == config.n_init)
        rows = np.flatnonzero(first & (records["missed"] == 0))

        # Their appearance is that of the detections in this frame.
        newcomers = []
        for row, known in zip(rows, seen_objects(tracks, rows, gallery), strict=True):
            column = np.searchsorted(frame.detections.index, records["detection_index"][row])
            shown = frame.detections.descriptors[column : column + 1]
            is_shown = frame.detections.has_descriptor[column]
            newcomers.append(replace(known, descriptors=shown if is_shown else shown[:0]))

        earlier_ids = self.recall(newcomers, config)
        for row in rows:
            earlier = self._tracks.get(earlier_ids.get(int(records["id"][row]), 0))
            if earlier is None:
                continue
            records["id"][row] = earlier.id
            if earlier.size is not None and earlier.size_std is not None:
                variance = np.square(earlier.size_std)
                tracks.measure_sizes(np.array([row]), earlier.size[None], variance[None])
        return tracks.rows(np.argsort(records["id"], kind="stable")) if earlier_ids else tracks

    def recall(self, newcomers: Sequence[SeenObject], config: TrackerConfig) -> dict[int, int]:
        """Earlier id by the id of each of the ``newcomers`` that is recognized."""
        departed = list(self._tracks.values())
        if not departed or not newcomers:
            return {}
        cost = np.array(
            [[_difference(new, old, config) for old in departed] for new in newcomers], np.float64
        )

        # A pair that is not allowed costs more than all that are.
        rows, columns = linear_sum_assignment(np.where(np.isfinite(cost), cost, 1e6))
        return {
            newcomers[row].id: departed[column].id
            for row, column in zip(rows.tolist(), columns.tolist(), strict=True)
            if np.isfinite(cost[row, column])
        }


def _difference(new: SeenObject, old: SeenObject, config: TrackerConfig) -> float:
    """0 for the same thing in the same place up to 2, infinite for another one."""
    if new.class_id != old.class_id or new.class_name != old.class_name:
        return np.inf
    if (new.seen_ns - old.seen_ns) * 1e-9 > config.recall_s or new.seen_ns <= old.seen_ns:
        return np.inf
    return _distance(new, old, config) + _unlikeness(new, old, config)


def _distance(new: SeenObject, old: SeenObject, config: TrackerConfig) -> float:
    """0 to 1 by the places, infinite where they are different."""
    if new.position is not None and old.position is not None:
        distance = float(np.linalg.norm(new.position - old.position)) / config.recall_distance
        return distance if distance <= 1.0 else np.inf
    if config.fixed_frame:  # the camera moves: places in the image say nothing
        return np.inf
    overlap = float(box_iou(new.box[None], old.box[None])[0])
    return 1.0 - overlap if overlap >= MIN_IOU else np.inf


def _unlikeness(new: SeenObject, old: SeenObject, config: TrackerConfig) -> float:
    """0 to 1 by the appearance, infinite where it differs; 1 where it cannot be compared."""
    if not new.descriptors.size or new.descriptors.shape[1:] != old.descriptors.shape[1:]:
        return 1.0
    if not len(old.descriptors):
        return 1.0
    distance = float(1.0 - (old.descriptors @ new.descriptors.T).max())
    if distance > config.max_cosine_distance:
        return np.inf
    return distance / max(config.max_cosine_distance, 1e-9)
