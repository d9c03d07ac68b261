# SPDX-License-Identifier: Apache-2.0
"""What a replay is asked to do."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from perception_kit.networks.model_metadata import ModelFileError, model_kind
from perception_kit.resources import check_device_name, choose_device


@dataclass(frozen=True)
class ReplaySettings:
    """Files, topics (None: found in the bag) and limits of one replay.

    ``models`` None: those of the bag or of the pose model file.

    ``realtime`` None: in lock step, else how many times as fast as the recording. Raises
    DeviceError for a ``device`` that no machine has.
    """

    bag: Path
    out: Path
    segmentation_model: Path
    pose_model: Path
    action_model: Path
    truth: Path | None = None
    actions: Path | None = None
    models: Path | None = None
    color_topic: str | None = None
    depth_topic: str | None = None
    camera_info_topic: str | None = None
    camera_info: Path | None = None
    slop: float = 0.03
    timeout: float = 30.0
    device: str = "auto"
    realtime: float | None = None
    rrd: bool = False

    def __post_init__(self) -> None:
        check_device_name(self.device)

    def check(self) -> None:
        """Raises ModelFileError unless the three files are models of the kinds they are given as,
        DeviceError unless the device is here.
        """
        for kind, path in (
            ("segmentation", self.segmentation_model),
            ("pose", self.pose_model),
            ("action", self.action_model),
        ):
            if (found := model_kind(path)) != kind:
                raise ModelFileError(f"'{path}' holds a '{found}' model, expected a '{kind}' model")
        if self.device.startswith(
            "cuda"
        ):  # of the others every machine has one, and to ask PyTorch takes seconds
            choose_device(self.device)

    def node_parameters(self) -> dict[str, dict[str, str | float]]:
        """Parameters of the nodes; their inputs are reliable in lock step, where every frame
        counts, and as on a robot by the clock.
        """
        reliable: dict[str, str | float] = (
            {"input_reliability": "reliable"} if self.realtime is None else {}
        )
        models = {
            "segmentation_model": str(self.segmentation_model.absolute()),
            "pose_model": str(self.pose_model.absolute()),
        }
        return {
            "pose6d_node": {**reliable, **models, "device": self.device, "slop": self.slop},
            "tracker_node": {**reliable, "pose_model": models["pose_model"]},
            "actionrec_node": {
                **reliable,
                "model": str(self.action_model.absolute()),
                "device": self.device,
            },
        }
