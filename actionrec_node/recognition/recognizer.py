# SPDX-License-Identifier: Apache-2.0
"""Action recognition of a live stream: one image in, the newest action of everybody in view out.

As in the article on real-time action recognition, a clip is a window of K consecutive frames (16,
which just enclose a fall). Here the window slides over the stream and is classified every
``stride`` frames. The article's outlook, to join a detector of people, is followed, too: each
tracked person has a window of their own, and the whole image has one for the time before it is
complete, and for robots without a detector. Where nobody is found there is no action; but whoever
was just seen, or lies there with the alarm on, is watched at that place without being found.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from actionrec_node.config import ActionConfig, RecognizerConfig
from actionrec_node.data.crops import PersonBox, crop_clip
from actionrec_node.networks.classifier import int8_path, load_classifier, refuse_nonsense
from actionrec_node.recognition.clip_buffer import Clip
from actionrec_node.recognition.clip_requests import ClipRequest
from actionrec_node.recognition.held_alarms import HeldAlarms
from actionrec_node.recognition.subjects import WHOLE_IMAGE, Subjects, View
from perception_kit.image_checks import check_color
from perception_kit.networks.shared_models import load_once
from perception_kit.resources import INT8_RUNTIME, resolve_path
from perception_kit.types import ActionEstimate, FallAlarm
from perception_kit.videos.video import shrink

# Pixels of an image that is kept: larger ones would fill hundreds of MB until they leave the clip.
MAX_SIDE = 960
_CLIPS_AT_ONCE = 8  # in one batch of the network, whose memory grows with it


class ActionRecognizer:
    """Classifies the newest clip of everybody, all clips that are due in batches.

    A clip is due every ``stride`` frames at the model's clip rate. ``push`` does everything in
    order. For a network slower than the stream, ``add`` and ``actions`` may run in one thread and
    ``predict`` in another.

    ``rejected`` holds (index, reason) of the people of the last image that could not be used; the
    others are not affected by them. ``left_out`` holds the track ids of those whom ``max_people``
    leaves out of the last image, ``doubtful`` those of whom no detection has scored
    ``person_score`` yet. ``is_empty``: nobody was found in it. ``model_path`` is a file or
    ``package://assistant_perception/PATH``. For ``runtime`` and ``threads`` see
    ``load_classifier``, for what is raised for an unusable model file ``load_runtime_model``;
    DeviceError is raised for a device that is missing.
    """

    def __init__(
        self,
        model_path: str | Path,
        device: str = ActionConfig.device,
        config: RecognizerConfig | None = None,
        runtime: str = ActionConfig.runtime,
        threads: int = ActionConfig.threads,
    ) -> None:
        self.config = config or RecognizerConfig()
        self.rejected: list[tuple[int, str]] = []
        self.left_out: list[int] = []
        self.doubtful: list[int] = []
        self.is_empty = False

        # Recognizers of one process share the model.
        path = resolve_path(model_path)
        files = [path, int8_path(path)] if runtime == INT8_RUNTIME else [path]
        self._loaded = load_once(load_classifier, files, device, runtime, threads)
        self._model, self.runtime = self._loaded.model, self._loaded.runtime
        self.spec = self._model.spec
        self.class_names: list[str] = list(self.spec.class_names)

        self._alarms = HeldAlarms()
        self._subjects = Subjects(self.spec, self._alarms)
        self._stamp_ns = 0
        self._lock = threading.Lock()
        refuse_nonsense(self._model, model_path)  # the first clip takes longest

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
        where nobody looked (None), and where nobody's clip is complete yet; no clip is made where
        nobody is found. Somebody on the floor is easily missed, and must not be lost sight of:
        see ``Subjects.unseen``. A person whose box is not finite, has no area or lies outside of
        the image is not found, and listed in ``rejected``; nor is who was never detected with
        ``person_score``, in ``doubtful``, unless somebody known was in that place. Of more than
        ``max_people`` the smallest in the image, who are the farthest, are left out. A stamp that
        goes back or a gap in somebody's stream starts their clip over. Raises ValueError for
        anything but an RGB image.
        """
        check_color(rgb)
        boxes = self._usable_boxes(people or (), *rgb.shape[:2])
        rgb = shrink(rgb, MAX_SIDE)

        with self._lock:
            # Those to watch: people who are found, new or known, and some who are not.
            subjects, config = self._subjects, self.config
            subjects.hand_over(boxes)
            boxes = self._known_or_certain(boxes, people or ())
            unseen = (
                {} if people is None else subjects.unseen(boxes, stamp_ns, config.keep_watching)
            )
            boxes = self._foremost(boxes | unseen)
            self._stamp_ns = stamp_ns
            subjects.forget_absent({WHOLE_IMAGE, *boxes}, stamp_ns, config.max_gap)

            # Everybody's window, and that of the whole image, moves on by one frame.
            watched = {
                track_id: subjects.watch(track_id, View(rgb, box), stamp_ns, config.max_gap)
                for track_id, box in boxes.items()
            }
            whole = subjects.watch(WHOLE_IMAGE, View(rgb, None), stamp_ns, config.max_gap)
            for track_id, subject in watched.items():
                if track_id not in unseen:
                    subject.box, subject.found_ns = boxes[track_id], stamp_ns

            # Of these windows, those that are complete and due go to the network.
            clips = {
                track_id: subjects.due_clip(subject, stamp_ns, config.stride)
                for track_id, subject in watched.items()
            }
            self.is_empty = people is not None and not watched
            has_clip = any(subject.requested_ns is not None for subject in watched.values())
            if not self.is_empty and not has_clip:
                watched[WHOLE_IMAGE] = whole
                clips[WHOLE_IMAGE] = subjects.due_clip(whole, stamp_ns, config.stride)
            elif whole.requested_ns is not None:
                # An alarm of the whole image, or a result still to come, must not outlive that
                # somebody is found, or that nobody is.
                subjects.decide_anew(WHOLE_IMAGE)

            return [
                ClipRequest(track_id, watched[track_id], clip)
                for track_id, clip in clips.items()
                if clip is not None
            ]

    def predict(self, requests: Sequence[ClipRequest]) -> list[FallAlarm]:
        """Classify the clips together; returns the alarms that went on.

        Clips of somebody who was forgotten meanwhile are dropped. Raises ValueError where scores
        are not finite; nobody's action changes then.
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

        if not np.isfinite(scores).all():
            raise ValueError("the network gave scores that are not finite")

        alarms = []
        with self._lock:
            for request, probabilities in zip(requests, scores, strict=True):
                if not self._is_watched(request):
                    continue
                track_id, subject, clip = request.track_id, request.subject, request.clip
                decision, alarm_before = subject.decision, subject.decision.alarm

                label, score = decision.update(probabilities, clip.end_ns, self.config)
                action = ActionEstimate(
                    label, score, decision.scores, clip.start_ns, clip.end_ns, track_id
                )
                subject.action = None if decision.is_nobody else action
                self._alarms.update(action, decision.alarm)

                if decision.alarm is not None and alarm_before is None:
                    alarms.append(replace(decision.alarm, track_id=track_id))
        return alarms

    def actions(self) -> list[ActionEstimate]:
        """The newest action of everybody in the newest image, by track id.

        Those whose first clip is not complete have none, unless an alarm of theirs is still on.
        """
        with self._lock:
            # A person without a clip of their own has no action of an earlier stream either.
            return [
                subject.action
                for subject in self._subjects.at(self._stamp_ns).values()
                if subject.action is not None
                and (subject.requested_ns is not None or subject.decision.alarm is not None)
            ]

    def alarms(self) -> list[FallAlarm]:
        """The fall alarms of those who are watched in the newest image, by track id."""
        with self._lock:
            return self._alarms.on(self._subjects.at(self._stamp_ns))

    def reset(self) -> None:
        """Forget the stream: the next result needs a full clip again."""
        with self._lock:
            self._subjects.by_track.clear()
            self._alarms.clear()

    def state(self) -> dict[str, Any]:
        """Alarms that are on, for ``restore`` in another process."""
        with self._lock:
            return self._alarms.state()

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up the ``state`` of an earlier process; its alarms end by the scores of new clips.

        Raises ValueError where it is none, or of a model with other classes.
        """
        with self._lock:
            self._alarms.restore(state, len(self.class_names))

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

    def _known_or_certain(
        self, boxes: dict[int, np.ndarray], people: Sequence[PersonBox]
    ) -> dict[int, np.ndarray]:
        """Boxes of those who are watched already or score ``person_score``; lists the others.

        Who lies on the floor scores less than before the fall, and is watched on.
        """
        low = {person.track_id for person in people if person.score < self.config.person_score}
        self.doubtful = sorted((low & boxes.keys()) - self._subjects.by_track.keys())
        return {track_id: box for track_id, box in boxes.items() if track_id not in self.doubtful}

    def _foremost(self, boxes: dict[int, np.ndarray]) -> dict[int, np.ndarray]:
        """At most ``max_people`` of the boxes, in their order; lists the others."""
        foremost = self._subjects.foremost(boxes, self.config.max_people)
        self.left_out = sorted(boxes.keys() - foremost)
        return {track_id: boxes[track_id] for track_id in boxes if track_id in foremost}

    def _is_watched(self, request: ClipRequest) -> bool:
        """Whether the one whose clip it is was not forgotten since."""
        return self._subjects.by_track.get(request.track_id) is request.subject

    def _pixels(self, clip: Clip[View]) -> np.ndarray:
        """(K, S, S, 3) uint8 of a clip, the same region in every frame."""
        boxes = [view.box for view in clip.frames if view.box is not None]
        return crop_clip(
            [view.rgb for view in clip.frames],
            np.stack(boxes) if boxes else None,
            self.spec.size,
            self.spec.resize,
            self.config.context,
            self.spec.surroundings,
        )
