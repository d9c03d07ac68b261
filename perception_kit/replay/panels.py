# SPDX-License-Identifier: Apache-2.0
"""The results of a frame as messages that Foxglove's and RViz's panels show: an annotated image,
markers, the camera.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
from rclpy.serialization import serialize_message
from sensor_msgs.msg import CompressedImage
from std_msgs.msg import Header

from perception_kit.bags.bag import RawMessage
from perception_kit.bags.camera_frames import CameraFrame
from perception_kit.ros.markers import Trails, pose_markers, track_markers
from perception_kit.ros.to_messages import ns_to_stamp
from perception_kit.types import FrameResults

OVERLAY, OBJECTS, TRACKS, CAMERA_INFO = (
    "/overlay/compressed",
    "/pose6d_node/markers",
    "/tracker_node/markers",
    "/overlay/camera_info",
)
_JPEG_QUALITY = 85


class PanelMessages:
    """Messages for one frame after the other; the trails of the tracks are kept between them."""

    def __init__(self) -> None:
        self._trails = Trails()

    def of(
        self, frame: CameraFrame, scene: FrameResults, picture: np.ndarray
    ) -> Iterator[RawMessage]:
        """CDR messages of a frame and its (H, W, 3) uint8 annotated ``picture``."""
        header = Header(
            stamp=ns_to_stamp(frame.stamp_ns), frame_id=frame.color.message.header.frame_id
        )
        jpeg = cv2.imencode(
            ".jpg",
            cv2.cvtColor(picture, cv2.COLOR_RGB2BGR),
            [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY],
        )[1]
        tracks = track_markers(scene.tracks, header)
        tracks.markers += self._trails.update(scene.tracks, header)
        yield _raw(
            frame,
            OVERLAY,
            CompressedImage(header=header, format="jpeg", data=array("B", jpeg.tobytes())),
        )
        yield _raw(frame, OBJECTS, pose_markers(scene.poses, header))
        yield _raw(frame, TRACKS, tracks)
        if frame.camera_info is not None:  # lets the panels draw the markers on the picture
            yield RawMessage(
                CAMERA_INFO, "sensor_msgs/msg/CameraInfo", frame.stamp_ns, frame.camera_info.data
            )


def _raw(frame: CameraFrame, topic: str, message: Any) -> RawMessage:
    package = type(message).__module__.partition(".")[0]
    return RawMessage(
        topic, f"{package}/msg/{type(message).__name__}", frame.stamp_ns, serialize_message(message)
    )
