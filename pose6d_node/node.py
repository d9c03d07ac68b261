# SPDX-License-Identifier: Apache-2.0
"""ROS 2 node: colour and depth images in, detected instances and their 6D poses out."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from assistant_perception.msg import InstanceDetectionArray, ObjectPoseArray
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header
from visualization_msgs.msg import MarkerArray

from perception_kit.depth_scale import metric_width, scale_warning
from perception_kit.drawing import draw_overlay
from perception_kit.networks.torchvision_import import import_torchvision
from perception_kit.resources import choose_device, use_threads
from perception_kit.ros.camera_motion import CameraMotion, poses_in
from perception_kit.ros.camera_reader import CameraReader
from perception_kit.ros.deadline import ResultDeadline
from perception_kit.ros.diagnostics import describe_error
from perception_kit.ros.image import (
    ImageError,
    array_to_image,
    check_same_size,
)
from perception_kit.ros.inputs import Input, SynchronizedFrame
from perception_kit.ros.lifecycle import PerceptionNode
from perception_kit.ros.markers import MeshResource, delete_all, mesh_resources, pose_markers
from perception_kit.ros.model_notes import log_model
from perception_kit.ros.run_node import run_in_namespaces
from perception_kit.ros.standard import (
    Detection2DArray,
    Detection3DArray,
    detections_2d,
    detections_3d,
)
from perception_kit.ros.sync import FrameJoiner
from perception_kit.ros.to_messages import detections_to_message, poses_to_message
from perception_kit.ros.worker import FrameWorker
from perception_kit.stamps import stamp_to_ns
from perception_kit.types import FrameResults, Instance, Intrinsics, PoseEstimate
from pose6d_node.config import Pose6dConfig

if TYPE_CHECKING:
    from pose6d_node.densefusion.predictor import PoseEstimator
    from pose6d_node.segmentation.predictor import Segmenter

MAX_AGE_NS = 1_000_000_000  # of the last poses: what moves is elsewhere by then


_SIZES = 50  # newest objects by which the unit of the depth is judged


@dataclass(frozen=True)
class SegmentedFrame:
    """A frame whose instances are published, and whose poses are not yet.

    ``geometry`` is its depth in metres and its camera, None where there are no poses.
    """

    header: Header
    rgb: np.ndarray
    geometry: tuple[np.ndarray, Intrinsics] | None
    results: FrameResults


class Pose6dNode(PerceptionNode[Pose6dConfig]):
    """Publishes ``~/detections`` before pose estimation starts, then ``~/poses``.

    With a live camera, the next frame is segmented while the poses of one are estimated: of the
    segmented frames that wait for that, only the newest gets poses.

    Where depth or camera information cannot be used, the detections are still published, but no
    poses: an empty array would say that none was found. ``~/markers`` and ``~/overlay`` are made
    only while somebody subscribes; where ``vision_msgs`` is installed, so are ``~/detections_2d``
    and ``~/detections_3d``.
    """

    def __init__(self, namespace: str = "") -> None:
        super().__init__("pose6d_node", Pose6dConfig, leader="color", namespace=namespace)
        self._loaded_segmenter: Segmenter | None = None
        self._estimator: PoseEstimator | None = None
        self._model_points: dict[str, np.ndarray] = {}
        self._meshes: dict[str, MeshResource] = {}
        self._diameters: dict[str, float] = {}
        self._size_ratios: deque[float] = deque(maxlen=_SIZES)
        self._device = self._runtime = self._rejected = ""
        self._last: tuple[int, Sequence[PoseEstimate]] = 0, ()
        self._pose_worker: FrameWorker | None = None
        self._poses_due = ResultDeadline()
        self._target = CameraMotion(self, "target_frame", lost="no poses in the target frame")

    def load(self) -> None:
        """Load the models that the parameters name. Raises ValueError where there is none."""
        # PyTorch takes seconds to import, and its compiler, which does not run here, more.
        import_torchvision()
        from pose6d_node.densefusion.predictor import PoseEstimator
        from pose6d_node.segmentation.predictor import Segmenter

        config = self.config
        if not config.segmentation_model:
            raise ValueError(
                "no model is set: set the parameter 'segmentation_model' to a .safetensors file,"
                " for example package://assistant_perception/models/demo/segmentation.safetensors"
            )

        # The models.
        if config.mesh_folder:
            self._meshes = mesh_resources(config.mesh_folder, config.mesh_unit)
        use_threads(config.threads)
        self._device = choose_device(config.device)
        self._loaded_segmenter = Segmenter(
            config.segmentation_model,
            self._device,
            config.score_threshold,
            config.max_detections,
            config.runtime,
        )
        self._runtime = f"segmentation: {self._loaded_segmenter.runtime}"
        names = self._loaded_segmenter.class_names
        log_model(self.get_logger(), "segmentation_model", config.segmentation_model, names)
        if config.pose_model:
            estimator = PoseEstimator(config.pose_model, self._device, runtime=config.runtime)
            points = estimator.model.model_points.cpu().numpy()
            self._model_points = dict(zip(estimator.class_names, points, strict=True))
            self._diameters = dict(
                zip(estimator.class_names, estimator.model.spec.diameters, strict=True)
            )
            self._estimator = estimator
            log_model(self.get_logger(), "pose_model", config.pose_model, estimator.class_names)
            self.results.add(ObjectPoseArray, "poses")
            if config.target_frame:
                self._target.check()
                self.results.add(ObjectPoseArray, "target_poses")

            self._runtime += f", poses: {estimator.runtime}"
            if self.node_config.input_reliability == "best_effort":
                self._pose_worker = FrameWorker(self._finish_live)

        # The results.
        self.results.add(InstanceDetectionArray, "detections")
        self.results.add(MarkerArray, "markers")
        self.results.add(Image, "overlay")
        if config.publish_vision_msgs and Detection2DArray is not None:
            self.results.add(Detection2DArray, "detections_2d")
            self.results.add(Detection3DArray, "detections_3d")

    def unload(self) -> None:
        """Free the models."""
        if self._pose_worker is not None:
            self._pose_worker.stop()
            self._pose_worker = None
        self._loaded_segmenter = self._estimator = None

    def inputs(self) -> Sequence[Input]:
        """Colour, and what the poses need beside it."""
        transport = self.config.image_transport
        color = Input("color", Image, "color/image_raw", transport=transport)
        if not self._needs_depth:
            return [color]
        return [
            Input("info", CameraInfo, "color/camera_info"),
            Input("depth", Image, "depth/image_raw", transport=transport),
            color,
        ]

    def joiner(self) -> FrameJoiner | None:
        """Colour leads; camera information holds until the next."""
        if not self._needs_depth:
            return None
        return FrameJoiner("color", ["depth", "info"], self.config.slop, lasting=["info"])

    def process(self, frame: SynchronizedFrame) -> None:
        """Segment, publish, estimate poses, publish.

        Raises ImageError for a colour image that cannot be used.
        """
        segmenter, config = self._segmenter, self.config
        segmenter.configure(config)

        color = frame.messages["color"]
        camera = CameraReader(config, self.resolve_topic_name("color/image_raw"))
        rgb = camera.color(color)
        geometry = self._geometry(camera, frame) if self._needs_depth else None

        # Detections are published before the poses are estimated: tracking does not wait for them.
        with self.statistics.stage("segmentation"):
            instances = segmenter(rgb, *(geometry or ()))
        detections = detections_to_message(instances, color.header, color.width, color.height)
        self.results.publish("detections", detections)
        if self.results.has_subscribers("detections_2d"):
            self.results.publish("detections_2d", detections_2d(instances, color.header))

        segmented = SegmentedFrame(color.header, rgb, geometry, FrameResults(instances))
        if self._pose_worker is None:
            self._finish(segmented)
        else:
            self._poses_due.expect()
            self._pose_worker.submit(segmented)

    def _finish_live(self, frame: SegmentedFrame) -> None:
        """``_finish`` in a thread of its own, which an error must not end."""
        try:
            self._finish(frame)
        except Exception as error:
            self.statistics.count("failed")
            message = f"the poses of a frame failed: {describe_error(error)}"
            self.problems.report(f"poses {type(error).__name__}", message)
            return
        self._poses_due.met()

    def _finish(self, frame: SegmentedFrame) -> None:
        """Estimate and publish the poses of a frame, and draw it."""
        if self._estimator is not None and frame.geometry is not None:
            self._estimator.configure(self.config)
            self._add_poses(self._estimator, frame.header, frame.rgb, frame.geometry, frame.results)
        if self.results.has_subscribers("overlay"):
            overlay = array_to_image(draw_overlay(frame.rgb, frame.results), "rgb8", frame.header)
            self.results.publish("overlay", overlay)

    @property
    def _segmenter(self) -> Segmenter:
        """The segmenter of the configured node; frames come to no other."""
        if self._loaded_segmenter is None:
            raise RuntimeError("the node is not configured: it has no segmentation model")
        return self._loaded_segmenter

    @property
    def _needs_depth(self) -> bool:
        return self._estimator is not None or self._segmenter.uses_depth

    def _geometry(
        self, camera: CameraReader, frame: SynchronizedFrame
    ) -> tuple[np.ndarray, Intrinsics] | None:
        """Depth in metres and the camera, or None, reported, where they cannot be used."""
        color, info = frame.messages["color"], frame.messages["info"]
        try:
            depth = frame.messages["depth"]
            check_same_size(color, depth)
            geometry = camera.depth(depth), camera.intrinsics(info, color)
        except ImageError as error:
            lost = ["detections from colour alone"] if self._segmenter.uses_depth else []
            if self._estimator is not None:
                self.statistics.count("without_poses")
                lost.insert(0, "no poses")
            self.problems.report("depth", f"{', '.join(lost)}: {error}")
            return None

        for warning in camera.warnings(color, depth, info):
            self.problems.report(warning.kind, warning.text)
        return geometry

    def _add_poses(
        self,
        estimator: PoseEstimator,
        header: Header,
        rgb: np.ndarray,
        geometry: tuple[np.ndarray, Intrinsics],
        results: FrameResults,
    ) -> None:
        """Estimate and publish the poses of ``results.instances``, and add them to ``results``."""
        depth, intrinsics = geometry
        self._check_depth_scale(depth, intrinsics, results.instances)
        with self.statistics.stage("pose"):
            previous = self._last_poses(header)
            poses = estimator(rgb, depth, intrinsics, results.instances, previous)
        self._last = stamp_to_ns(header.stamp), poses
        self._rejected = "; ".join(
            f"detection {index}: {reason}" for index, reason in estimator.rejected
        )

        results.poses, results.intrinsics = poses, intrinsics
        results.model_points = self._model_points
        self.results.publish("poses", poses_to_message(poses, header))
        self._publish_in_target_frame(poses, header)
        if self.results.has_subscribers("markers"):
            self.results.publish("markers", pose_markers(poses, header, self._meshes))

    def _publish_in_target_frame(self, poses: Sequence[PoseEstimate], header: Header) -> None:
        """Poses for those who do not know the camera; none, reported, while TF is unknown."""
        target = self.config.target_frame
        if target:
            frame_from_camera = self._target.camera_in(target, header)
            if frame_from_camera is None:
                return
            poses = poses_in(frame_from_camera, poses)
            header = Header(stamp=header.stamp, frame_id=target)
            self.results.publish("target_poses", poses_to_message(poses, header))

        if self.results.has_subscribers("detections_3d"):
            self.results.publish("detections_3d", detections_3d(poses, header))

    def _last_poses(self, header: Header) -> Sequence[PoseEstimate]:
        """Those of the last frame, unless that is too long ago."""
        stamp, poses = self._last
        is_recent = 0 < stamp_to_ns(header.stamp) - stamp <= MAX_AGE_NS
        return poses if self.config.last_poses and is_recent else ()

    def _check_depth_scale(
        self, depth: np.ndarray, intrinsics: Intrinsics, instances: Sequence[Instance]
    ) -> None:
        """Report a unit of the depth by which objects have not the size of their models."""
        for instance in instances:
            diameter = self._diameters.get(instance.class_name)
            width = metric_width(instance, depth, intrinsics)
            if diameter is not None and width is not None:
                self._size_ratios.append(width / diameter)

        if (warning := scale_warning(self._size_ratios)) is not None:
            self.problems.report("depth scale", warning)

    def reset(self) -> None:
        """Forget the last frames, and remove what RViz still shows."""
        if self._pose_worker is not None:
            self._pose_worker.flush()
        self._poses_due.met()
        self._size_ratios.clear()
        self._last = 0, ()
        self.results.publish("markers", delete_all(Header()))

    def overdue(self) -> list[str]:
        """What has not come in time, poses included."""
        waiting_s = self._poses_due.waiting_s()
        if waiting_s < self.node_config.result_deadline:
            return super().overdue()
        return [*super().overdue(), f"no poses for {waiting_s:.0f} s although frames come"]

    def diagnostic_values(self) -> dict[str, str]:
        """Device, runtime, models, and which detections of the last frame got no pose.

        ``poses_skipped`` counts frames without poses because those of others took longer.
        """
        skipped = self._pose_worker.dropped if self._pose_worker is not None else 0
        return {
            "device": self._device,
            "runtime": self._runtime,
            "segmentation_model": self.config.segmentation_model,
            "pose_model": self.config.pose_model,
            "poses_skipped": str(skipped),
            "detections_without_pose": self._rejected,
        }


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the node, for several cameras if asked to; returns the exit code of its process."""
    return run_in_namespaces(Pose6dNode, arguments)


if __name__ == "__main__":
    sys.exit(main())
