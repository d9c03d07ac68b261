# SPDX-License-Identifier: Apache-2.0
"""Writes a rendered recording as a rosbag2 folder: color, depth, camera_info and ground truth."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from perception_kit.bags.bag import BagWriter
from perception_kit.synth.catalog import ObjectClass
from perception_kit.synth.motion import ACTIONS
from perception_kit.synth.recording import RecordedFrame
from perception_kit.synth.robot_path import COMMON_FRAME
from perception_kit.synth.scene import RenderedInstance
from perception_kit.types import Intrinsics, TrackState

COLOR = "/camera/camera/color"
DEPTH = "/camera/camera/aligned_depth_to_color"
FRAME_ID = "camera_color_optical_frame"
START_NS = 1_700_000_000_000_000_000
"""Stamp of the first frame: any time of day does, as long as it is the same in every run."""

_MESSAGES = "assistant_perception/msg"


@dataclass
class _Track:
    """What is remembered of an instance from frame to frame."""

    age: int = 0
    box: np.ndarray = field(default_factory=lambda: np.zeros(4, np.float32))
    index: int = -1


class SceneBagWriter:
    """Turns recorded frames into messages and writes them.

    With ``cameras``, the topics of each are in the namespace of its name. ``with_tf`` also writes
    the way of the cameras. Use as a context manager; ``path`` must not exist yet.
    """

    def __init__(
        self,
        path: Path,
        intrinsics: Intrinsics,
        fps: float,
        classes: list[ObjectClass],
        cameras: Sequence[str] = (),
        with_tf: bool = False,
    ) -> None:
        self.bag = BagWriter(path)
        self.types = self.bag.typestore.types
        self.intrinsics, self.fps = intrinsics, fps
        self.cameras, self.with_tf = list(cameras), with_tf
        self.sizes = {
            object_class.class_id: np.ptp(object_class.mesh.vertices, axis=0).astype(float)
            for object_class in classes
        }
        self._tracks: dict[tuple[int, int], _Track] = {}

    def write(self, frames: Iterable[RecordedFrame]) -> None:
        """Write frames in order."""
        for recorded in frames:
            moment = recorded.index + recorded.camera / max(1, len(self.cameras))
            stamp = START_NS + round(moment * 1e9 / self.fps)
            name = self.cameras[recorded.camera] if self.cameras else ""
            space, frame_id = (f"/{name}", f"{name}_{FRAME_ID}") if name else ("", FRAME_ID)
            header = self._make("std_msgs/msg/Header", stamp=self._time(stamp), frame_id=frame_id)
            if self.with_tf:
                self.bag.write("/tf", self._transform(header, recorded.camera_to_world), stamp)

            # What the camera driver publishes.
            rgb, depth = recorded.frame.rgb, recorded.frame.depth_mm
            self.bag.write(f"{space}{COLOR}/image_raw", self._image(header, rgb, "rgb8"), stamp)
            self.bag.write(f"{space}{DEPTH}/image_raw", self._image(header, depth, "16UC1"), stamp)
            for topic in (COLOR, DEPTH):
                self.bag.write(f"{space}{topic}/camera_info", self._camera_info(header), stamp)

            # What the nodes would publish if they made no mistake.
            for kind, message in self._ground_truth(header, recorded).items():
                self.bag.write(f"{space}/ground_truth/{kind}", message, stamp)

    def __enter__(self) -> SceneBagWriter:
        return self

    def __exit__(self, *exception: object) -> None:
        self.bag.close()

    def _make(self, name: str, **fields: Any) -> Any:
        return self.types[name](**fields)

    def _time(self, stamp_ns: int) -> Any:
        seconds, nanoseconds = divmod(stamp_ns, 1_000_000_000)
        return self._make("builtin_interfaces/msg/Time", sec=seconds, nanosec=nanoseconds)

    def _transform(self, header: Any, camera_to_world: np.ndarray) -> Any:
        """TF from the world to the optical frame of the header."""
        world = self._make("std_msgs/msg/Header", stamp=header.stamp, frame_id=COMMON_FRAME)
        pose = self._pose(camera_to_world)
        transform = self._make(
            "geometry_msgs/msg/TransformStamped",
            header=world,
            child_frame_id=header.frame_id,
            transform=self._make(
                "geometry_msgs/msg/Transform",
                translation=self._vector(camera_to_world[:3, 3]),
                rotation=pose.orientation,
            ),
        )
        return self._make("tf2_msgs/msg/TFMessage", transforms=[transform])

    def _image(self, header: Any, image: np.ndarray, encoding: str) -> Any:
        height, width = image.shape[:2]
        return self._make(
            "sensor_msgs/msg/Image",
            header=header,
            height=height,
            width=width,
            encoding=encoding,
            is_bigendian=0,
            step=image.nbytes // height,
            data=np.ascontiguousarray(image).reshape(-1).view(np.uint8),
        )

    def _camera_info(self, header: Any) -> Any:
        camera = self.intrinsics
        projection = np.hstack([camera.matrix, np.zeros((3, 1))])

        return self._make(
            "sensor_msgs/msg/CameraInfo",
            header=header,
            height=camera.height,
            width=camera.width,
            distortion_model="plumb_bob",
            d=np.zeros(5),
            k=camera.matrix.reshape(-1),
            r=np.eye(3).reshape(-1),
            p=projection.reshape(-1),
            binning_x=0,
            binning_y=0,
            roi=self._roi(0, 0, 0, 0),
        )

    def _roi(self, x: int, y: int, width: int, height: int) -> Any:
        return self._make(
            "sensor_msgs/msg/RegionOfInterest",
            x_offset=x,
            y_offset=y,
            height=height,
            width=width,
            do_rectify=False,
        )

    def _ground_truth(self, header: Any, recorded: RecordedFrame) -> dict[str, Any]:
        """The ground-truth arrays; the most visible instance comes first."""
        by_visibility = sorted(
            recorded.frame.instances.items(), key=lambda entry: -entry[1].visible_fraction
        )

        detections, poses, tracks = [], [], {}
        for detection_id, (number, instance) in enumerate(by_visibility):
            box, detection = self._detection(detection_id, instance)
            detections.append(detection)
            if instance.pose is not None:
                poses.append(self._object_pose(detection_id, instance))
            tracks[number] = self._track(detection_id, number, instance, box, recorded)

        return {
            "detections": self._make(
                f"{_MESSAGES}/InstanceDetectionArray",
                header=header,
                detections=detections,
                image_width=self.intrinsics.width,
                image_height=self.intrinsics.height,
            ),
            "poses": self._make(f"{_MESSAGES}/ObjectPoseArray", header=header, poses=poses),
            "tracks": self._make(
                f"{_MESSAGES}/TrackArray",
                header=header,
                tracks=[tracks[number] for number in sorted(tracks)],
            ),
            "actions": self._make(
                f"{_MESSAGES}/ActionArray",
                header=header,
                class_names=list(ACTIONS),
                actions=self._actions(header, recorded),
            ),
        }

    def _detection(self, detection_id: int, instance: RenderedInstance) -> tuple[np.ndarray, Any]:
        """The box (4,) of the visible pixels, and the message."""
        mask = instance.mask
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        x0, y0, x1, y1 = int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
        box = np.array([x0, y0, x1, y1], np.float32)

        message = self._make(
            f"{_MESSAGES}/InstanceDetection",
            detection_id=detection_id,
            class_id=instance.class_id,
            class_name=instance.class_name,
            score=instance.visible_fraction,
            box=box,
            mask_roi=self._roi(x0, y0, x1 - x0, y1 - y0),
            mask=np.packbits(mask[y0:y1, x0:x1], axis=1).reshape(-1),
            descriptor=np.zeros(0, np.float32),
        )
        return box, message

    def _object_pose(self, detection_id: int, instance: RenderedInstance) -> Any:
        return self._make(
            f"{_MESSAGES}/ObjectPose",
            detection_id=detection_id,
            class_id=instance.class_id,
            class_name=instance.class_name,
            pose=self._pose(instance.pose),
            confidence=1.0,
            size=self._vector(self.sizes[instance.class_id]),
            size_estimated=False,
            size_std=self._vector(np.zeros(3)),
        )

    def _vector(self, values: np.ndarray) -> Any:
        x, y, z = (float(value) for value in values)
        return self._make("geometry_msgs/msg/Vector3", x=x, y=y, z=z)

    def _pose(self, matrix: np.ndarray | None) -> Any:
        """Pose message; the identity for the person, who has no pose."""
        matrix = np.eye(4) if matrix is None else matrix
        x, y, z = (float(value) for value in matrix[:3, 3])
        qx, qy, qz, qw = Rotation.from_matrix(matrix[:3, :3]).as_quat().tolist()

        return self._make(
            "geometry_msgs/msg/Pose",
            position=self._make("geometry_msgs/msg/Point", x=x, y=y, z=z),
            orientation=self._make("geometry_msgs/msg/Quaternion", x=qx, y=qy, z=qz, w=qw),
        )

    def _track(
        self,
        detection_id: int,
        number: int,
        instance: RenderedInstance,
        box: np.ndarray,
        recorded: RecordedFrame,
    ) -> Any:
        track = self._tracks.setdefault((recorded.camera, number), _Track())

        # The box moves from frame to frame; after a gap nothing is known about its velocity.
        box_velocity = np.zeros(4, np.float32)
        if track.age and track.index == recorded.index - 1:
            box_velocity = (box - track.box) * np.float32(self.fps)
        track.age, track.box, track.index = track.age + 1, box, recorded.index

        # Only rigid objects have a pose and its velocity.
        is_rigid = instance.pose is not None
        velocity = recorded.velocities.get(number)
        twist = self._make(
            "geometry_msgs/msg/Twist",
            linear=self._vector(velocity.linear if velocity else np.zeros(3)),
            angular=self._vector(velocity.angular if velocity else np.zeros(3)),
        )

        return self._make(
            f"{_MESSAGES}/Track",
            TENTATIVE=int(TrackState.TENTATIVE),
            CONFIRMED=int(TrackState.CONFIRMED),
            LOST=int(TrackState.LOST),
            id=number,
            class_id=instance.class_id,
            class_name=instance.class_name,
            state=int(TrackState.CONFIRMED),
            score=instance.visible_fraction,
            age=track.age,
            hits=track.age,
            time_since_update=0.0,
            detection_id=detection_id,
            box=box,
            box_velocity=box_velocity,
            has_position=is_rigid,
            has_orientation=is_rigid,
            has_size=is_rigid,
            size=self._vector(self.sizes[instance.class_id] if is_rigid else np.zeros(3)),
            size_std=self._vector(np.zeros(3)),
            pose=self._make(
                "geometry_msgs/msg/PoseWithCovariance",
                pose=self._pose(instance.pose),
                covariance=np.zeros(36),
            ),
            twist=self._make(
                "geometry_msgs/msg/TwistWithCovariance", twist=twist, covariance=np.zeros(36)
            ),
        )

    def _actions(self, header: Any, recorded: RecordedFrame) -> list[Any]:
        if recorded.action is None:
            return []
        action = self._make(
            f"{_MESSAGES}/Action",
            track_id=recorded.person_instance,
            label=recorded.action,
            score=1.0,
            class_scores=np.array([float(name == recorded.action) for name in ACTIONS], np.float32),
            clip_start=header.stamp,
            clip_end=header.stamp,
        )
        return [action]
