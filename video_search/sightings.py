# SPDX-License-Identifier: Apache-2.0
"""Joins what is seen in single frames to appearances: one tag each, however many frames it has."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from perception_kit.boxes import box_iou
from video_search.pictures import thumbnail_jpeg
from video_search.tag import Tag

# What is not seen for longer has gone, and comes back as another appearance.
GAP_NS = 1_000_000_000
# Without a track, the same thing overlaps itself from frame to frame.
MIN_IOU = 0.2


@dataclass(frozen=True)
class Sighting:
    """Something seen in one frame; fields as those of ``Tag``.

    A tag keeps those of the frame in which the confidence is highest.
    """

    kind: str
    label: str
    confidence: float
    producer: str
    box: np.ndarray | None = None
    position: np.ndarray | None = None
    frame_id: str = ""
    track_id: int = -1
    text: str = ""
    color: str = ""
    descriptor: np.ndarray | None = None
    space: str = ""

    def moved(self, transform: np.ndarray, frame_id: str) -> Sighting:
        """The same with its position, where known, in another frame by a (4, 4) transform."""
        if self.position is None:
            return self
        position = transform[:3, :3] @ self.position + transform[:3, 3]
        return replace(self, position=position.astype(np.float32), frame_id=frame_id)


@dataclass(eq=False)  # itself alone, also in a list; arrays are not compared
class _Appearance:
    best: Sighting
    last: Sighting
    start_ns: int
    end_ns: int
    best_ns: int
    thumbnail: bytes
    number: int


class Appearances:
    """Turns sightings into the tags of one source; frames must come in the order of time.

    An appearance keeps its id from its first frame on, so what is still going on can be written,
    and written again.
    """

    def __init__(self, source: str, gap_ns: int = GAP_NS, thumbnails: bool = True) -> None:
        self._source = source
        self._gap_ns = gap_ns
        self._thumbnails = thumbnails
        self._open: list[_Appearance] = []

    def update(
        self, stamp_ns: int, sightings: Iterable[Sighting], rgb: np.ndarray | None = None
    ) -> list[Tag]:
        """Take in a frame, (H, W, 3) uint8 where known; returns the appearances that have ended."""
        ended = [entry for entry in self._open if stamp_ns - entry.end_ns > self._gap_ns]
        self._open = [entry for entry in self._open if stamp_ns - entry.end_ns <= self._gap_ns]

        free = list(self._open)
        for sighting in sorted(sightings, key=lambda seen: -seen.confidence):
            entry = _same(free, sighting)
            if entry is None:
                thumbnail = self._thumbnail(rgb, sighting)
                alike = [other for other in self._open if _key(other.last) == _key(sighting)]
                number = sum(other.start_ns == stamp_ns for other in alike)
                times = stamp_ns, stamp_ns, stamp_ns
                self._open.append(_Appearance(sighting, sighting, *times, thumbnail, number))
                continue
            free.remove(entry)
            entry.end_ns, entry.last = stamp_ns, sighting
            if sighting.confidence > entry.best.confidence:
                entry.best, entry.best_ns = sighting, stamp_ns
                entry.thumbnail = self._thumbnail(rgb, sighting)
        return [self._tag(entry) for entry in ended]

    def going_on(self) -> list[Tag]:
        """The appearances so far that have not ended."""
        return [self._tag(entry) for entry in self._open]

    def finish(self) -> list[Tag]:
        """End all appearances."""
        tags = self.going_on()
        self._open = []
        return tags

    def _thumbnail(self, rgb: np.ndarray | None, sighting: Sighting) -> bytes:
        return b"" if rgb is None or not self._thumbnails else thumbnail_jpeg(rgb, sighting.box)

    def _tag(self, entry: _Appearance) -> Tag:
        values = {name: getattr(entry.best, name) for name in Sighting.__dataclass_fields__}
        return Tag(
            source=self._source,
            start_ns=entry.start_ns,
            end_ns=entry.end_ns,
            best_ns=entry.best_ns,
            thumbnail=entry.thumbnail,
            number=entry.number,
            **values,
        )


def _key(sighting: Sighting) -> tuple[str, str, str, int]:
    return sighting.producer, sighting.kind, sighting.label, sighting.track_id


def _same(entries: list[_Appearance], sighting: Sighting) -> _Appearance | None:
    """The appearance that goes on with a sighting: of its track, or where it was last."""
    alike = [entry for entry in entries if _key(entry.last) == _key(sighting)]
    if sighting.track_id >= 0 or sighting.box is None:
        return alike[0] if alike else None

    placed = [entry for entry in alike if entry.last.box is not None]
    if not placed:
        return None
    boxes = np.stack([entry.last.box for entry in placed if entry.last.box is not None])
    overlap = box_iou(boxes, sighting.box)
    best = int(overlap.argmax())
    return placed[best] if overlap[best] >= MIN_IOU else None
