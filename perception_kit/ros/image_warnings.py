# SPDX-License-Identifier: Apache-2.0
"""Why poses from a camera's messages may be wrong although they can be computed."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from perception_kit.ros.intrinsics import distortion_warning

if TYPE_CHECKING:
    from sensor_msgs.msg import CameraInfo, Image


class ImageWarning(NamedTuple):
    """Why poses may be wrong: ``kind``, a stable name of the reason, and the text for the user."""

    kind: str
    text: str


def image_warnings(
    color: Image, depth: Image, info: CameraInfo, projection: bool
) -> list[ImageWarning]:
    """Depth may be of another frame than colour, or a lens distortion may stay uncorrected.

    ``projection``: the images are rectified (see ``uses_projection``).
    """
    found = []
    # Names of the time before tf2 begin with a slash.
    frames = [message.header.frame_id.lstrip("/") for message in (depth, color)]
    if frames[0] != frames[1]:
        text = (
            f"depth is of frame '{depth.header.frame_id}', colour of '{color.header.frame_id}': "
            "poses are wrong unless the driver registers depth to colour"
        )
        found.append(ImageWarning("frame-id", text))

    if (distorted := distortion_warning(info, projection)) is not None:
        found.append(ImageWarning("lens-distortion", distorted))
    return found
