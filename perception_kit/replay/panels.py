# SPDX-License-Identifier: Apache-2.0
"""Results of a frame as messages for the panels of Foxglove and RViz."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
from sensor_msgs.msg import CompressedImage
from std_msgs.msg import Header

from perception_kit.bags.bag import RawMessage
from perception_kit.bags.camera_frames import CameraFrame
from perception_kit.ros.markers import Trails, pose_markers, track_markers
from perception_kit.ros.serialization import message_type_name, to_cdr
from perception_kit.ros.to_messages import ns_to_stamp
from perception_kit.types import FrameResults

OVERLAY = "/overlay/compressed"
OBJECTS = "/pose6d_node/markers"
TRACKS = "/tracker_node/markers"
CAMERA_INFO = "/overlay/camera_info"
_JPEG_QUALITY = 85


class PanelMessages:
    """Encodes frame after frame; the trails of the tracks are kept in between."""

    def __init__(self) -> None:
        self._trails = Trails()

    def encode(
        self, frame: CameraFrame, results: FrameResults, overlay: np.ndarray
    ) -> Iterator[RawMessage]:
        """CDR messages of a frame and its (H, W, 3) uint8 annotated image ``overlay``."""
        frame_id = frame.color.message.header.frame_id
        header = Header(stamp=ns_to_stamp(frame.stamp_ns), frame_id=frame_id)

        bgr = cv2.cvtColor(overlay, cv2.COLOR_RGB2BGR)
        _, jpeg = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
        image = CompressedImage(header=header, format="jpeg", data=array("B", jpeg.tobytes()))
        yield _raw_message(frame, OVERLAY, image)

        tracks = track_markers(results.tracks, header)
        tracks.markers += self._trails.update(results.tracks, header)
        yield _raw_message(frame, OBJECTS, pose_markers(results.poses, header))
        yield _raw_message(frame, TRACKS, tracks)

        # With the camera, panels draw the markers on the image.
        if frame.camera_info is not None:
            type_name, data = "sensor_msgs/msg/CameraInfo", frame.camera_info.data
            yield RawMessage(CAMERA_INFO, type_name, frame.stamp_ns, data)


def _raw_message(frame: CameraFrame, topic: str, message: Any) -> RawMessage:
    return RawMessage(topic, message_type_name(message), frame.stamp_ns, to_cdr(message))
