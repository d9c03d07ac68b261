# SPDX-License-Identifier: Apache-2.0
"""Results that the three nodes publish, decoded from messages or from a bag of results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from perception_kit.bags.bag import read_messages
from perception_kit.ros.from_messages import (
    actions_from_message,
    detections_from_message,
    poses_from_message,
    tracks_from_message,
)
from perception_kit.types import FrameResults


@dataclass(frozen=True)
class Stage:
    """One result topic of the nodes.

    ``node`` publishes it, ``message`` is its type in this package, and all nodes that it ``needs``
    must run for it to come.
    """

    name: str
    node: str
    topic: str
    message: str
    needs: tuple[str, ...]

    @property
    def type_name(self) -> str:
        """Full name of the message type."""
        return f"assistant_perception/msg/{self.message}"


_POSE6D, _TRACKER, _ACTIONREC = NODES = ("pose6d_node", "tracker_node", "actionrec_node")
STAGES = (
    Stage(
        "segmentation",
        _POSE6D,
        "/pose6d_node/detections",
        "InstanceDetectionArray",
        needs=(_POSE6D,),
    ),
    Stage("pose", _POSE6D, "/pose6d_node/poses", "ObjectPoseArray", needs=(_POSE6D,)),
    Stage("tracking", _TRACKER, "/tracker_node/tracks", "TrackArray", needs=(_POSE6D, _TRACKER)),
    Stage("actions", _ACTIONREC, "/actionrec_node/actions", "ActionArray", needs=(_ACTIONREC,)),
)


def results_from_messages(messages: Mapping[str, Any]) -> FrameResults:
    """The results of one frame from its messages by stage name; none gives an empty list."""
    results = FrameResults(instances=[], poses=[], tracks=[], actions=[])
    if "segmentation" in messages:
        results.instances = detections_from_message(messages["segmentation"])
    if "pose" in messages:
        results.poses = poses_from_message(messages["pose"])
    if "tracking" in messages:
        results.tracks = tracks_from_message(messages["tracking"])
    if "actions" in messages:
        results.actions = actions_from_message(messages["actions"])
    return results


def read_results(path: Path) -> tuple[dict[int, FrameResults], list[str]]:
    """The results of each frame by its stamp in nanoseconds, and the names of the action classes.

    Without any action results, the names are empty. Raises BagError.
    """
    stage_of = {stage.topic: stage.name for stage in STAGES}
    frames: dict[int, FrameResults] = {}
    action_classes: list[str] = []

    for stamp_ns, items in groupby(read_messages(path, stage_of), key=lambda item: item.stamp_ns):
        messages = {stage_of[item.topic]: item.message for item in items}
        frames[stamp_ns] = results_from_messages(messages)
        if "actions" in messages:
            action_classes = list(messages["actions"].class_names)

    return frames, action_classes
