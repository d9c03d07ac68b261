# SPDX-License-Identifier: Apache-2.0
"""Distances of detections to tracks whose identities are known: what the tracker's gates have to
tell apart.
"""

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
    """``same`` (P,) and ``different`` (Q,) identity: distances between a detection and a track of
    its class.
    """

    same: np.ndarray
    different: np.ndarray

    @property
    def is_known(self) -> bool:
        """Whether there are both."""
        return len(self.same) > 0 and len(self.different) > 0

    def errors(self, threshold: float) -> tuple[float, float]:
        """Share of the same identities beyond ``threshold``, and of the different ones within it."""
        return float((self.same > threshold).mean()), float((self.different <= threshold).mean())

    def best_threshold(self) -> float:
        """The threshold with the smallest sum of both errors, half way between two distances."""
        values = np.unique(np.concatenate([self.same, self.different]))
        let_in = [
            np.searchsorted(np.sort(side), values, side="right") / len(side)
            for side in (self.same, self.different)
        ]
        best = int((let_in[1] - let_in[0]).argmin())
        return float(values[best : best + 2].mean())


def collect_distances(
    frames: Sequence[LabeledFrame], config: TrackerConfig
) -> dict[str, Distances]:
    """``appearance`` (smallest cosine distance to the gallery) and ``motion`` (squared Mahalanobis
    distance of the box) in all frames.

    Tracks are fed by the true identities, so that the distances do not depend on what a tracker
    would have matched.
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
        found["appearance"].append(
            (gallery.distances(slots[seen], columns[seen], detections.descriptors), is_same[seen])
        )
        _follow(tracks, gallery, detections, identities, frame.stamp_ns, config)
    return {name: _joined(parts) for name, parts in found.items()}


def _without_old(tracks: Tracks, gallery: Gallery, stamp_ns: int, config: TrackerConfig) -> Tracks:
    """The tracks that a tracker would not have deleted yet."""
    old = (stamp_ns - tracks.records["matched_ns"]) * 1e-9 > config.max_age_s
    gallery.release(tracks.records["slot"][old])
    return tracks.rows(~old)


def _known_pairs(
    tracks: Tracks, detections: Detections, identities: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Rows of tracks and columns of detections of one class, for detections whose identity is
    known; ascending rows.
    """
    same_class = tracks.records["class_id"][:, None] == detections.class_id
    return np.nonzero(same_class & (identities != NO_IDENTITY))


def _motion(
    tracks: Tracks,
    rows: np.ndarray,
    detections: Detections,
    columns: np.ndarray,
    config: TrackerConfig,
) -> np.ndarray:
    variance = box_motion.innovation_variance(tracks.boxes, rows, config)
    return (
        np.square(detections.measurements[columns] - tracks.boxes.position[rows]) / variance
    ).sum(axis=1)


def _follow(
    tracks: Tracks,
    gallery: Gallery,
    detections: Detections,
    identities: np.ndarray,
    stamp_ns: int,
    config: TrackerConfig,
) -> None:
    """Update the track of each identity that was detected, or start it."""
    row_of = {identity: row for row, identity in enumerate(tracks.records["id"].tolist())}
    columns = np.flatnonzero(identities != NO_IDENTITY)
    is_new = np.array([identity not in row_of for identity in identities[columns].tolist()], bool)
    known, new = columns[~is_new], columns[is_new]
    tracks.match(
        np.array([row_of[identity] for identity in identities[known].tolist()], np.int64),
        detections,
        known,
        stamp_ns,
        config,
    )
    tracks.start(detections, new, identities[new], stamp_ns, config)
    if len(new):
        tracks.records["slot"][-len(new) :] = gallery.allocate(len(new))
    row_of = {identity: row for row, identity in enumerate(tracks.records["id"].tolist())}
    seen = columns[detections.has_descriptor[columns]]
    rows = np.array([row_of[identity] for identity in identities[seen].tolist()], np.int64)
    if len(seen):
        gallery.add(tracks.records["slot"][rows], detections.descriptors[seen])


def _joined(parts: list[tuple[np.ndarray, np.ndarray]]) -> Distances:
    values = np.concatenate([np.zeros(0), *(distances for distances, _ in parts)])
    is_same = np.concatenate([np.zeros(0, bool), *(mask for _, mask in parts)])
    return Distances(values[is_same], values[~is_same])
