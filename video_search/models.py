# SPDX-License-Identifier: Apache-2.0
"""Runs the three nodes over a source that has no results yet, by a replay."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from perception_kit.bags.bag import BagWriter, open_typestore
from perception_kit.budgets import parse_json
from perception_kit.evaluation.run_folder import METRICS, RESULTS
from perception_kit.networks.model_file import file_sha256
from perception_kit.networks.model_metadata import read_metadata
from perception_kit.processes import ends_with_parent
from perception_kit.replay.batch import replay_command
from perception_kit.replay.settings import ReplaySettings
from perception_kit.resources import package_folder
from perception_kit.ros.image import ImageError
from perception_kit.ros.installed import ros_fault
from video_search.frames import Frame

COLOR, DEPTH = "/camera/color/image_raw", "/camera/depth_registered/image_raw"
CAMERA_INFO = "/camera/color/camera_info"
_LOG_LINES = 3
# Exit codes of a replay that has results.
_WITH_RESULTS = (0, 3)


class ModelRunError(ValueError):
    """The nodes could not run over a source, or not all of them; the message says why."""


@dataclass(frozen=True)
class Models:
    """Files of the networks, and the device that they run on."""

    segmentation: Path
    pose: Path
    action: Path
    device: str = "auto"

    @classmethod
    def demo(cls) -> Models:
        """The models that are shipped."""
        folder = package_folder() / "models" / "demo"
        return cls(
            folder / "segmentation.safetensors",
            folder / "pose.safetensors",
            folder / "action.safetensors",
        )

    def check(self) -> None:
        """Raises ModelFileError for a missing model or one of another kind."""
        read_metadata(self.segmentation, "segmentation")
        read_metadata(self.pose, "pose")
        read_metadata(self.action, "action")

    @property
    def settings(self) -> str:
        """Changes with the networks."""
        files = (self.segmentation, self.pose, self.action)
        return " ".join(file_sha256(path)[:12] for path in files)

    @property
    def space(self) -> str:
        """Name of the space of the segmentation's descriptors."""
        return f"segmentation-{file_sha256(self.segmentation)[:12]}"


def run_models(bag: Path, models: Models, out: Path) -> Path:
    """The bag of the results of a replay of ``bag`` into ``out``.

    Raises ModelRunError, also where a node was not there to the end: half of the results would pass
    for all of them.
    """
    if fault := ros_fault():
        raise ModelRunError(
            f"the models could not run over '{bag}': the nodes need ROS 2 and the built messages"
            f" ({fault}); run 'make setup' or source them, or leave it out by --models none"
        )
    settings = ReplaySettings(
        bag, out, models.segmentation, models.pose, models.action, device=models.device
    )
    out.mkdir(parents=True, exist_ok=True)
    log = out / "replay.log"
    with log.open("w") as file:
        command = ends_with_parent([sys.executable, *replay_command(settings)])
        done = subprocess.run(command, stdout=file, stderr=subprocess.STDOUT, check=False)
    if done.returncode not in _WITH_RESULTS or not (out / RESULTS).is_dir():
        last = " ".join(log.read_text(errors="replace").strip().splitlines()[-_LOG_LINES:])
        raise ModelRunError(f"the models could not run over '{bag}': {last[-600:]}")
    if missing := missing_nodes(out):
        raise ModelRunError(
            f"'{bag}' was not looked at by all nodes ({missing}): index it again while the machine"
            " has less to do"
        )
    return out / RESULTS


def missing_nodes(replay: Path) -> str:
    """Which nodes were not there to the end of a replay, and why; empty where all were.

    ``replay`` is its folder. Raises ModelRunError for scores that cannot be read.
    """
    path = replay / METRICS
    if not path.is_file():
        return ""
    try:
        gone = parse_json(path.read_text()).get("nodes_gone", {})
        return ", ".join(f"{node} {reason}" for node, reason in gone.items())
    except (OSError, ValueError, AttributeError) as error:
        raise ModelRunError(f"'{path}' does not hold the scores of a replay: {error}") from error


def write_color_bag(path: Path, frames: Iterable[Frame]) -> None:
    """Frames without depth as a bag for the nodes: objects and actions are found, poses are not.

    The depth images are empty, which is "unknown" everywhere, so no pose can come of them, and the
    intrinsics mean nothing. Raises ImageError where no frame can be read.
    """
    types = open_typestore().types
    is_empty = True
    with BagWriter(path) as writer:
        for frame in frames:
            try:
                rgb = frame.rgb
            except ImageError:  # which looking at the frames counts
                continue
            height, width = rgb.shape[:2]
            header = _header(types, frame)
            image = types["sensor_msgs/msg/Image"]
            pixels = np.ascontiguousarray(rgb).reshape(-1)
            nothing = np.zeros(2 * height * width, np.uint8)
            messages = {
                COLOR: image(header, height, width, "rgb8", 0, 3 * width, pixels),
                DEPTH: image(header, height, width, "16UC1", 0, 2 * width, nothing),
                CAMERA_INFO: _camera_info(types, header, height, width),
            }
            for topic, message in messages.items():
                writer.write(topic, message, frame.stamp_ns)
            is_empty = False
    if is_empty:
        raise ImageError("none of its images can be read")


def _header(types: Any, frame: Frame) -> Any:
    seconds, nanoseconds = divmod(frame.stamp_ns, 1_000_000_000)
    stamp = types["builtin_interfaces/msg/Time"](seconds, nanoseconds)
    return types["std_msgs/msg/Header"](stamp, frame.frame_id)


def _camera_info(types: Any, header: Any, height: int, width: int) -> Any:
    focal = float(width)
    k = np.array([focal, 0, width / 2, 0, focal, height / 2, 0, 0, 1], np.float64)
    p = np.array([focal, 0, width / 2, 0, 0, focal, height / 2, 0, 0, 0, 1, 0], np.float64)
    region = types["sensor_msgs/msg/RegionOfInterest"](0, 0, 0, 0, False)
    return types["sensor_msgs/msg/CameraInfo"](
        header, height, width, "plumb_bob", np.zeros(5), k, np.eye(3).reshape(-1), p, 0, 0, region
    )
