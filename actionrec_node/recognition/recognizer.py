# SPDX-License-Identifier: Apache-2.0
"""Action recognition of a live stream: one image in, the newest action of everybody in view out.

As in the article on real-time action recognition, a clip is a window of K consecutive frames (16,
which just enclose a fall). Here the window slides over the stream and is classified every
``stride`` frames. The article's outlook, to join a detector of people, is followed, too: each
tracked person has a window of their own, and the whole image has one for the time that nobody is
found.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from actionrec_node.config import ActionConfig, RecognizerConfig
from actionrec_node.data.crops import PersonBox, crop_clip
from actionrec_node.networks.openvino import load_runtime_model
from actionrec_node.recognition.clip_buffer import NANOSECONDS, Clip, ClipBuffer
from actionrec_node.recognition.decision import Decision
from perception_kit.image_checks import check_color
from perception_kit.resources import resolve_path
from perception_kit.types import ActionEstimate
from perception_kit.videos.video import shrink

WHOLE_IMAGE = -1  # the track id of an action of the whole image
# Pixels of an image that is kept: larger ones would fill hundreds of MB until they leave the clip.
MAX_SIDE = 960
_CLIPS_AT_ONCE = 8  # in one batch of the network, whose memory grows with it


@dataclass(frozen=True)
class _View:
    """An image, and the box of a person in it as fractions of its size; None: the whole image.

    Everybody's views of an image share its pixels.
    """

    rgb: np.ndarray
    box: np.ndarray | None


@dataclass
class _Subject:
    """Whoever is watched: a person, or the whole image."""

    buffer: ClipBuffer[_View]
    decision: Decision
    requested_ns: int | None = None  # end of the newest clip given to the network
    action: ActionEstimate | None = None


@dataclass(frozen=True)
class ClipRequest:
    """A clip to classify, and whose it is."""

    track_id: int
    subject: _Subject
    clip: Clip[_View]


@dataclass(frozen=True)
class FallAlarm:
    """An alarm that has just gone on.

    ``first_sign_ns`` is the end of the first clip that spoke for the fall, ``alarm_ns`` the end of
    the one that raised the alarm.
    """

    track_id: int
    first_sign_ns: int
    alarm_ns: int


class NewestClips:
    """Clips that wait for a network: of everybody the newest one.

    ``replaced`` counts those that a newer one took the place of. Safe to use from several threads.
    """

    def __init__(self) -> None:
        self.replaced = 0
        self._requests: dict[int, ClipRequest] = {}
        self._lock = threading.Lock()

    def put(self, requests: Sequence[ClipRequest]) -> None:
        """Let clips wait."""
        with self._lock:
            self.replaced += sum(request.track_id in self._requests for request in requests)
            self._requests |= {request.track_id: request for request in requests}

    def take(self) -> list[ClipRequest]:
        """All clips that wait; they wait no longer."""
        with self._lock:
            waiting, self._requests = list(self._requests.values()), {}
        return waiting


class ActionRecognizer:
    """Classifies the newest clip of everybody, all clips that are due in batches.

    A clip is due every ``stride`` frames at the model's clip rate. ``push`` does everything in
    order. For a network slower than the stream, ``add`` and ``actions`` may run in one thread and
    ``predict`` in another.

    ``rejected`` holds (index, reason) of the people of the last image that could not be used; the
    others are not affected by them. ``left_out`` holds the track ids of those whom ``max_people``
    leaves out of the last image. ``model_path`` is a file or
    ``package://assistant_perception/PATH``. For ``runtime`` see ``load_runtime_model``, which says
    what is raised for an unusable model file; DeviceError is raised for a device that is missing.
    """

    def __init__(
        self,
        model_path: str | Path,
        device: str = ActionConfig.device,
        config: RecognizerConfig | None = None,
        runtime: str = ActionConfig.runtime,
    ) -> None:
        self.config = config or RecognizerConfig()
        self.rejected: list[tuple[int, str]] = []
        self.left_out: list[int] = []

        self._model = load_runtime_model(resolve_path(model_path), device, runtime)
        self.spec = self._model.spec
        self.class_names: list[str] = list(self.spec.class_names)

        self._subjects: dict[int, _Subject] = {}
        self._stamp_ns = 0
        self._lock = threading.Lock()

    def configure(self, config: RecognizerConfig) -> None:
        """Use other parameters from the next image on; ``max_gap`` from the next new clip on."""
        self.config = config

    def push(
        self, rgb: np.ndarray, stamp_ns: int, people: Sequence[PersonBox] | None = None
    ) -> list[ActionEstimate]:
        """``add``, ``predict`` and ``actions`` in one.

        Returns the newest action of everybody, between two predictions the earlier one again.
        """
        if requests := self.add(rgb, stamp_ns, people):
            self.predict(requests)
        return self.actions()

    def add(
        self, rgb: np.ndarray, stamp_ns: int, people: Sequence[PersonBox] | None = None
    ) -> list[ClipRequest]:
        """Take an image (H, W, 3) uint8 of any size; returns the clips that are now due.

        ``people`` are those in the image, whose clips show them alone. The clip is the whole image
        where nobody looked (None) and where nobody whose clip is complete is found: somebody on the
        floor is easily missed, and must not be lost sight of. A person whose box is not finite, has
        no area or lies outside of the image is not found, and listed in ``rejected``. Of more than
        ``max_people`` the smallest in the image, who are the farthest, are left out. A stamp that
        goes back or a gap in somebody's stream starts their clip over. Raises ValueError for
        anything but an RGB image.
        """
        check_color(rgb)
        boxes = self._usable_boxes(people or (), *rgb.shape[:2])
        rgb = shrink(rgb, MAX_SIDE)

        with self._lock:
            boxes = self._foremost(boxes)
            self._stamp_ns = stamp_ns
            self._forget_absent({WHOLE_IMAGE, *boxes}, stamp_ns)

            # Everybody's window, and that of the whole image, moves on by one frame.
            watched = {
                track_id: self._watch(track_id, _View(rgb, box), stamp_ns)
                for track_id, box in boxes.items()
            }
            whole = self._watch(WHOLE_IMAGE, _View(rgb, None), stamp_ns)

            # Of these windows, those that are complete and due go to the network.
            clips = {
                track_id: self._due_clip(subject, stamp_ns) for track_id, subject in watched.items()
            }
            if not any(subject.requested_ns is not None for subject in watched.values()):
                watched[WHOLE_IMAGE], clips[WHOLE_IMAGE] = whole, self._due_clip(whole, stamp_ns)
            elif whole.requested_ns is not None:
                # Somebody is found. An alarm of the whole image, or a result still to come, must
                # not outlive that.
                self._subjects[WHOLE_IMAGE] = _Subject(
                    whole.buffer, Decision(self.class_names, self.spec.alarms)
                )

            return [
                ClipRequest(track_id, watched[track_id], clip)
                for track_id, clip in clips.items()
                if clip is not None
            ]

    def predict(self, requests: Sequence[ClipRequest]) -> list[FallAlarm]:
        """Classify the clips together; returns the alarms that went on.

        Clips of somebody who was forgotten meanwhile are dropped.
        """
        requests = [request for request in requests if self._is_watched(request)]
        if not requests:
            return []

        # The network runs without the lock: images go on arriving.
        scores: list[np.ndarray] = []
        for first in range(0, len(requests), _CLIPS_AT_ONCE):
            batch = requests[first : first + _CLIPS_AT_ONCE]
            scores += list(
                self._model.probabilities([self._pixels(request.clip) for request in batch])
            )

        alarms = []
        with self._lock:
            for request, probabilities in zip(requests, scores, strict=True):
                if not self._is_watched(request):
                    continue
                track_id, subject, clip = request.track_id, request.subject, request.clip
                decision, alarmed = subject.decision, subject.decision.alarm

                label, score = decision.update(probabilities, clip.end_ns, self.config)
                subject.action = ActionEstimate(
                    label, score, decision.scores, clip.start_ns, clip.end_ns, track_id
                )

                if decision.alarm and not alarmed and decision.fall_sign_ns is not None:
                    alarms.append(FallAlarm(track_id, decision.fall_sign_ns, clip.end_ns))
        return alarms

    def actions(self) -> list[ActionEstimate]:
        """The newest action of everybody in the newest image, by track id.

        Those whose first clip is not complete have none.
        """
        with self._lock:
            present = [
                subject
                for _, subject in sorted(self._subjects.items())
                if subject.buffer.newest_ns == self._stamp_ns
            ]

            # A person without a clip of their own has no action of an earlier stream either.
            return [
                subject.action
                for subject in present
                if subject.action is not None and subject.requested_ns is not None
            ]

    def reset(self) -> None:
        """Forget the stream: the next result needs a full clip again."""
        with self._lock:
            self._subjects.clear()

    def _usable_boxes(
        self, people: Sequence[PersonBox], height: int, width: int
    ) -> dict[int, np.ndarray]:
        """Boxes (4,) as fractions of the image's size, by track id; lists the others."""
        boxes: dict[int, np.ndarray] = {}
        self.rejected = []
        for index, person in enumerate(people):
            if person.is_within(width, height):
                boxes[person.track_id] = person.box / (width, height, width, height)
            else:
                self.rejected.append((index, f"the box {person.box} shows no part of the image"))
        return boxes

    def _foremost(self, boxes: dict[int, np.ndarray]) -> dict[int, np.ndarray]:
        """At most ``max_people`` of the boxes; lists the others.

        An alarm must not end because others come nearer.
        """

        def rank(track_id: int) -> tuple[bool, float]:
            subject = self._subjects.get(track_id)
            low, high = np.clip(boxes[track_id].reshape(2, 2), 0.0, 1.0)
            return subject is not None and subject.decision.alarm, float((high - low).prod())

        ranked = sorted(boxes, key=rank, reverse=True)
        self.left_out = sorted(ranked[self.config.max_people :])
        return {track_id: boxes[track_id] for track_id in boxes if track_id not in self.left_out}

    def _forget_absent(self, present: set[int], stamp_ns: int) -> None:
        """Forget those who were not seen for ``max_gap``: their clip would start over anyway."""
        limit_ns = stamp_ns - round(self.config.max_gap * NANOSECONDS)
        for track_id in self._subjects.keys() - present:
            newest_ns = self._subjects[track_id].buffer.newest_ns
            if newest_ns is None or not limit_ns <= newest_ns < stamp_ns:
                del self._subjects[track_id]

    def _watch(self, track_id: int, view: _View, stamp_ns: int) -> _Subject:
        """Add a view to somebody's clip, which starts over where they are new."""
        subject = self._subjects.get(track_id)
        if subject is None or not subject.buffer.push(view, stamp_ns):
            buffer: ClipBuffer[_View] = ClipBuffer(
                self.spec.clip_length, self.spec.clip_fps, self.config.max_gap
            )
            buffer.push(view, stamp_ns)
            subject = self._subjects[track_id] = _Subject(
                buffer, Decision(self.class_names, self.spec.alarms)
            )
        return subject

    def _is_watched(self, request: ClipRequest) -> bool:
        """Whether the one whose clip it is was not forgotten since."""
        return self._subjects.get(request.track_id) is request.subject

    def _due_clip(self, subject: _Subject, stamp_ns: int) -> Clip[_View] | None:
        """Somebody's clip, if it is complete and time for it."""
        # Half a frame less: a camera's stamps jitter, and a frame that comes a little early must
        # not wait for the next one.
        min_interval_ns = round((self.config.stride - 0.5) / self.spec.clip_fps * NANOSECONDS)
        if subject.requested_ns is not None and stamp_ns - subject.requested_ns < min_interval_ns:
            return None

        clip = subject.buffer.clip()
        if clip is not None:
            subject.requested_ns = clip.end_ns
        return clip

    def _pixels(self, clip: Clip[_View]) -> np.ndarray:
        """(K, S, S, 3) uint8 of a clip, the same region in every frame."""
        boxes = [view.box for view in clip.frames if view.box is not None]
        return crop_clip(
            [view.rgb for view in clip.frames],
            boxes or None,
            self.spec.size,
            self.spec.resize,
            self.config.context,
        )
