# SPDX-License-Identifier: Apache-2.0
"""The command receives the camera and the nodes, and writes what it receives."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from assistant_perception.msg import (
    ActionArray,
    InstanceDetectionArray,
    ObjectPoseArray,
    TrackArray,
)
from ros_graph import (
    DOMAIN_ID,
    HEIGHT,
    WIDTH,
    RosGraph,
    color_message,
    depth_message,
    header,
    info_message,
)
from sensor_msgs.msg import CameraInfo, Image

from perception_kit.ros.to_messages import (
    actions_to_message,
    detections_to_message,
    poses_to_message,
    tracks_to_message,
)
from perception_kit.types import ActionEstimate, Instance, PoseEstimate, TrackEstimate, TrackState
from perception_kit.view.__main__ import main
from perception_kit.view.server import RERUN

BOX = np.array([10, 10, 40, 60], np.float32)
TYPES = {
    "/color/camera_info": CameraInfo,
    "/depth/image_raw": Image,
    "/color/image_raw": Image,
    "/pose6d_node/detections": InstanceDetectionArray,
    "/pose6d_node/poses": ObjectPoseArray,
    "/tracker_node/tracks": TrackArray,
    "/actionrec_node/actions": ActionArray,
}


def messages(stamp_ns: int) -> list[object]:
    """One of each of TYPES."""
    mug = Instance(2, "mug", 0.9, BOX, np.ones((50, 30), bool), (10, 10))
    pose = PoseEstimate(0, 2, "mug", np.eye(3), np.array([0.0, 0.0, 0.8]), 0.9, np.full(3, 0.1))
    still = np.zeros(4, np.float32)
    track = TrackEstimate(7, 2, "mug", TrackState.CONFIRMED, 0.9, 5, 5, 0.0, 0, BOX, still)
    track.position = pose.translation
    action = ActionEstimate("walking", 0.9, np.array([0.1, 0.9]), stamp_ns, stamp_ns)

    stamp = header(stamp_ns)
    camera = [info_message(stamp_ns), depth_message(stamp_ns), color_message(stamp_ns)]
    results = [
        detections_to_message([mug], stamp, WIDTH, HEIGHT),
        poses_to_message([pose], stamp),
        tracks_to_message([track], stamp),
    ]
    return [*camera, *results, actions_to_message([action], ["falling", "walking"], stamp)]


@pytest.mark.ros
def test_everything_that_is_heard_is_saved(graph: RosGraph, tmp_path: Path) -> None:
    path, preset = tmp_path / "live.rrd", tmp_path / "camera.yaml"
    preset.write_text("color/image_raw: /color/image_raw\n")
    command = [sys.executable, "-m", "perception_kit.view"]
    command += ["--save", str(path), "--camera", str(preset)]
    environment = os.environ | {"ROS_DOMAIN_ID": str(DOMAIN_ID)}
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        try:
            publishers = [graph.publisher(kind, topic) for topic, kind in TYPES.items()]
            for number in range(1, 6):
                for publisher, message in zip(publishers, messages(number * 10**9), strict=True):
                    publisher.publish(message)
                graph.spin(0.3)
            process.send_signal(signal.SIGINT)
            told = process.communicate()[1]
        finally:
            process.kill()  # had a step above failed, nothing would end it
    assert process.returncode == 0
    assert "5 detections, 5 poses, 5 tracks, 5 actions" in told

    text = subprocess.run(
        [str(RERUN), "rrd", "print", "-vvv", str(path)], check=True, capture_output=True, text=True
    ).stdout
    in_space = ("cloud", "objects/mug", "labels")
    for entity in ("camera/image", "camera/depth", *in_space, "actions/image/walking"):
        assert f"/{entity}" in text, entity


@pytest.mark.parametrize(
    "arguments",
    [["--camera", "webcam"], ["--models", "/nowhere"]],
    ids=["no such preset", "no such folder"],
)
def test_bad_use_exits_with_2(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--save", str(tmp_path / "x.rrd"), *arguments]) == 2
    assert capsys.readouterr().err.startswith("view: ")
