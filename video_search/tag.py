# SPDX-License-Identifier: Apache-2.0
"""What a library holds: sources, and one tag for each appearance of something in them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np

Kind = Literal["object", "track", "action", "pattern", "face", "text", "event"]
KINDS: tuple[str, ...] = get_args(Kind)

State = Literal["done", "failed", "live"]

WALL_CLOCK = "wall"
"""Stamps are nanoseconds since 1970: of recordings, and of videos that say when they were made."""
FILE_CLOCK = "file"
"""Stamps are nanoseconds since the first frame: nobody knows when it was taken."""


@dataclass(frozen=True)
class Source:
    """One recording, video, folder of pictures, text with times, or live robot.

    ``digest`` is that of the content, ``settings`` that of how it was read: where both are the
    same as before, a source is not read again. ``error`` says why a source has failed.
    """

    id: str
    uri: str
    kind: str
    digest: str = ""
    settings: str = ""
    state: State = "done"
    error: str = ""
    clock: str = FILE_CLOCK
    start_ns: int = 0
    end_ns: int = 0
    tag_count: int = 0
    indexed_ns: int = 0


@dataclass(frozen=True)
class Tag:
    """One appearance: something seen, done or said without a break.

    ``start_ns``, ``end_ns`` and ``best_ns`` (the stamp of the best frame) are nanoseconds by the
    clock of the source. ``box`` (4,) float32 is x_min, y_min, x_max, y_max in pixels of the best
    frame, ``position`` (3,) float32 metres in ``frame_id``, ``descriptor`` (D,) float32 of norm 1
    in the ``space`` of the network that made it; all three None where unknown. ``text`` holds
    further words to be found by, such as what was said; ``color`` is that of the object by name.
    ``thumbnail`` is a JPEG or empty. ``producer`` names the topic, matcher or reader that found it;
    ``number`` tells apart what is the same in all that (bowls that come into view at once).

    Raises ValueError for a kind that is not known, an end before the start, and values of another
    shape or that are not finite.
    """

    source: str
    start_ns: int
    end_ns: int
    kind: str
    label: str
    confidence: float = 1.0
    best_ns: int = -1
    box: np.ndarray | None = None
    position: np.ndarray | None = None
    frame_id: str = ""
    track_id: int = -1
    text: str = ""
    color: str = ""
    descriptor: np.ndarray | None = None
    space: str = ""
    thumbnail: bytes = b""
    producer: str = ""
    number: int = 0
    id: str = field(init=False)

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"a tag is of kind {', '.join(KINDS)}, got '{self.kind}'")
        if not self.label and not self.text:
            raise ValueError("a tag has a label or a text, got neither: it could not be found")
        if self.end_ns < self.start_ns:
            raise ValueError(
                f"a tag ends at {self.end_ns} ns, before its start, {self.start_ns} ns"
            )
        if not 0.0 <= self.confidence <= 1.0:
            raise ValueError(f"the confidence of a tag is 0 to 1, got {self.confidence}")
        _check_vector("box", self.box, 4)
        _check_vector("position", self.position, 3)
        _check_vector("descriptor", self.descriptor, None)
        if self.descriptor is not None and not self.space:
            raise ValueError("a descriptor needs the space that it lies in, such as 'sface'")

        if self.best_ns < 0:
            object.__setattr__(self, "best_ns", self.start_ns)
        object.__setattr__(self, "id", self._identity())

    def _identity(self) -> str:
        """The same for the same appearance found again, also while it is still going on."""
        parts = (
            self.source,
            self.producer,
            self.kind,
            self.label,
            self.start_ns,
            self.track_id,
            self.text if self.kind == "text" else "",
            self.number,
        )
        return hashlib.sha256(repr(parts).encode()).hexdigest()[:32]


def _check_vector(name: str, values: np.ndarray | None, length: int | None) -> None:
    if values is None:
        return
    if values.ndim != 1 or len(values) != (length or len(values)):
        raise ValueError(f"the {name} of a tag has {length or 'D'} values, got {values.shape}")
    if not np.isfinite(values).all():
        raise ValueError(f"the {name} of a tag must be finite, got {values.tolist()}")
