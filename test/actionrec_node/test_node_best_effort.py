# SPDX-License-Identifier: Apache-2.0
"""actionrec_node as on a robot: the network in a thread of its own, slower than the camera."""

from __future__ import annotations

import signal
from pathlib import Path

import numpy as np
import pytest
from assistant_perception.msg import TrackArray
from ros_graph import RosGraph, color_message, header, value_of
from sensor_msgs.msg import Image

from perception_kit.ros.to_messages import tracks_to_message
from perception_kit.types import TrackEstimate, TrackState

pytestmark = pytest.mark.ros
NODE = "actionrec_node"
FRAME_NS = 66_666_667
PEOPLE = 120


def _person(number: int) -> TrackEstimate:
    left = number % 40  # in the image
    box = np.array([left, 10.0, left + 20, 60])
    return TrackEstimate(
        number, 1, "person", TrackState.CONFIRMED, 0.9, 5, 5, 0.0, 0, box, np.zeros(4)
    )


def test_tracks_alone_are_no_stream_and_a_busy_network_is_waited_for(
    graph: RosGraph, model_path: Path, tmp_path: Path
) -> None:
    crowd = [_person(number) for number in range(1, PEOPLE + 1)]
    parameters = {
        "model": str(model_path),
        "device": "cpu",
        "input_reliability": "best_effort",
        "max_people": PEOPLE,
        "stride": 1,
    }
    with graph.start(NODE, parameters, tmp_path) as group:
        tracks = graph.publisher(TrackArray, "/tracker_node/tracks")
        color = graph.publisher(Image, "/color/image_raw")
        for number in range(30):
            tracks.publish(tracks_to_message(crowd, header(100 * 10**9 + number * FRAME_NS)))
            graph.spin(0.1)
        graph.problem("nothing received on '/color/image_raw'")
        for number in range(40):
            stamp_ns = 200 * 10**9 + number * FRAME_NS
            color.publish(color_message(stamp_ns))
            tracks.publish(tracks_to_message(crowd, header(stamp_ns)))
            graph.spin(0.05)
        status = graph.status(
            lambda status: int(value_of(status, "clips_skipped")) > 0,
            "clips that a slow network leaves out",
        )
        assert int(value_of(status, "clips_skipped")) % PEOPLE == 0
        group.processes[NODE].send_signal(signal.SIGINT)
        graph.wait(lambda: group.poll()[NODE] is not None, "the end of the node")
        assert group.stop() == {NODE: 0}
