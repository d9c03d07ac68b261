# SPDX-License-Identifier: Apache-2.0
"""How the messages of a camera are read where they do not say it themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from perception_kit.parameters import parameter

INTRINSICS = ("auto", "K", "P")
IMAGE_TRANSPORTS = ("raw", "compressed")
RELIABILITIES = ("best_effort", "reliable")  # of the nodes' inputs
UNNAMED_ENCODINGS = ("", "bgr8", "rgb8", "bgra8", "rgba8", "mono8")


def color_encoding_parameter() -> Any:
    """The parameter of every node that receives colour images."""
    return parameter(
        "",
        "channels of colour images whose encoding does not name them (8UC3, 8UC4, 8UC1), such as"
        " bgr8; empty: they are refused",
        choices=UNNAMED_ENCODINGS,
    )


def image_transport_parameter() -> Any:
    """The parameter of every node that receives images."""
    return parameter(
        "raw",
        "how the images come. raw: as they are; compressed: colour on the topic of raw images with"
        " /compressed (JPEG or PNG) behind it, depth with /compressedDepth (PNG or RVL)",
        choices=IMAGE_TRANSPORTS,
        fixed=True,
    )


def depth_scale_parameter() -> Any:
    """The parameter of every node that receives depth."""
    return parameter(
        0.0,
        "metres of one unit of the depth images, such as 0.0001 or 0.00025; 0: by their encoding,"
        " 16UC1 in millimetres and 32FC1 in metres",
        0.0,
        1.0,
    )


def intrinsics_parameter() -> Any:
    """The parameter of every node that receives camera information."""
    return parameter(
        "auto",
        "matrix of camera_info that the colour images fit: K raw images, P rectified ones; auto: P"
        " for topics called image_rect…, else K",
        choices=INTRINSICS,
    )


@dataclass(frozen=True)
class CameraConfig:
    """Parameters of nodes, and options of commands, that read a camera's images."""

    depth_scale: float = depth_scale_parameter()
    intrinsics: str = intrinsics_parameter()
    color_encoding: str = color_encoding_parameter()
    image_transport: str = image_transport_parameter()
