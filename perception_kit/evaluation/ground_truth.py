# SPDX-License-Identifier: Apache-2.0
"""What is truly to be seen in each frame of a recording, whatever it is read from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from perception_kit.types import Instance, PoseEstimate, TrackEstimate


class GroundTruthError(ValueError):
    """Ground truth is missing, damaged or does not fit the recording; the message says what was
    found and what to do.
    """


@dataclass(frozen=True)
class FrameGroundTruth:
    """Truth of one frame; None is what nobody knows, an empty list says that nothing is there.

    ``instances``: visible masks, ``score`` is the visible fraction. ``poses`` and ``tracks`` refer
    to them by ``detection_index``; a track's ``id`` is the identity. ``action`` is the label of the
    person's action, "" where nobody labelled the frame.
    """

    instances: list[Instance] | None = None
    poses: list[PoseEstimate] | None = None
    tracks: list[TrackEstimate] | None = None
    action: str | None = None


class FrameKey(NamedTuple):
    """A colour image of a recording: its number, from 0, and its header's stamp."""

    number: int
    stamp_ns: int


class GroundTruthSource(Protocol):
    """Ground truth of a recording."""

    def frames(self, keys: Sequence[FrameKey]) -> Iterator[FrameGroundTruth]:
        """Truth of each of ``keys``, whose numbers and stamps are ascending.

        Raises TruthError or BagError.
        """
