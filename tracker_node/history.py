# SPDX-License-Identifier: Apache-2.0
"""Frames that the tracker remembers, for poses that arrive late."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import numpy as np

from tracker_node.detections import Detections
from tracker_node.poses import Poses
from tracker_node.tracks import Tracks


@dataclass
class OpenFrame:
    """The newest frame, which may still change.

    It is ``steps`` nominal frames after the one before. ``camera`` (4, 4) transforms the camera's
    optical frame to the frame in which tracks move, None while that is not known. ``poses`` are
    None until some were given.
    """

    stamp_ns: int
    steps: float
    detections: Detections
    camera: np.ndarray | None
    poses: Poses | None = None


@dataclass
class MatchHistory:
    """Track id by detection index for each of the recent frames: where late poses belong."""

    frames: deque[tuple[int, dict[int, int]]] = field(default_factory=deque)

    def remember(self, stamp_ns: int, tracks: Tracks, keep_s: float) -> None:
        """Store the matches of a frame and forget those older than ``keep_s`` seconds."""
        self.frames.append((stamp_ns, ids_by_detection(tracks)))
        while stamp_ns - self.frames[0][0] > keep_s * 1e9:
            self.frames.popleft()

    def ids_at(self, stamp_ns: int) -> dict[int, int] | None:
        """Track id by detection index at a frame, None when the frame is unknown or forgotten."""
        return next((ids for stamp, ids in self.frames if stamp == stamp_ns), None)


def ids_by_detection(tracks: Tracks) -> dict[int, int]:
    """Track id by index of the detection that it matched in its newest frame."""
    detection_indices = tracks.records["detection_index"].tolist()
    track_ids = tracks.records["id"].tolist()
    pairs = zip(detection_indices, track_ids, strict=True)
    return {index: track_id for index, track_id in pairs if index >= 0}
