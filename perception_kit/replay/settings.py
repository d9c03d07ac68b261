# SPDX-License-Identifier: Apache-2.0
"""Configuration of one replay."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from perception_kit.camera_config import CameraConfig
from perception_kit.datasets.mesh_units import MeshUnit
from perception_kit.networks.model_metadata import ModelFileError, model_kind
from perception_kit.resources import check_device_name, choose_device
from perception_kit.ros.camera_reader import CameraReader


@dataclass(frozen=True)
class ReplaySettings:
    """Files, topics (None: found in the bag) and limits of one replay.

    ``camera_namespace`` is that of the topics of one of several cameras, ground truth included.
    ``models`` None: those of the bag or of the pose model file; ``mesh_unit`` is that of their
    meshes. ``realtime`` None: in lock step, else the rate relative to the recording. ``slop`` and
    ``timeout`` in seconds. Raises DeviceError for a ``device`` that no machine has.
    """

    bag: Path
    out: Path
    segmentation_model: Path
    pose_model: Path
    action_model: Path
    truth: Path | None = None
    actions: Path | None = None
    models: Path | None = None
    mesh_unit: MeshUnit = "auto"
    camera_namespace: str = ""
    color_topic: str | None = None
    depth_topic: str | None = None
    camera_info_topic: str | None = None
    camera_info: Path | None = None
    depth_scale: float = 0.0
    intrinsics: str = "auto"
    color_encoding: str = ""
    slop: float = 0.03
    timeout: float = 30.0
    device: str = "auto"
    realtime: float | None = None
    rrd: bool = False

    def __post_init__(self) -> None:
        check_device_name(self.device)

    def check(self) -> None:
        """Raises ModelFileError for a missing model or one of another kind.

        Raises DeviceError where this machine lacks the device.
        """
        for kind, path in self.model_files().items():
            if (found := model_kind(path)) != kind:
                raise ModelFileError(f"'{path}' holds a '{found}' model, expected a '{kind}' model")

        # Every machine has the other devices, and importing PyTorch to check takes seconds.
        if self.device.startswith("cuda"):
            choose_device(self.device)

    def model_files(self) -> dict[str, Path]:
        """Model files by kind."""
        return {
            "segmentation": self.segmentation_model,
            "pose": self.pose_model,
            "action": self.action_model,
        }

    def camera(self, color_topic: str) -> CameraReader:
        """How the images of this topic are read."""
        config = CameraConfig(self.depth_scale, self.intrinsics, self.color_encoding)
        return CameraReader(config, color_topic)

    def node_parameters(self, color_topic: str) -> dict[str, dict[str, str | float]]:
        """Parameters of each node for the images of ``color_topic``, which the nodes do not see.

        Inputs are reliable in lock step, where every frame counts; by the clock they are as on a
        robot.
        """
        inputs: dict[str, str | float] = {}
        if self.realtime is None:
            inputs["input_reliability"] = "reliable"

        segmentation, pose, action = (str(path.absolute()) for path in self.model_files().values())
        return {
            "pose6d_node": {
                **inputs,
                "segmentation_model": segmentation,
                "pose_model": pose,
                "device": self.device,
                "slop": self.slop,
                "depth_scale": self.depth_scale,
                "intrinsics": "P" if self.camera(color_topic).projection else "K",
                "color_encoding": self.color_encoding,
            },
            "tracker_node": {
                **inputs,
                "pose_model": pose,
                "early_poses": self.realtime is not None,
            },
            "actionrec_node": {
                **inputs,
                "model": action,
                "device": self.device,
                "color_encoding": self.color_encoding,
            },
        }
