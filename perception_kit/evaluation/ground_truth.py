# SPDX-License-Identifier: Apache-2.0
"""Ground truth of a recording, independent of its source."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

from perception_kit.colors import FALL_LABEL, OTHER_LABEL
from perception_kit.types import Instance, PoseEstimate, TrackEstimate


class GroundTruthError(ValueError):
    """Ground truth is missing, damaged or does not fit the recording.

    The message says what was found and what to do.
    """


@dataclass(frozen=True)
class FrameGroundTruth:
    """Ground truth of one frame: None is what nobody knows, an empty list means nothing is there.

    ``instances``: visible masks, ``score`` is the visible fraction. ``poses`` and ``tracks`` refer
    to them by ``detection_index``; a track's ``id`` is the identity. ``action`` is the label of the
    person's action, "" where nobody labeled the frame.
    """

    instances: list[Instance] | None = None
    poses: list[PoseEstimate] | None = None
    tracks: list[TrackEstimate] | None = None
    action: str | None = None


def names_for_model(
    frames: Sequence[FrameGroundTruth], class_names: Collection[str], alarm_classes: Collection[str]
) -> dict[str, str]:
    """What a model with these classes is to call the actions of the frames.

    While the alarm is on the node's label is "falling", whatever model and ground truth call it;
    and what a model does not know is "other" to one that has this class.
    """
    names = dict.fromkeys(alarm_classes, FALL_LABEL)
    if OTHER_LABEL in class_names:
        found = {frame.action for frame in frames if frame.action}
        names |= dict.fromkeys(sorted(found - set(class_names)), OTHER_LABEL)
    return names


def renamed_actions(
    frames: Sequence[FrameGroundTruth], names: Mapping[str, str]
) -> list[FrameGroundTruth]:
    """The same frames, with the actions that ``names`` has under their new names."""
    return [replace(frame, action=names.get(frame.action or "", frame.action)) for frame in frames]


class FrameKey(NamedTuple):
    """A color image of a recording: its number, from 0, and its header's stamp."""

    number: int
    stamp_ns: int


class GroundTruthSource(Protocol):
    """Where the ground truth of a recording comes from."""

    def frames(self, keys: Sequence[FrameKey]) -> Iterator[FrameGroundTruth]:
        """Ground truth of each of ``keys``, whose numbers and stamps are ascending.

        Raises GroundTruthError or BagError.
        """
