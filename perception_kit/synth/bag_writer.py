# SPDX-License-Identifier: Apache-2.0
"""Writes a rendered recording as a rosbag2 folder: colour, depth, camera_info and ground truth."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from perception_kit.bags.bag import BagWriter
from perception_kit.synth.catalog import ObjectClass
from perception_kit.synth.motion import ACTIONS
from perception_kit.synth.recording import RecordedFrame
from perception_kit.synth.scene import TrueInstance
from perception_kit.types import Intrinsics, TrackState

COLOR = "/camera/camera/color"
DEPTH = "/camera/camera/aligned_depth_to_color"
FRAME_ID = "camera_color_optical_frame"
START_NS = 1_700_000_000_000_000_000


@dataclass
class _Seen:
    """What is remembered of an identity between frames."""

    age: int = 0
    box: np.ndarray = field(default_factory=lambda: np.zeros(4, np.float32))
    index: int = -1


class SceneBagWriter:
    """Turns recorded frames into messages and writes them.

    Use as a context manager; ``path`` must not exist yet.
    """

    def __init__(
        self, path: Path, intrinsics: Intrinsics, fps: float, classes: list[ObjectClass]
    ) -> None:
        self.bag = BagWriter(path)
        self.types = self.bag.typestore.types
        self.intrinsics, self.fps = intrinsics, fps
        self.sizes = {
            thing.class_id: np.ptp(thing.mesh.vertices, axis=0).astype(float) for thing in classes
        }
        self._seen: dict[int, _Seen] = {}

    def write(self, frames: Iterable[RecordedFrame]) -> None:
        """Write frames in order."""
        for item in frames:
            stamp = START_NS + round(item.index * 1e9 / self.fps)
            header = self._make("std_msgs/msg/Header", stamp=self._time(stamp), frame_id=FRAME_ID)
            rgb, depth = item.frame.rgb, item.frame.depth_mm
            self.bag.write(f"{COLOR}/image_raw", self._image(header, rgb, "rgb8"), stamp)
            self.bag.write(f"{DEPTH}/image_raw", self._image(header, depth, "16UC1"), stamp)
            for topic in (COLOR, DEPTH):
                self.bag.write(f"{topic}/camera_info", self._camera_info(header), stamp)
            for name, message in self._ground_truth(header, item).items():
                self.bag.write(f"/ground_truth/{name}", message, stamp)

    def __enter__(self) -> SceneBagWriter:
        return self

    def __exit__(self, *exception: object) -> None:
        self.bag.close()

    def _make(self, name: str, **fields: Any) -> Any:
        return self.types[name](**fields)

    def _time(self, stamp_ns: int) -> Any:
        return self._make(
            "builtin_interfaces/msg/Time",
            sec=stamp_ns // 1_000_000_000,
            nanosec=stamp_ns % 1_000_000_000,
        )

    def _image(self, header: Any, image: np.ndarray, encoding: str) -> Any:
        height, width = image.shape[:2]
        data = np.ascontiguousarray(image).reshape(-1).view(np.uint8)
        fields = {
            "height": height,
            "width": width,
            "encoding": encoding,
            "is_bigendian": 0,
            "step": image.nbytes // height,
        }
        return self._make("sensor_msgs/msg/Image", header=header, data=data, **fields)

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

    def _ground_truth(self, header: Any, item: RecordedFrame) -> dict[str, Any]:
        """The ground-truth arrays; the most visible instance comes first."""
        ordered = sorted(item.frame.instances.items(), key=lambda entry: -entry[1].visible_fraction)
        detections, poses, tracks = [], [], []
        for detection_id, (number, one) in enumerate(ordered):
            box, detection = self._detection(detection_id, one)
            detections.append(detection)
            pose = self._pose(one.pose)
            if one.pose is not None:
                size = self._vector(self.sizes[one.class_id])
                fields = {
                    "class_id": one.class_id,
                    "class_name": one.class_name,
                    "pose": pose,
                    "confidence": 1.0,
                    "size": size,
                }
                poses.append(
                    self._make(
                        "assistant_perception/msg/ObjectPose", detection_id=detection_id, **fields
                    )
                )
            tracks.append((number, self._track(detection_id, number, one, box, pose, item)))
        name = "assistant_perception/msg/{}".format
        sizes = {"image_width": self.intrinsics.width, "image_height": self.intrinsics.height}
        return {
            "detections": self._make(
                name("InstanceDetectionArray"), header=header, detections=detections, **sizes
            ),
            "poses": self._make(name("ObjectPoseArray"), header=header, poses=poses),
            "tracks": self._make(
                name("TrackArray"),
                header=header,
                tracks=[track for _, track in sorted(tracks, key=lambda pair: pair[0])],
            ),
            "actions": self._make(
                name("ActionArray"),
                header=header,
                class_names=list(ACTIONS),
                actions=self._actions(header, item),
            ),
        }

    def _detection(self, detection_id: int, one: TrueInstance) -> tuple[np.ndarray, Any]:
        rows, columns = np.flatnonzero(one.mask.any(axis=1)), np.flatnonzero(one.mask.any(axis=0))
        x0, y0, x1, y1 = int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
        box = np.array([x0, y0, x1, y1], np.float32)
        message = self._make(
            "assistant_perception/msg/InstanceDetection",
            detection_id=detection_id,
            class_id=one.class_id,
            class_name=one.class_name,
            score=one.visible_fraction,
            box=box,
            mask_roi=self._roi(x0, y0, x1 - x0, y1 - y0),
            mask=np.packbits(one.mask[y0:y1, x0:x1], axis=1).reshape(-1),
            descriptor=np.zeros(0, np.float32),
        )
        return box, message

    def _vector(self, values: np.ndarray) -> Any:
        return self._make(
            "geometry_msgs/msg/Vector3", x=float(values[0]), y=float(values[1]), z=float(values[2])
        )

    def _pose(self, matrix: np.ndarray | None) -> Any:
        """Pose message; the identity for the person, who has no pose."""
        matrix = np.eye(4) if matrix is None else matrix
        x, y, z, w = Rotation.from_matrix(matrix[:3, :3]).as_quat().tolist()
        position = self._make(
            "geometry_msgs/msg/Point",
            x=float(matrix[0, 3]),
            y=float(matrix[1, 3]),
            z=float(matrix[2, 3]),
        )
        return self._make(
            "geometry_msgs/msg/Pose",
            position=position,
            orientation=self._make("geometry_msgs/msg/Quaternion", x=x, y=y, z=z, w=w),
        )

    def _track(
        self,
        detection_id: int,
        number: int,
        one: TrueInstance,
        box: np.ndarray,
        pose: Any,
        item: RecordedFrame,
    ) -> Any:
        seen = self._seen.setdefault(number, _Seen())
        velocity = (
            (box - seen.box) * np.float32(self.fps)
            if seen.index == item.index - 1 and seen.age
            else np.zeros(4, np.float32)
        )
        seen.age, seen.box, seen.index = seen.age + 1, box, item.index
        rigid = one.pose is not None
        moving = item.velocities.get(number)
        linear, angular = (moving.linear, moving.angular) if moving else (np.zeros(3), np.zeros(3))
        twist = self._make(
            "geometry_msgs/msg/Twist", linear=self._vector(linear), angular=self._vector(angular)
        )
        return self._make(
            "assistant_perception/msg/Track",
            TENTATIVE=int(TrackState.TENTATIVE),
            CONFIRMED=int(TrackState.CONFIRMED),
            LOST=int(TrackState.LOST),
            id=number,
            class_id=one.class_id,
            class_name=one.class_name,
            state=int(TrackState.CONFIRMED),
            score=one.visible_fraction,
            age=seen.age,
            hits=seen.age,
            time_since_update=0.0,
            detection_id=detection_id,
            box=box,
            box_velocity=velocity,
            has_position=rigid,
            has_orientation=rigid,
            pose=self._make(
                "geometry_msgs/msg/PoseWithCovariance", pose=pose, covariance=np.zeros(36)
            ),
            twist=self._make(
                "geometry_msgs/msg/TwistWithCovariance", twist=twist, covariance=np.zeros(36)
            ),
        )

    def _actions(self, header: Any, item: RecordedFrame) -> list[Any]:
        if item.action is None:
            return []
        scores = np.array([float(name == item.action) for name in ACTIONS], np.float32)
        fields = {
            "label": item.action,
            "score": 1.0,
            "class_scores": scores,
            "clip_start": header.stamp,
            "clip_end": header.stamp,
        }
        return [
            self._make("assistant_perception/msg/Action", track_id=item.person_instance, **fields)
        ]
