# SPDX-License-Identifier: Apache-2.0
"""TF as it was recorded: where a frame is in another at a stamp."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation, Slerp

from perception_kit.bags.bag import BagReader
from perception_kit.geometry import invert_pose, pose_matrix
from perception_kit.stamps import stamp_to_ns

TF, TF_STATIC = "/tf", "/tf_static"


class UnknownTransform(ValueError):
    """The recorded TF does not lead from a frame to another at a stamp; the message says why."""


@dataclass
class _Edge:
    """A frame in its ``parent`` at ascending stamps; a static one has one that always holds."""

    parent: str
    stamps: list[int] = field(default_factory=list)
    translations: list[np.ndarray] = field(default_factory=list)
    quaternions: list[np.ndarray] = field(default_factory=list)
    is_static: bool = False

    def at(self, child: str, stamp_ns: int) -> np.ndarray:
        """(4, 4) child-to-parent pose, between the nearest two that are known."""
        if self.is_static:
            return self._known(-1)
        after = bisect_right(self.stamps, stamp_ns)
        if after and self.stamps[after - 1] == stamp_ns:
            return self._known(after - 1)
        if not 0 < after < len(self.stamps):
            first, last = self.stamps[0] * 1e-9, self.stamps[-1] * 1e-9
            raise UnknownTransform(
                f"TF of '{child}' in '{self.parent}' is known from {first:.3f} s to {last:.3f} s"
                " only, not at the stamp of the frame"
            )
        before_ns, after_ns = self.stamps[after - 1], self.stamps[after]
        part = (stamp_ns - before_ns) / (after_ns - before_ns)
        ends = self.translations[after - 1], self.translations[after]
        turns = Rotation.from_quat(self.quaternions[after - 1 : after + 1])
        rotation = Slerp([0.0, 1.0], turns)(part).as_matrix()
        return pose_matrix(rotation, (1 - part) * ends[0] + part * ends[1])

    def _known(self, index: int) -> np.ndarray:
        rotation = Rotation.from_quat(self.quaternions[index]).as_matrix()
        return pose_matrix(rotation, self.translations[index])


class RecordedTransforms:
    """The tree of frames of a recording."""

    def __init__(self, messages: Iterable[tuple[str, Any]]) -> None:
        """``messages``: topic, ``/tf`` or ``/tf_static``, and ``TFMessage``, in any order."""
        self._edges: dict[str, _Edge] = {}
        stamped = [
            (stamp_to_ns(transform.header.stamp), topic == TF_STATIC, transform)
            for topic, message in messages
            for transform in message.transforms
        ]
        for stamp_ns, is_static, transform in sorted(stamped, key=lambda entry: entry[0]):
            self._add(stamp_ns, is_static, transform)

    @classmethod
    def of_bag(cls, reader: BagReader) -> RecordedTransforms:
        """Those of a bag; none where it has no TF. Raises BagError."""
        return cls((item.topic, item.message) for item in reader.messages([TF, TF_STATIC]))

    def pose_in(self, frame: str, child: str, stamp_ns: int) -> np.ndarray:
        """(4, 4) pose of ``child`` in ``frame``. Raises UnknownTransform."""
        ours, theirs = self._to_root(child, stamp_ns), self._to_root(frame, stamp_ns)
        for ancestor, pose in ours.items():
            if ancestor in theirs:
                return invert_pose(theirs[ancestor]) @ pose
        frames = ", ".join(sorted(self.frames()))
        if not frames:
            raise UnknownTransform("the bag has no transforms: record /tf and /tf_static, too")
        raise UnknownTransform(
            f"the recorded TF does not connect '{child}' with '{frame}'; it has the frames {frames}"
        )

    def _add(self, stamp_ns: int, is_static: bool, transform: Any) -> None:
        child, parent = transform.child_frame_id.strip("/"), transform.header.frame_id.strip("/")
        edge = self._edges.get(child)
        if edge is None or edge.parent != parent:
            edge = self._edges[child] = _Edge(parent, is_static=is_static)
        if edge.stamps and edge.stamps[-1] == stamp_ns:
            return  # said twice
        move, turn = transform.transform.translation, transform.transform.rotation
        edge.stamps.append(stamp_ns)
        edge.translations.append(np.array([move.x, move.y, move.z]))
        edge.quaternions.append(np.array([turn.x, turn.y, turn.z, turn.w]))

    def _to_root(self, frame: str, stamp_ns: int) -> Mapping[str, np.ndarray]:
        """(4, 4) pose of a frame in itself and in each of its ancestors, the nearest first."""
        frame = frame.strip("/")
        poses = {frame: np.eye(4)}
        pose = np.eye(4)
        while (edge := self._edges.get(frame)) is not None and edge.parent not in poses:
            pose = edge.at(frame, stamp_ns) @ pose
            frame = edge.parent
            poses[frame] = pose
        return poses

    def frames(self) -> set[str]:
        """The names of all frames."""
        return {*self._edges, *(edge.parent for edge in self._edges.values())}
