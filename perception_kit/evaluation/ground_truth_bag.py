# SPDX-License-Identifier: Apache-2.0
"""Ground truth from the ``/ground_truth`` topics of a bag, joined with its frames by stamp."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from perception_kit.bags.bag import BagReader
from perception_kit.evaluation.ground_truth import FrameGroundTruth, FrameKey
from perception_kit.ros.from_messages import (
    detections_from_message,
    poses_from_message,
    tracks_from_message,
)
from perception_kit.stamps import stamp_to_ns

DETECTIONS = "/ground_truth/detections"
POSES = "/ground_truth/poses"
TRACKS = "/ground_truth/tracks"
ACTIONS = "/ground_truth/actions"
_TOPICS = (DETECTIONS, POSES, TRACKS, ACTIONS)


class BagGroundTruth:
    """Ground-truth topics of the bag at ``path``; ``is_empty`` where it has none.

    Those of one of several cameras are in its ``namespace``.
    """

    def __init__(self, path: str | Path, namespace: str = "") -> None:
        self.path = Path(path)
        self._prefix = f"/{namespace.strip('/')}" if namespace.strip("/") else ""
        self._topics = [f"{self._prefix}{topic}" for topic in _TOPICS]
        with BagReader(self.path) as reader:
            self.is_empty = not any(topic in reader.topics for topic in self._topics)

    def frames(self, keys: Sequence[FrameKey]) -> Iterator[FrameGroundTruth]:
        """Ground truth of each frame, joined by stamp; unknown where there is no message.

        Raises BagError for a damaged bag.
        """
        with BagReader(self.path) as reader:
            groups = groupby(
                reader.messages(self._topics),
                key=lambda item: stamp_to_ns(item.message.header.stamp),
            )
            stamp_ns, messages = next(groups, (None, ()))
            for _, wanted_ns in keys:
                while stamp_ns is not None and stamp_ns < wanted_ns:
                    stamp_ns, messages = next(groups, (None, ()))

                by_topic = {}
                if stamp_ns == wanted_ns:
                    by_topic = {
                        item.topic.removeprefix(self._prefix): item.message for item in messages
                    }
                yield _frame_ground_truth(by_topic)


def _frame_ground_truth(messages: dict[str, Any]) -> FrameGroundTruth:
    """Decode the messages of one frame by topic; there may be none."""
    action = None
    if ACTIONS in messages:
        action = next((action.label for action in messages[ACTIONS].actions), "")

    return FrameGroundTruth(
        instances=detections_from_message(messages[DETECTIONS]) if DETECTIONS in messages else None,
        poses=poses_from_message(messages[POSES]) if POSES in messages else None,
        tracks=tracks_from_message(messages[TRACKS]) if TRACKS in messages else None,
        action=action,
    )
