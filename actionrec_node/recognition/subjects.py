# SPDX-License-Identifier: Apache-2.0
"""Who is watched in a stream: each with a clip of their own, also where they are not found.

Tracks end and begin again, people are missed or leave, and some are too many. Here it is decided
who is still the same, who is watched without being found, and who is forgotten.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from actionrec_node.networks.action_model_spec import ActionModelSpec
from actionrec_node.recognition.clip_buffer import NANOSECONDS, Clip, ClipBuffer
from actionrec_node.recognition.decision import Decision
from actionrec_node.recognition.held_alarms import HeldAlarms
from perception_kit.boxes import box_iou
from perception_kit.types import ActionEstimate

WHOLE_IMAGE = -1  # the track id of an action of the whole image
_SAME_PLACE = 0.3  # intersection over union of the boxes of one person, or of two in one place
_SIDE_MARGIN = 0.02  # of the image's width: a box that comes so near to a side is cut off by it


@dataclass(frozen=True)
class View:
    """An image, and the box of a person in it as fractions of its size; None: the whole image.

    Everybody's views of an image share its pixels.
    """

    rgb: np.ndarray
    box: np.ndarray | None


@dataclass
class Subject:
    """Whoever is watched: a person, or the whole image."""

    buffer: ClipBuffer[View]
    decision: Decision
    box: np.ndarray | None = None  # where they were last found, as fractions of the image's size
    found_ns: int = 0
    requested_ns: int | None = None  # end of the newest clip given to the network
    action: ActionEstimate | None = None


class Subjects:
    """Everybody who is watched in a stream, by track id: people, and the whole image."""

    def __init__(self, spec: ActionModelSpec, alarms: HeldAlarms) -> None:
        self.by_track: dict[int, Subject] = {}
        self._spec, self._alarms = spec, alarms

    def at(self, stamp_ns: int) -> dict[int, Subject]:
        """Those who are watched in the image of ``stamp_ns``, in the order of their track ids."""
        return {
            track_id: subject
            for track_id, subject in sorted(self.by_track.items())
            if subject.buffer.newest_ns == stamp_ns
        }

    def hand_over(self, boxes: dict[int, np.ndarray]) -> None:
        """Let new tracks go on with the clips of lost ones in the same place.

        A fall often ends a person's track; the alarm must not begin anew with the next one.
        """
        lost = {
            track_id: subject.box
            for track_id, subject in self.by_track.items()
            if track_id not in boxes and subject.box is not None
        }
        for track_id in [track_id for track_id in boxes if track_id not in self.by_track]:
            overlaps = {old: float(box_iou(box, boxes[track_id])) for old, box in lost.items()}
            nearest = max(overlaps, key=lambda old: overlaps[old], default=None)
            if nearest is not None and overlaps[nearest] >= _SAME_PLACE:
                subject = self.by_track[track_id] = self.by_track.pop(nearest)
                if subject.action is not None:
                    subject.action = replace(subject.action, track_id=track_id)
                self._alarms.hand_over(nearest, track_id)
                del lost[nearest]

    def unseen(
        self, boxes: dict[int, np.ndarray], stamp_ns: int, keep_watching: float
    ) -> dict[int, np.ndarray]:
        """Boxes of those to go on watching where they were last found, by track id.

        That is for ``keep_watching`` seconds, unless it was at the left or right side of the image,
        where people leave; and for as long as their fall alarm is on. It ends where somebody else
        is found in the same place.
        """
        kept: dict[int, np.ndarray] = {}
        for track_id, subject in self.by_track.items():
            box = subject.box
            if track_id in boxes or box is None:
                continue
            is_taken = any(float(box_iou(box, other)) >= _SAME_PLACE for other in boxes.values())
            left = box[0] <= _SIDE_MARGIN or box[2] >= 1 - _SIDE_MARGIN
            is_recent = stamp_ns - subject.found_ns <= keep_watching * NANOSECONDS
            if not is_taken and (subject.decision.alarm is not None or (is_recent and not left)):
                kept[track_id] = box
        return kept

    def foremost(self, boxes: dict[int, np.ndarray], max_people: int) -> list[int]:
        """Track ids of at most ``max_people`` of the boxes, the largest, which come first.

        An alarm must not end because others come nearer.
        """

        def rank(track_id: int) -> tuple[bool, float]:
            subject = self.by_track.get(track_id)
            low, high = np.clip(boxes[track_id].reshape(2, 2), 0.0, 1.0)
            alarmed = subject is not None and subject.decision.alarm is not None
            return alarmed, float((high - low).prod())

        return sorted(boxes, key=rank, reverse=True)[:max_people]

    def forget_absent(self, present: set[int], stamp_ns: int, max_gap: float) -> None:
        """Forget those who were not seen for ``max_gap``: their clip would start over anyway."""
        limit_ns = stamp_ns - round(max_gap * NANOSECONDS)
        for track_id in self.by_track.keys() - present:
            newest_ns = self.by_track[track_id].buffer.newest_ns
            if newest_ns is None or not limit_ns <= newest_ns < stamp_ns:
                del self.by_track[track_id]

    def watch(self, track_id: int, view: View, stamp_ns: int, max_gap: float) -> Subject:
        """Add a view to somebody's clip, which starts over where they are new."""
        subject = self.by_track.get(track_id)
        if subject is None or not subject.buffer.push(view, stamp_ns):
            buffer: ClipBuffer[View] = ClipBuffer(
                self._spec.clip_length, self._spec.clip_fps, max_gap
            )
            buffer.push(view, stamp_ns)
            subject = self.by_track[track_id] = Subject(buffer, self._new_decision())
            if (held := self._alarms.of(track_id, stamp_ns)) is not None:
                subject.decision.hold(held.alarm)
                subject.action = held.action
        return subject

    def due_clip(self, subject: Subject, stamp_ns: int, stride: int) -> Clip[View] | None:
        """Somebody's clip, if it is complete and time for it."""
        # A quarter of a frame less: a camera's stamps jitter, and a frame that comes a little early
        # must not wait for the next one; of a camera twice as fast as the clips every other counts.
        min_interval_ns = round((stride - 0.25) / self._spec.clip_fps * NANOSECONDS)
        if subject.requested_ns is not None and stamp_ns - subject.requested_ns < min_interval_ns:
            return None

        clip = subject.buffer.clip()
        if clip is not None:
            subject.requested_ns = clip.end_ns
        return clip

    def decide_anew(self, track_id: int) -> None:
        """Go on with somebody's clip, without their alarm, action and results still to come."""
        self._alarms.end(track_id)
        buffer = self.by_track[track_id].buffer
        self.by_track[track_id] = Subject(buffer, self._new_decision())

    def _new_decision(self) -> Decision:
        return Decision(self._spec.class_names, self._spec.alarms, self._spec.confirmations)
