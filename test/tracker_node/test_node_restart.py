# SPDX-License-Identifier: Apache-2.0
"""A tracker_node that was killed knows the present objects again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from assistant_perception.msg import InstanceDetectionArray, TrackArray
from ros_graph import RosGraph, header

from perception_kit.ros.to_messages import detections_to_message
from perception_kit.types import Instance, TrackState

pytestmark = pytest.mark.ros
NODE = "tracker_node"
FRAME_NS = 66_666_667


def cups() -> list[Instance]:
    """Two look-alikes that stand still."""
    boxes = np.array([[10, 20, 30, 50], [60, 20, 80, 50]], np.float32)
    look = np.eye(4, dtype=np.float32)[0]
    return [Instance(1, "cup", 0.9, box, np.zeros((0, 0), bool), (0, 0), look) for box in boxes]


def confirmed_ids(
    graph: RosGraph, stamps: Iterator[int], instances: list[Instance], wanted: int
) -> list[int]:
    """Ids of the confirmed tracks from left to right, once there are ``wanted``.

    The next frame is sent when the tracks of this one are there: a slow start costs no time by the
    stamps.
    """
    tracks: list[TrackArray] = graph.record(TrackArray, f"/{NODE}/tracks")
    detections = graph.publisher(InstanceDetectionArray, "/pose6d_node/detections")
    confirmed: list[Any] = []
    while len(confirmed) < wanted:
        message = detections_to_message(instances, header(next(stamps)), 96, 72)

        def answered(message: InstanceDetectionArray = message) -> bool:
            detections.publish(message)
            return bool(tracks) and tracks[-1].header == message.header

        graph.wait(answered, "tracks")
        confirmed = [t for t in tracks[-1].tracks if t.state == TrackState.CONFIRMED]

    graph.node.destroy_publisher(detections)
    return [track.id for track in sorted(confirmed, key=lambda track: track.box[0])]


def test_identities_survive_a_kill(graph: RosGraph, tmp_path: Path) -> None:
    state = tmp_path / "state" / "tracker.json"
    stamps = iter(range(10**12, 2 * 10**12, FRAME_NS))
    with graph.start(NODE, {"state_file": str(state)}, tmp_path) as group:
        ids = confirmed_ids(graph, stamps, cups(), wanted=2)
        text = f'"next_id": {max(ids) + 1}'
        while not (state.exists() and text in state.read_text() and '"id": 2' in state.read_text()):
            confirmed_ids(graph, stamps, cups(), wanted=2)  # until it is written

        group.processes[NODE].kill()
        group.processes[NODE].wait()
        group.restart(NODE)

        # Others came first: without the state they had the ids 1 and 2.
        after = confirmed_ids(graph, stamps, cups()[::-1], wanted=2)
        assert after == ids == [1, 2]
