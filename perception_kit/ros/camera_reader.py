# SPDX-License-Identifier: Apache-2.0
"""Reads the messages of one camera as its configuration says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from perception_kit.camera_config import CameraConfig
from perception_kit.ros.image import color_image, depth_image
from perception_kit.ros.image_warnings import ImageWarning, image_warnings
from perception_kit.ros.intrinsics import picture_intrinsics, uses_projection
from perception_kit.types import Intrinsics

if TYPE_CHECKING:
    from sensor_msgs.msg import CameraInfo, Image


@dataclass(frozen=True)
class CameraReader:
    """Messages of the camera whose colour images come on ``color_topic``, as arrays.

    All methods raise ImageError for a message that cannot be used.
    """

    config: CameraConfig
    color_topic: str

    @property
    def projection(self) -> bool:
        """Whether the images fit P of the camera information, not K."""
        return uses_projection(self.config.intrinsics, self.color_topic)

    def color(self, message: Image) -> np.ndarray:
        """(H, W, 3) uint8 RGB; see ``color_image``."""
        return color_image(message, self.config.color_encoding)

    def depth(self, message: Image) -> np.ndarray:
        """(H, W) float32 metres, 0 where unknown; see ``depth_image``."""
        return depth_image(message, self.config.depth_scale)

    def intrinsics(self, info: CameraInfo, picture: Image) -> Intrinsics:
        """Pinhole camera of ``picture``; see ``picture_intrinsics``."""
        return picture_intrinsics(info, picture, self.projection)

    def warnings(self, color: Image, depth: Image, info: CameraInfo) -> list[ImageWarning]:
        """Why poses may be wrong; see ``image_warnings``."""
        return image_warnings(color, depth, info, self.projection)
