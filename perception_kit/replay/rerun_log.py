# SPDX-License-Identifier: Apache-2.0
"""Log of a replay's images and results for the Rerun viewer."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from perception_kit.bags.camera_frames import CameraFrame
from perception_kit.datasets.mesh_units import MeshUnit
from perception_kit.replay.player import Responses
from perception_kit.ros.camera_reader import CameraReader
from perception_kit.ros.image import ImageError
from perception_kit.types import FrameResults
from perception_kit.view.meshes import load_shapes
from perception_kit.view.rerun_scene import RerunScene


class RerunLog:
    """Writes the ``.rrd`` file ``path``.

    Objects are drawn as the meshes of ``models`` (in ``mesh_unit``) or of the bag, else as hulls of
    the pose model's points; ``camera`` says how the images are read. Raises DatasetError or
    ModelFileError for models that cannot be read.
    """

    def __init__(
        self,
        path: Path,
        bag: Path,
        models: Path | None,
        mesh_unit: MeshUnit,
        pose_model: Path,
        camera: CameraReader,
    ) -> None:
        self._camera = camera
        folder = models
        if folder is None and (bag / "models" / "models_info.json").is_file():
            folder = bag / "models"
        self._recording = RerunScene(load_shapes(folder, pose_model, mesh_unit))
        self._recording.save(path)

    def add(self, frame: CameraFrame, responses: Responses, results: FrameResults) -> None:
        """Log one frame with its results.

        Images that cannot be used are left out; the nodes report the reason.
        """
        color, stamp_ns = frame.color.message, frame.stamp_ns
        if frame.camera_info is not None:
            with suppress(ImageError):
                intrinsics = self._camera.intrinsics(frame.camera_info.message, color)
                self._recording.camera(stamp_ns, intrinsics)
        with suppress(ImageError):
            self._recording.color(stamp_ns, self._camera.color(color))
        if frame.depth is not None:
            with suppress(ImageError):
                self._recording.depth(stamp_ns, self._camera.depth(frame.depth.message))

        # A stage without a response leaves the log as it is; an empty result clears it.
        if "actions" in responses.messages:
            class_names = responses.messages["actions"].class_names
            self._recording.actions(stamp_ns, results.actions, class_names)
        if "segmentation" in responses.messages:
            self._recording.detections(stamp_ns, results.instances, color.height, color.width)
        if "pose" in responses.messages:
            self._recording.poses(stamp_ns, results.poses)
        if "tracking" in responses.messages:
            self._recording.tracks(stamp_ns, results.tracks)

    def close(self) -> None:
        """Finish the file."""
        self._recording.close()
