# SPDX-License-Identifier: Apache-2.0
"""What a replay played and what came back, as a recording for the Rerun viewer."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from perception_kit.bags.camera_frames import CameraFrame
from perception_kit.replay.player import Responses
from perception_kit.ros.image import (
    ImageError,
    color_image,
    depth_image,
    intrinsics_from_camera_info,
)
from perception_kit.types import FrameResults
from perception_kit.view.meshes import load_shapes
from perception_kit.view.recording import SceneRecording


class RerunLog:
    """Writes the ``.rrd`` file ``path``, with the meshes of the bag or of ``models``, else with
    hulls of the pose model's points.

    Raises DatasetError or ModelFileError for models that cannot be read.
    """

    def __init__(self, path: Path, bag: Path, models: Path | None, pose_model: Path) -> None:
        folder = models or (
            bag / "models" if (bag / "models" / "models_info.json").is_file() else None
        )
        self._recording = SceneRecording(load_shapes(folder, pose_model))
        self._recording.save(path)

    def add(self, frame: CameraFrame, answers: Responses, scene: FrameResults) -> None:
        """One frame with its results; what cannot be shown of the camera is left out (the nodes say
        why).
        """
        color, stamp_ns = frame.color.message, frame.stamp_ns
        if frame.camera_info is not None:
            with suppress(ImageError):
                self._recording.camera(
                    stamp_ns, intrinsics_from_camera_info(frame.camera_info.message, color)
                )
        with suppress(ImageError):
            self._recording.color(stamp_ns, color_image(color))
        if frame.depth is not None:
            with suppress(ImageError):
                self._recording.depth(stamp_ns, depth_image(frame.depth.message))
        if "actions" in answers.messages:
            self._recording.actions(
                stamp_ns, scene.actions, answers.messages["actions"].class_names
            )
        if "segmentation" in answers.messages:
            self._recording.detections(stamp_ns, scene.instances, color.height, color.width)
        if "pose" in answers.messages:
            self._recording.poses(stamp_ns, scene.poses)
        if "tracking" in answers.messages:
            self._recording.tracks(stamp_ns, scene.tracks)

    def close(self) -> None:
        """Finish the file."""
        self._recording.close()
