# SPDX-License-Identifier: Apache-2.0
"""The results that the three nodes publish for a frame, and reading them back from the bag that a
replay wrote.
"""

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
    """One result topic: the node that publishes it, the message type in this package, and the nodes
    that must run for it to come.
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


STAGES = (
    Stage(
        "segmentation",
        "pose6d_node",
        "/pose6d_node/detections",
        "InstanceDetectionArray",
        ("pose6d_node",),
    ),
    Stage("pose", "pose6d_node", "/pose6d_node/poses", "ObjectPoseArray", ("pose6d_node",)),
    Stage(
        "tracking",
        "tracker_node",
        "/tracker_node/tracks",
        "TrackArray",
        ("pose6d_node", "tracker_node"),
    ),
    Stage(
        "actions", "actionrec_node", "/actionrec_node/actions", "ActionArray", ("actionrec_node",)
    ),
)
NODES = ("pose6d_node", "tracker_node", "actionrec_node")


def scene_from_messages(messages: Mapping[str, Any]) -> FrameResults:
    """The results of one frame, decoded, by stage name; a stage without a message gives an empty
    list.
    """
    return FrameResults(
        instances=(
            detections_from_message(messages["segmentation"]) if "segmentation" in messages else []
        ),
        poses=poses_from_message(messages["pose"]) if "pose" in messages else [],
        tracks=tracks_from_message(messages["tracking"]) if "tracking" in messages else [],
        actions=actions_from_message(messages["actions"]) if "actions" in messages else [],
    )


def read_results(path: Path) -> tuple[dict[int, FrameResults], list[str]]:
    """The results of each frame by its stamp in nanoseconds, and the names of the action classes
    (empty without any action results).

    Raises BagError.
    """
    stage_of = {stage.topic: stage.name for stage in STAGES}
    scenes: dict[int, FrameResults] = {}
    action_classes: list[str] = []
    for stamp_ns, items in groupby(read_messages(path, stage_of), key=lambda item: item.stamp_ns):
        messages = {stage_of[item.topic]: item.message for item in items}
        scenes[stamp_ns] = scene_from_messages(messages)
        if "actions" in messages:
            action_classes = list(messages["actions"].class_names)
    return scenes, action_classes
