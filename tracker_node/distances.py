# SPDX-License-Identifier: Apache-2.0
"""Distances of detections to tracks of known identity: what the tracker's gates tell apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tracker_node import box_motion
from tracker_node.config import TrackerConfig
from tracker_node.detections import Detections, usable_detections
from tracker_node.gallery import Gallery
from tracker_node.tracks import Tracks
from tracker_node.tuning_data import NO_IDENTITY, LabeledFrame


@dataclass
class Distances:
    """Distances between a detection and a track of its class.

    ``same`` (P,) of the same, ``different`` (Q,) of different identities.
    """

    same: np.ndarray
    different: np.ndarray

    @property
    def is_known(self) -> bool:
        """Whether there are both."""
        return len(self.same) > 0 and len(self.different) > 0

    def errors(self, threshold: float) -> tuple[float, float]:
        """Fractions of the same identities beyond ``threshold``, of the different ones within."""
        return float((self.same > threshold).mean()), float((self.different <= threshold).mean())

    def best_threshold(self) -> float:
        """The threshold with the smallest sum of both errors, half way between two distances."""
        values = np.unique(np.concatenate([self.same, self.different]))
        same_within, different_within = (
            np.searchsorted(np.sort(side), values, side="right") / len(side)
            for side in (self.same, self.different)
        )
        best = int((different_within - same_within).argmin())
        return float(values[best : best + 2].mean())


def collect_distances(
    frames: Sequence[LabeledFrame], config: TrackerConfig
) -> dict[str, Distances]:
    """Distances of ``appearance`` and ``motion`` in all frames (Wojke 2017, equations (3) and (1)).

    These are the smallest cosine distance to the gallery and the squared Mahalanobis distance of
    the box. Tracks are fed by the true identities, so that the distances do not depend on what a
    tracker would have matched.
    """
    tracks, gallery, last_ns = Tracks(), Gallery(config.gallery_size), None
    found: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {"appearance": [], "motion": []}
    for frame in frames:
        detections, _ = usable_detections(frame.instances, gallery.length, gallery.holders)
        gallery.expect(detections.descriptors.shape[1])
        identities = frame.identities()[detections.index]

        if last_ns is not None:
            tracks.predict((frame.stamp_ns - last_ns) * 1e-9 * config.nominal_frame_rate, config)
            tracks = _without_old(tracks, gallery, frame.stamp_ns, config)
        last_ns = frame.stamp_ns

        rows, columns = _known_pairs(tracks, detections, identities)
        is_same = tracks.records["id"][rows] == identities[columns]
        found["motion"].append((_motion(tracks, rows, detections, columns, config), is_same))

        slots = tracks.records["slot"][rows]
        seen = gallery.has_descriptors(slots) & detections.has_descriptor[columns]
        appearance = gallery.distances(slots[seen], columns[seen], detections.descriptors)
        found["appearance"].append((appearance, is_same[seen]))

        _update_or_start(tracks, gallery, detections, identities, frame.stamp_ns, config)
    return {name: _joined(by_frame) for name, by_frame in found.items()}


def _without_old(tracks: Tracks, gallery: Gallery, stamp_ns: int, config: TrackerConfig) -> Tracks:
    """The tracks that a tracker would not have deleted yet."""
    old = (stamp_ns - tracks.records["matched_ns"]) * 1e-9 > config.max_age_s
    gallery.release(tracks.records["slot"][old])
    return tracks.rows(~old)


def _known_pairs(
    tracks: Tracks, detections: Detections, identities: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Rows of tracks and columns of detections of one class, ascending rows.

    The identity of the detections is known.
    """
    same_class = tracks.records["class_id"][:, None] == detections.class_id
    rows, columns = np.nonzero(same_class & (identities != NO_IDENTITY))
    return rows, columns


def _motion(
    tracks: Tracks,
    rows: np.ndarray,
    detections: Detections,
    columns: np.ndarray,
    config: TrackerConfig,
) -> np.ndarray:
    """(P,) squared Mahalanobis distances, equation (1)."""
    variance = box_motion.innovation_variance(tracks.boxes, rows, config)
    innovation = detections.measurements[columns] - tracks.boxes.position[rows]
    return (np.square(innovation) / variance).sum(axis=1)


def _update_or_start(
    tracks: Tracks,
    gallery: Gallery,
    detections: Detections,
    identities: np.ndarray,
    stamp_ns: int,
    config: TrackerConfig,
) -> None:
    """Update the track of each identity that was detected, or start it."""
    columns = np.flatnonzero(identities != NO_IDENTITY)
    is_new = ~np.isin(identities[columns], tracks.records["id"])
    known, new = columns[~is_new], columns[is_new]

    rows = _rows_of(tracks, identities[known])
    tracks.match(rows, detections, known, stamp_ns, config)
    tracks.start(detections, new, identities[new], stamp_ns, config)
    if len(new):
        tracks.records["slot"][-len(new) :] = gallery.allocate(len(new))

    seen = columns[detections.has_descriptor[columns]]
    if len(seen):
        rows = _rows_of(tracks, identities[seen])
        gallery.add(tracks.records["slot"][rows], detections.descriptors[seen])


def _rows_of(tracks: Tracks, identities: np.ndarray) -> np.ndarray:
    """(N,) row of the track of each of (N,) identities."""
    row_of = {identity: row for row, identity in enumerate(tracks.records["id"].tolist())}
    return np.array([row_of[identity] for identity in identities.tolist()], np.int64)


def _joined(by_frame: list[tuple[np.ndarray, np.ndarray]]) -> Distances:
    """Distances of all frames, from (distances, whether of the same identity) of each."""
    values = np.concatenate([np.zeros(0), *(distances for distances, _ in by_frame)])
    is_same = np.concatenate([np.zeros(0, bool), *(mask for _, mask in by_frame)])
    return Distances(values[is_same], values[~is_same])
