# SPDX-License-Identifier: Apache-2.0
"""ROS 2 node: colour and depth images in, detected instances and their 6D poses out."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from assistant_perception.msg import InstanceDetectionArray, ObjectPoseArray
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header
from visualization_msgs.msg import MarkerArray

from perception_kit.drawing import draw_overlay
from perception_kit.resources import RUNTIMES, check_device_name, choose_device, resolve_path
from perception_kit.ros.image import (
    ImageError,
    array_to_image,
    check_same_size,
    color_image,
    depth_image,
    doubts,
    intrinsics_from_camera_info,
)
from perception_kit.ros.inputs import Frame, Input
from perception_kit.ros.lifecycle import PerceptionNode
from perception_kit.ros.markers import delete_all, mesh_resources, pose_markers
from perception_kit.ros.parameters import parameter
from perception_kit.ros.run_node import run_node
from perception_kit.ros.standard import (
    Detection2DArray,
    Detection3DArray,
    detections_2d,
    detections_3d,
)
from perception_kit.ros.sync import FrameJoiner
from perception_kit.ros.to_messages import detections_to_message, poses_to_message
from perception_kit.types import FrameResults, Intrinsics


@dataclass(frozen=True)
class Pose6dConfig:
    """Parameters of the node."""

    segmentation_model: str = parameter(
        "",
        "segmentation model file (.safetensors, or package://PACKAGE/PATH); required",
        fixed=True,
    )
    pose_model: str = parameter(
        "",
        "pose model file (.safetensors, or package://PACKAGE/PATH); empty: detections only",
        fixed=True,
    )
    device: str = parameter(
        "auto", "cpu, cuda, cuda:N, or auto: the GPU where there is one", fixed=True
    )
    runtime: str = parameter(
        "pytorch",
        "what runs the segmentation on a CPU; openvino is faster",
        choices=RUNTIMES,
        fixed=True,
    )
    score_threshold: float = parameter(
        0.5, "detections with a lower class probability are dropped", 0.0, 1.0
    )
    max_detections: int = parameter(
        50, "largest number of detections in a frame", 1, 1000, fixed=True
    )
    refine_iterations: int = parameter(
        2, "passes of DenseFusion's refiner; more are slower and more precise", 0, 20
    )
    icp: bool = parameter(
        False, "register each pose to the depth by point-to-plane ICP after the refiner"
    )
    min_confidence: float = parameter(
        0.005, "poses that agree less with mask and depth are not published", 0.0, 1.0
    )
    slop: float = parameter(
        0.03,
        "largest difference of the stamps of colour, depth and camera_info, s",
        0.0,
        1.0,
        fixed=True,
    )
    mesh_folder: str = parameter(
        "",
        "BOP models folder (a path, or package://PACKAGE/PATH) with the meshes that RViz shows;"
        " empty: boxes",
        fixed=True,
    )

    def __post_init__(self) -> None:
        check_device_name(self.device)


class Pose6dNode(PerceptionNode):
    """Publishes ``~/detections`` before pose estimation starts, then ``~/poses``.

    Where depth or camera information cannot be used, the detections are still published, but no
    poses: an empty array would say that none was found. ``~/markers`` and ``~/overlay`` are made
    only while somebody subscribes; where ``vision_msgs`` is installed, so are ``~/detections_2d``
    and ``~/detections_3d``.
    """

    def __init__(self) -> None:
        super().__init__("pose6d_node", Pose6dConfig, leader="color")
        self._segmenter = self._estimator = None
        self._meshes: dict[str, str] = {}
        self._model_points: dict[str, np.ndarray] = {}
        self._device = self._skipped = ""

    def load(self) -> None:
        """Load the models that the parameters name. Raises ValueError where there is none."""
        from pose6d_node.densefusion.predictor import (
            PoseEstimator,  # PyTorch takes seconds to import
        )
        from pose6d_node.segmentation.predictor import Segmenter

        config = self.config
        if not config.segmentation_model:
            raise ValueError(
                "no model is set: set the parameter 'segmentation_model' to a .safetensors file,"
                " for example package://assistant_perception/models/demo/segmentation.safetensors"
            )
        self._meshes = mesh_resources(config.mesh_folder) if config.mesh_folder else {}
        self._device = choose_device(config.device)
        model_path = resolve_path(config.segmentation_model)
        self._segmenter = Segmenter(
            model_path, self._device, config.score_threshold, config.max_detections, config.runtime
        )
        if config.pose_model:
            self._estimator = PoseEstimator(
                resolve_path(config.pose_model), self._device, config.refine_iterations
            )
            points = self._estimator.model.model_points.cpu().numpy()
            self._model_points = dict(zip(self._estimator.class_names, points, strict=True))
            self.results.add(ObjectPoseArray, "poses")
        self.results.add(InstanceDetectionArray, "detections")
        self.results.add(MarkerArray, "markers")
        self.results.add(Image, "overlay")
        if Detection2DArray is not None:
            self.results.add(Detection2DArray, "detections_2d")
            self.results.add(Detection3DArray, "detections_3d")

    def unload(self) -> None:
        """Free the models."""
        self._segmenter = self._estimator = None

    def inputs(self) -> Sequence[Input]:
        """Colour, and what the poses need beside it."""
        color = Input("color", Image, "color/image_raw")
        if not self._needs_depth:
            return [color]
        return [
            Input("info", CameraInfo, "color/camera_info"),
            Input("depth", Image, "depth/image_raw"),
            color,
        ]

    def joiner(self) -> FrameJoiner | None:
        """Colour leads."""
        return (
            None
            if not self._needs_depth
            else FrameJoiner("color", ["depth", "info"], self.config.slop)
        )

    def process(self, frame: Frame) -> None:
        """Segment, publish, estimate poses, publish.

        Raises ImageError for a colour image that cannot be used.
        """
        config = self.config
        color = frame.messages["color"]
        rgb = color_image(color)
        geometry = self._geometry(frame) if self._needs_depth else None
        self._segmenter.score_threshold = config.score_threshold
        with self.statistics.stage("segmentation"):
            instances = self._segmenter(rgb, *(geometry or ()))
        self.results.publish(
            "detections", detections_to_message(instances, color.header, color.width, color.height)
        )
        if self.results.has_subscribers("detections_2d"):
            self.results.publish("detections_2d", detections_2d(instances, color.header))
        scene = FrameResults(instances)
        if self._estimator is not None and geometry is not None:
            self._add_poses(color.header, rgb, *geometry, scene)
        if self.results.has_subscribers("overlay"):
            self.results.publish(
                "overlay", array_to_image(draw_overlay(rgb, scene), "rgb8", color.header)
            )

    @property
    def _needs_depth(self) -> bool:
        return self._estimator is not None or self._segmenter.uses_depth

    def _geometry(self, frame: Frame) -> tuple[np.ndarray, Intrinsics] | None:
        """Depth in metres and the camera, or None, reported, where they cannot be used."""
        color, depth, info = (frame.messages[name] for name in ("color", "depth", "info"))
        try:
            check_same_size(color, depth)
            geometry = depth_image(depth), intrinsics_from_camera_info(info, color)
        except ImageError as error:
            lost = ["detections from colour alone"] if self._segmenter.uses_depth else []
            if self._estimator is not None:
                self.statistics.count("without_poses")
                lost.insert(0, "no poses")
            self.problems.report("depth", f"{', '.join(lost)}: {error}")
            return None
        for doubt in doubts(color, depth, info):
            self.problems.report(doubt.kind, doubt.text)
        return geometry

    def _add_poses(
        self,
        header: Header,
        rgb: np.ndarray,
        depth: np.ndarray,
        intrinsics: Intrinsics,
        scene: FrameResults,
    ) -> None:
        """Estimate and publish the poses of ``scene.instances``."""
        scene.intrinsics, scene.model_points = intrinsics, self._model_points
        self._estimator.refine_iterations = self.config.refine_iterations
        self._estimator.icp, self._estimator.min_confidence = (
            self.config.icp,
            self.config.min_confidence,
        )
        with self.statistics.stage("pose"):
            scene.poses = self._estimator(rgb, depth, intrinsics, scene.instances)
        self._skipped = "; ".join(
            f"detection {index}: {reason}" for index, reason in self._estimator.skipped
        )
        self.results.publish("poses", poses_to_message(scene.poses, header))
        if self.results.has_subscribers("detections_3d"):
            self.results.publish("detections_3d", detections_3d(scene.poses, header))
        if self.results.has_subscribers("markers"):
            self.results.publish("markers", pose_markers(scene.poses, header, self._meshes))

    def reset(self) -> None:
        """Remove what RViz still shows."""
        self.results.publish("markers", delete_all(Header()))

    def diagnostic_values(self) -> dict[str, str]:
        """Device, models, and which detections of the last frame got no pose."""
        values = {
            "device": self._device,
            "segmentation_model": self.config.segmentation_model,
            "pose_model": self.config.pose_model,
        }
        return values | {"detections_without_pose": self._skipped}


def main() -> None:
    """Run the node; the process ends with its exit code."""
    sys.exit(run_node(Pose6dNode))


if __name__ == "__main__":
    main()
