# SPDX-License-Identifier: Apache-2.0
"""One identity over all cameras: where it is, and which track of each camera is it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from perception_kit.fusion.camera_tracks import CameraTrack
from perception_kit.fusion.config import FusionConfig
from perception_kit.fusion.position_filter import PositionFilter

# Standard deviation of the velocity of what has a pose, and of what has none (people), m/s.
_SPEEDS = {True: 0.1, False: 1.0}
# Metres a second by which the distance to what was not seen may grow, and for how long.
_GROWTH = {True: 0.05, False: 1.5}
_GROWTH_S = 2.0
_APPEARANCES = 10  # looks of each camera that are kept, the newest
_NEW_LOOK = 0.05  # cosine distance from which on one differs from the others
_FRESH_NS = 300_000_000  # positions of two cameras this far apart in time are compared
# Parts of the largest distance beyond which two cameras contradict each other.
_CONTRADICTION = 2.5


@dataclass
class Identity:
    """What is known of one thing.

    ``tracks``: id of its track in each camera that follows it. ``places``: stamp and measured
    position (3,) in each camera, metres. ``is_posed``: objects, whose places are exact.
    """

    id: int
    class_id: int
    class_name: str
    seen_ns: int
    score: float = 0.0
    tracks: dict[str, int] = field(default_factory=dict)
    matched: set[str] = field(default_factory=set)
    places: dict[str, tuple[int, np.ndarray]] = field(default_factory=dict)
    appearances: dict[str, list[np.ndarray]] = field(default_factory=dict)
    motion: PositionFilter | None = None
    rotation: np.ndarray | None = None
    is_posed: bool = False

    def bind(self, camera: str, track: CameraTrack) -> None:
        """``track`` of ``camera`` is this from now on."""
        self.tracks[camera] = track.id
        self.places.pop(camera, None)

    def release(self, camera: str) -> None:
        """No track of ``camera`` is this any more."""
        self.tracks.pop(camera, None)
        self.matched.discard(camera)
        self.places.pop(camera, None)

    def see(self, camera: str, track: CameraTrack, stamp_ns: int, config: FusionConfig) -> None:
        """Take what its track says after a frame."""
        if not track.is_matched:
            self.matched.discard(camera)
            return
        self.matched.add(camera)
        self.seen_ns, self.score = max(self.seen_ns, stamp_ns), track.score
        if track.descriptor.size:
            self._remember_look(camera, track.descriptor)

        # Once its poses are known, what is merely visible says less.
        if track.position is None or (self.is_posed and not track.is_posed):
            return
        self.places[camera] = (stamp_ns, track.position)
        if self.contradicts(camera, stamp_ns, config):
            return
        if self.motion is None or track.is_posed != self.is_posed:
            self.is_posed = track.is_posed
            speed = _SPEEDS[self.is_posed]
            self.motion = PositionFilter(track.position, track.deviation, speed, stamp_ns)
        else:
            self.motion.update(track.position, track.deviation, stamp_ns)
        if track.rotation is not None:
            self.rotation = track.rotation

    def _remember_look(self, camera: str, descriptor: np.ndarray) -> None:
        """Keep a descriptor that differs from those that are kept of the camera."""
        kept = self.appearances.setdefault(camera, [])
        alike = [look @ descriptor for look in kept if look.shape == descriptor.shape]
        if max(alike, default=-1.0) < 1 - _NEW_LOOK:
            self.appearances[camera] = [*kept, descriptor][-_APPEARANCES:]

    def distance(self, track: CameraTrack, stamp_ns: int, config: FusionConfig) -> float:
        """Distance to a track in parts of the largest one; infinite for something else."""
        if (track.class_id, track.class_name) != (self.class_id, self.class_name):
            return np.inf
        if track.position is None or self.motion is None:
            return np.inf
        if self._unlikeness(track) > config.max_cosine_distance:
            return np.inf
        gap_s = min(max(0.0, (stamp_ns - self.seen_ns) * 1e-9), _GROWTH_S)
        is_posed = self.is_posed and track.is_posed
        limit = self.limit(config, is_posed) + _GROWTH[is_posed] * gap_s
        distance = float(np.linalg.norm(self.motion.position_at(stamp_ns) - track.position))
        return distance / limit if distance <= limit else np.inf

    def contradicts(self, camera: str, stamp_ns: int, config: FusionConfig) -> bool:
        """Whether a camera sees it elsewhere than all others do just now.

        The camera that has followed it for longest is right.
        """
        if camera not in self.places or next(iter(self.tracks), camera) == camera:
            return False
        own = self.places[camera][1]
        others = [
            float(np.linalg.norm(place - own))
            for other, (seen_ns, place) in self.places.items()
            if other != camera and abs(stamp_ns - seen_ns) <= _FRESH_NS
        ]
        limit = _CONTRADICTION * self.limit(config, self.is_posed)
        return min(others, default=0.0) > limit

    def limit(self, config: FusionConfig, is_posed: bool) -> float:
        """Largest distance between what two cameras see of it at the same time, metres."""
        return config.object_distance if is_posed else config.person_distance

    def _unlikeness(self, track: CameraTrack) -> float:
        """Cosine distance to the most similar appearance; 0 where there is none to compare."""
        known = [
            descriptor
            for descriptors in self.appearances.values()
            for descriptor in descriptors
            if descriptor.shape == track.descriptor.shape
        ]
        if not known or not track.descriptor.size:
            return 0.0
        return float(1.0 - (np.stack(known) @ track.descriptor).max())
