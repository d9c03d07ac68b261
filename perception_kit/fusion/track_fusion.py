# SPDX-License-Identifier: Apache-2.0
"""One identity for what several cameras see, by its place in a common frame.

Each camera has its own tracker. A track that it has confirmed joins the identity of its class,
appearance and place, or becomes a new one, and keeps it while its tracker follows it: positions
decide once, not in every frame. An identity that no camera follows any more is remembered, so that
it is taken up by the next camera that sees it (hand-over).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy.optimize import linear_sum_assignment

from perception_kit.fusion.camera_tracks import CameraTrack
from perception_kit.fusion.config import FusionConfig
from perception_kit.fusion.identity import Identity

# A new track waits so long for a position before it becomes an identity without one; and what has
# no pose for so long belongs to a class without poses.
WAIT_NS = 500_000_000
# The same where it may be something that is known already: what is cut off by the border of a view,
# as all that comes into it, is seen in its place a little later.
JOIN_WAIT_NS = 1_000_000_000
# Frames in a row in which two cameras must contradict each other on one identity, or agree on two.
_FRAMES = 5


@dataclass(frozen=True)
class FusedTrack:
    """One identity after a frame; units and frames as in ``FusedTrack.msg``.

    ``tracks``: camera to id of its track. ``position`` and ``velocity`` (3,), ``variance`` of the
    position along each axis and ``rotation`` (3, 3) are None where unknown.
    """

    id: int
    class_id: int
    class_name: str
    score: float
    time_since_update: float
    tracks: dict[str, int]
    position: np.ndarray | None = None
    variance: float | None = None
    velocity: np.ndarray | None = None
    rotation: np.ndarray | None = None


class TrackFusion:
    """Identities over all cameras.

    ``update`` is called for every frame of every camera, in the order of arrival.
    """

    def __init__(self, config: FusionConfig | None = None) -> None:
        self.config = config or FusionConfig()
        self.reset()

    def configure(self, config: FusionConfig) -> None:
        """Use other parameters from the next frame on."""
        self.config = config

    def reset(self) -> None:
        """Forget all identities; ids start from 1 again."""
        self._identities: dict[int, Identity] = {}
        self._next_id = 1
        self._waiting: dict[tuple[str, int], int] = {}  # stamp since which a track waits
        self._unposed_ns: dict[str, int] = {}  # class to the stamp since which it has no pose
        self._posed: set[str] = set()  # classes whose poses have been seen
        self._doubts: Counter[tuple[int, str]] = Counter()
        self._twins: Counter[tuple[int, int]] = Counter()

    def update(self, camera: str, stamp_ns: int, tracks: Sequence[CameraTrack]) -> list[FusedTrack]:
        """All identities after a frame of ``camera``, ascending id.

        ``tracks`` are those of the frame. Without positions (a camera that is alone) they keep the
        identities that they have, and get new ones that no other camera shares.
        """
        self._learn_classes(stamp_ns, tracks)
        tracks = [self._usable(track) for track in tracks]
        self._release_gone(camera, {track.id for track in tracks})

        # Tracks that have an identity, with a position or without
        open_tracks = []
        for track in tracks:
            identity = self._identity_of(camera, track.id)
            if identity is None or (identity.motion is None and track.position is not None):
                open_tracks.append(track)
            if identity is not None:
                identity.see(camera, track, stamp_ns, self.config)
                self._split(identity, camera, stamp_ns)

        # The others, by their places; a track that is not seen now has none.
        open_tracks = [track for track in open_tracks if track.is_matched]
        for track, identity in self._assign(camera, stamp_ns, open_tracks):
            self._take(camera, track, identity, stamp_ns)
        for track in open_tracks:
            self._start(camera, track, stamp_ns)

        self._merge(camera, stamp_ns)
        self._forget(stamp_ns)
        return self.estimates(stamp_ns)

    def estimates(self, stamp_ns: int) -> list[FusedTrack]:
        """All identities at a stamp, ascending id."""
        return [_fused(self._identities[key], stamp_ns) for key in sorted(self._identities)]

    def shared_by(self, cameras: Collection[str]) -> int:
        """Number of identities that at least two of ``cameras`` see now."""
        return sum(
            len(identity.matched & set(cameras)) > 1 for identity in self._identities.values()
        )

    def _learn_classes(self, stamp_ns: int, tracks: Sequence[CameraTrack]) -> None:
        """Which classes have poses: the first pose of a class may come after its first track."""
        for track in tracks:
            if track.is_posed:
                self._posed.add(track.class_name)
            elif track.is_matched:
                self._unposed_ns.setdefault(track.class_name, stamp_ns)
                since_ns = min(self._unposed_ns[track.class_name], stamp_ns)
                self._unposed_ns[track.class_name] = since_ns
        self._newest_ns = stamp_ns

    def _usable(self, track: CameraTrack) -> CameraTrack:
        """The track, without a position that says too little of an object of a class with poses."""
        if track.is_posed or track.position is None:
            return track
        since_ns = self._unposed_ns.get(track.class_name, self._newest_ns)
        if track.class_name in self._posed or self._newest_ns - since_ns < WAIT_NS:
            return CameraTrack(
                track.id, track.class_id, track.class_name, track.score, track.is_matched
            )
        return track

    def _identity_of(self, camera: str, track_id: int) -> Identity | None:
        for identity in self._identities.values():
            if identity.tracks.get(camera) == track_id:
                return identity
        return None

    def _release_gone(self, camera: str, ids: Collection[int]) -> None:
        """Tracks that are no longer listed are nobody's."""
        for identity in self._identities.values():
            if camera in identity.tracks and identity.tracks[camera] not in ids:
                identity.release(camera)
        for key in [key for key in self._waiting if key[0] == camera and key[1] not in ids]:
            del self._waiting[key]

    def _assign(
        self, camera: str, stamp_ns: int, tracks: Sequence[CameraTrack]
    ) -> list[tuple[CameraTrack, Identity]]:
        """The nearest pairs of tracks and identities that the camera does not see otherwise."""
        free = [entry for entry in self._identities.values() if camera not in entry.matched]
        if not free or not tracks:
            return []
        cost = np.array(
            [[entry.distance(track, stamp_ns, self.config) for entry in free] for track in tracks]
        )

        # A pair that is not allowed costs more than all that are.
        rows, columns = linear_sum_assignment(np.where(np.isfinite(cost), cost, 1e6))
        return [
            (tracks[row], free[column])
            for row, column in zip(rows.tolist(), columns.tolist(), strict=True)
            if np.isfinite(cost[row, column])
        ]

    def _take(self, camera: str, track: CameraTrack, identity: Identity, stamp_ns: int) -> None:
        """Bind a track to the identity; one that it had without a place is no other."""
        former = self._identity_of(camera, track.id)
        if former is not None and former is not identity:
            former.release(camera)
            if not former.tracks:
                del self._identities[former.id]
        identity.bind(camera, track)
        identity.see(camera, track, stamp_ns, self.config)
        self._waiting.pop((camera, track.id), None)

    def _start(self, camera: str, track: CameraTrack, stamp_ns: int) -> None:
        """A new identity for a track that has none, once its place is known or does not come."""
        if self._identity_of(camera, track.id) is not None:
            return
        waited_ns = stamp_ns - self._waiting.setdefault((camera, track.id), stamp_ns)
        may_be_known = any(
            entry.class_name == track.class_name and camera not in entry.matched
            for entry in self._identities.values()
        )
        if waited_ns < (JOIN_WAIT_NS if may_be_known else 0):
            return
        if track.position is None and waited_ns < WAIT_NS:
            return
        identity = Identity(self._next_id, track.class_id, track.class_name, stamp_ns)
        self._identities[identity.id] = identity
        self._next_id += 1
        self._take(camera, track, identity, stamp_ns)

    def _split(self, identity: Identity, camera: str, stamp_ns: int) -> None:
        """Release a track that another camera has contradicted for some frames."""
        key = (identity.id, camera)
        if not identity.contradicts(camera, stamp_ns, self.config):
            self._doubts.pop(key, None)
            return
        self._doubts[key] += 1
        if self._doubts[key] >= _FRAMES:
            del self._doubts[key]
            identity.release(camera)

    def _merge(self, camera: str, stamp_ns: int) -> None:
        """Join two identities that different cameras have seen in one place for some frames."""
        living = [entry for entry in self._identities.values() if entry.matched and entry.places]
        near = set()
        for first, second in combinations(sorted(living, key=lambda entry: entry.id), 2):
            if camera in first.tracks or camera in second.tracks:
                if self._is_twin(first, second, stamp_ns):
                    near.add((first.id, second.id))
                    self._twins[first.id, second.id] += 1
                else:
                    self._twins.pop((first.id, second.id), None)
        for pair in [pair for pair in near if self._twins[pair] >= _FRAMES]:
            if all(key in self._identities for key in pair):
                self._join(*pair)

    def _is_twin(self, first: Identity, second: Identity, stamp_ns: int) -> bool:
        """Whether two identities may be one that two cameras see."""
        if first.class_name != second.class_name or first.tracks.keys() & second.tracks.keys():
            return False
        if first.motion is None or second.motion is None or first.is_posed != second.is_posed:
            return False
        apart = first.motion.position_at(stamp_ns) - second.motion.position_at(stamp_ns)
        return bool(np.linalg.norm(apart) <= first.limit(self.config, first.is_posed))

    def _join(self, kept: int, gone: int) -> None:
        """Give the tracks of an identity to another, older one."""
        identity, other = self._identities[kept], self._identities.pop(gone)
        identity.tracks |= other.tracks
        identity.matched |= other.matched
        identity.places |= other.places
        identity.appearances = {**other.appearances, **identity.appearances}
        identity.seen_ns = max(identity.seen_ns, other.seen_ns)

    def _forget(self, stamp_ns: int) -> None:
        """Drop what no camera follows any more, after a while."""
        oldest_ns = stamp_ns - round(self.config.keep_s * 1e9)
        self._identities = {
            key: identity
            for key, identity in self._identities.items()
            if identity.tracks or identity.seen_ns >= oldest_ns
        }
        known = self._identities
        self._doubts = Counter({key: n for key, n in self._doubts.items() if key[0] in known})
        self._twins = Counter(
            {key: n for key, n in self._twins.items() if key[0] in known and key[1] in known}
        )


def _fused(identity: Identity, stamp_ns: int) -> FusedTrack:
    motion = identity.motion
    return FusedTrack(
        id=identity.id,
        class_id=identity.class_id,
        class_name=identity.class_name,
        score=identity.score,
        time_since_update=max(0.0, (stamp_ns - identity.seen_ns) * 1e-9),
        tracks=dict(identity.tracks),
        position=None if motion is None else motion.position_at(stamp_ns),
        variance=None if motion is None else float(motion.covariance[0, 0]),
        velocity=None if motion is None else motion.velocity.copy(),
        rotation=identity.rotation,
    )
