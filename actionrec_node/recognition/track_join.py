# SPDX-License-Identifier: Apache-2.0
"""Joins the images of a camera with tracks that were made from some of them and come later."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from actionrec_node.data.crops import PersonBox
from perception_kit.types import TrackEstimate, TrackState

_KEPT = 16  # arrays of tracks; half a second of them at 30 Hz, where images wait a tenth


@dataclass(frozen=True)
class JoinedImage:
    """An image whose people are known: ``people`` is None where no tracks are there to tell."""

    stamp_ns: int
    message: Any
    people: list[PersonBox] | None


class TrackJoin:
    """Lets images through in the order of their stamps, each with the people in it.

    An image waits for the tracks of its own stamp until an image comes that is more than
    ``max_wait`` seconds newer; then it goes on with the newest tracks before it, moved by their
    velocities to its time, if these are at most ``max_age`` seconds old. An image is never made to
    wait when the one before waited in vain: tracks first have to arrive in time again. Only stamps
    count, so a replay that waits for each result gives the same as a fast machine; the caller knows
    the clock and may ``give_up``.

    ``late`` counts how often images waited in vain.
    """

    def __init__(self, class_name: str, max_wait: float = 0.1, max_age: float = 1.0) -> None:
        self.late = 0
        self._class_name = class_name
        self._max_wait_ns, self._max_age_ns = round(max_wait * 1e9), round(max_age * 1e9)

        self._images: deque[tuple[int, Any]] = deque()
        self._newest_image_ns: int | None = None

        self._stamps: list[int] = []  # of the arrays of tracks, ascending
        self._people: list[list[TrackEstimate]] = []
        self._in_time = False

    def add_image(self, stamp_ns: int, message: Any) -> list[JoinedImage]:
        """Take an image, newer than all before; returns those that need not wait any more."""
        self._newest_image_ns = stamp_ns
        self._images.append((stamp_ns, message))
        return self._release()

    def add_tracks(self, stamp_ns: int, tracks: Sequence[TrackEstimate]) -> list[JoinedImage]:
        """Take all tracks of one stamp; returns the images that need not wait any more.

        A stamp that goes back forgets earlier tracks.
        """
        if self._stamps and stamp_ns <= self._stamps[-1]:
            self._stamps.clear()
            self._people.clear()

        self._stamps.append(stamp_ns)
        self._people.append(self._known_people(tracks))
        del self._stamps[:-_KEPT], self._people[:-_KEPT]

        if self._newest_image_ns is None or self._newest_image_ns - stamp_ns <= self._max_wait_ns:
            self._in_time = True
        return self._release()

    @property
    def waiting(self) -> bool:
        """Whether images wait for their tracks."""
        return bool(self._images)

    def give_up(self) -> list[JoinedImage]:
        """All waiting images: nothing comes any more, neither tracks nor newer images."""
        self.late += len(self._images) > 0
        self._in_time = False
        return self._release()

    def reset(self) -> None:
        """Forget everything, waiting images included."""
        self._images.clear()
        self._stamps.clear()
        self._people.clear()
        self._in_time, self._newest_image_ns = False, None

    def _known_people(self, tracks: Sequence[TrackEstimate]) -> list[TrackEstimate]:
        """Confirmed people, and lost ones where they were last seen.

        A fall often loses a person, and the predicted box of a lost one drifts.
        """
        seen = {track.id: track for track in self._people[-1]} if self._people else {}
        people = []
        for track in tracks:
            if track.class_name != self._class_name:
                continue

            if track.state == TrackState.CONFIRMED:
                people.append(track)
            elif track.state == TrackState.LOST:
                last_box = seen.get(track.id, track).box
                people.append(replace(track, box=last_box, box_velocity=np.zeros(4)))
        return people

    def _release(self) -> list[JoinedImage]:
        released = []
        while self._images and self._is_due(self._images[0][0]):
            stamp_ns, message = self._images.popleft()
            released.append(JoinedImage(stamp_ns, message, self._people_at(stamp_ns)))
        return released

    def _is_due(self, stamp_ns: int) -> bool:
        """Whether the oldest waiting image, of this stamp, may go on."""
        if not self._in_time or (self._stamps and self._stamps[-1] >= stamp_ns):
            return True

        newest_ns = stamp_ns if self._newest_image_ns is None else self._newest_image_ns
        if newest_ns - stamp_ns <= self._max_wait_ns:
            return False

        # It waited in vain: the next ones do not wait until tracks come in time again.
        self._in_time = False
        self.late += 1
        return True

    def _people_at(self, stamp_ns: int) -> list[PersonBox] | None:
        """People at a stamp from the newest tracks at or before it; None where these are too old.

        None also where there are no such tracks.
        """
        index = bisect_right(self._stamps, stamp_ns) - 1
        if index < 0 or stamp_ns - self._stamps[index] > self._max_age_ns:
            return None

        # Constant velocity from the stamp of the tracks to that of the image.
        seconds = (stamp_ns - self._stamps[index]) * 1e-9
        return [
            PersonBox(
                track.id,
                np.asarray(track.box + seconds * track.box_velocity, np.float64),
                track.score,
            )
            for track in self._people[index]
        ]
