# SPDX-License-Identifier: Apache-2.0
"""What the fusion receives from one camera: its tracks, joined with their detections and depth."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic_ns

import numpy as np
from assistant_perception.msg import InstanceDetectionArray, TrackArray
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from perception_kit.camera_config import CameraConfig
from perception_kit.fusion.camera_tracks import CameraTrack, camera_tracks
from perception_kit.ros.camera_reader import CameraReader
from perception_kit.ros.diagnostics import ProblemLog
from perception_kit.ros.from_messages import (
    Rejected,
    detections_from_message,
    tracks_from_message,
)
from perception_kit.ros.image import ImageError
from perception_kit.ros.image_transport import image_topic, raw_image
from perception_kit.ros.qos import input_qos, result_qos
from perception_kit.stamps import stamp_to_ns
from perception_kit.types import Intrinsics, TrackState

_KEPT = 30  # newest messages of a topic that wait for the tracks of their frame
_SLOP_NS = 30_000_000  # of depth


@dataclass(frozen=True)
class TrackFrame:
    """Tracks of ``camera`` as they came; ``arrival_ns`` of the monotonic clock."""

    camera: str
    stamp_ns: int
    arrival_ns: int
    message: TrackArray


class CameraInput:
    """Subscriptions below the namespace ``camera``; ``receive`` is called for each frame.

    Depth comes by ``transport``, one of ``IMAGE_TRANSPORTS``.
    """

    def __init__(
        self,
        node: Node,
        camera: str,
        transport: str,
        problems: ProblemLog,
        receive: Callable[[TrackFrame], None],
    ) -> None:
        self.camera, self._problems, self._receive = camera, problems, receive
        self.topic = node.resolve_topic_name(f"{camera}/tracker_node/tracks")
        self.color_topic = node.resolve_topic_name(f"{camera}/color/image_raw")
        self.last_arrival_ns: int | None = None
        self._detections: deque[InstanceDetectionArray] = deque(maxlen=_KEPT)
        self._depth: deque[Image | CompressedImage] = deque(maxlen=_KEPT)
        self._info: CameraInfo | None = None

        # Remappings name raw topics; that of the transport is another.
        raw = node.resolve_topic_name(f"{camera}/depth/image_raw")
        depth_type, self._depth_topic = image_topic(raw, "depth", transport)

        camera_qos = input_qos("best_effort")
        inputs = (
            (TrackArray, f"{camera}/tracker_node/tracks", self._take_tracks, result_qos()),
            (
                InstanceDetectionArray,
                f"{camera}/pose6d_node/detections",
                self._take_detections,
                result_qos(),
            ),
            (depth_type, self._depth_topic, self._take_depth, camera_qos),
            (CameraInfo, f"{camera}/color/camera_info", self._take_info, camera_qos),
        )
        for kind, topic, callback, qos in inputs:
            node.create_subscription(kind, topic, callback, qos)

    def tracks(
        self, frame: TrackFrame, config: CameraConfig, camera_to_common: np.ndarray | None
    ) -> list[CameraTrack]:
        """The confirmed tracks of a frame, in the common frame where that is known."""
        rejected: Rejected = []
        tracks = tracks_from_message(frame.message, rejected)
        for index, reason in rejected:
            self._problems.report(f"tracks of {self.camera}", f"track {index} not used: {reason}")

        # Masks and depth are needed only for what has no pose.
        confirmed = [track for track in tracks if track.state == TrackState.CONFIRMED]
        needs_depth = any(track.position is None for track in confirmed)
        detections = self._detections_at(frame.stamp_ns)
        instances = detections_from_message(detections, needs_depth, [])
        depth, intrinsics = None, None
        if needs_depth and camera_to_common is not None:
            depth, intrinsics = self._depth_at(frame.stamp_ns, config)
        size = detections.image_width, detections.image_height
        return camera_tracks(tracks, instances, depth, intrinsics, camera_to_common, size)

    def _take_tracks(self, message: TrackArray) -> None:
        self.last_arrival_ns = monotonic_ns()
        stamp_ns = stamp_to_ns(message.header.stamp)
        self._receive(TrackFrame(self.camera, stamp_ns, self.last_arrival_ns, message))

    def _take_detections(self, message: InstanceDetectionArray) -> None:
        self._detections.append(message)

    def _take_depth(self, message: Image | CompressedImage) -> None:
        self._depth.append(message)

    def _take_info(self, message: CameraInfo) -> None:
        self._info = message  # holds until the next

    def _detections_at(self, stamp_ns: int) -> InstanceDetectionArray:
        """The detections of a frame; none where they did not come."""
        for message in reversed(self._detections):
            if stamp_to_ns(message.header.stamp) == stamp_ns:
                return message
        return InstanceDetectionArray(image_width=2**31, image_height=2**31)

    def _depth_at(
        self, stamp_ns: int, config: CameraConfig
    ) -> tuple[np.ndarray | None, Intrinsics | None]:
        """(H, W) metres nearest to a stamp, and the camera; None where one of them is missing."""

        def gap_ns(message: Image | CompressedImage) -> int:
            return abs(stamp_to_ns(message.header.stamp) - stamp_ns)

        nearest = min(self._depth, key=gap_ns, default=None)
        if nearest is None or gap_ns(nearest) > _SLOP_NS or self._info is None:
            missing = "depth" if self._info is not None else "camera_info"
            self._report(f"no {missing} of the frame")
            return None, None
        reader = CameraReader(config, self.color_topic)
        try:
            image = raw_image(nearest, self._depth_topic)
            return reader.depth(image), reader.intrinsics(self._info, image)
        except ImageError as error:
            self._report(str(error))
            return None, None

    def _report(self, reason: str) -> None:
        text = f"'{self.camera}': what has no pose, such as people, has no place: {reason}"
        self._problems.report(f"depth of {self.camera}", text)
