# SPDX-License-Identifier: Apache-2.0
"""Are the images, depths and intrinsics of a camera such that poses can come of them?"""

from __future__ import annotations

from collections.abc import Iterator
from math import atan, degrees

import numpy as np

from perception_kit.doctor.observation import EXPECTED_TYPES, Finding, Observation
from perception_kit.ros.image import (
    DEPTH_ENCODINGS,
    ImageError,
    check_same_size,
    color_image,
    depth_image,
    doubts,
    intrinsics_from_camera_info,
)
from perception_kit.types import Intrinsics

_NEAR_M, _FAR_M = 0.1, 10.0  # between these is what a robot's camera looks at
_SPARSE = 0.1
_VIEW_DEG = (20.0, 140.0)
_LARGEST_ASPECT = 1.1
_LARGEST_OFFSET = 0.2
_UNIT_ADVICE = "let the driver publish 16UC1 in millimetres or 32FC1 in metres (REP 118)"


def check_topics(seen: Observation) -> Iterator[Finding]:
    """``topic-missing``, ``topic-type``, ``nothing-received``."""
    if seen.not_found:
        yield Finding(
            "topic-missing",
            seen.not_found,
            "let the driver publish it, and record it, or choose the topic by its option",
        )
    for role, topic in seen.topics.items():
        option = f"--{role.replace('_', '-')}-topic"
        if not topic.types:
            yield Finding(
                "topic-missing",
                f"nobody publishes '{topic.topic}', which should be the {role}",
                "start the driver so that it does (depth has to be aligned to colour), or name"
                f" another topic by {option} or --camera",
            )
        elif EXPECTED_TYPES[role] not in topic.types:
            found = ", ".join(topic.types)
            advice = (
                "give the topic of the raw images, or decompress: ros2 run image_transport"
                " republish compressed raw"
                if "Compressed" in found
                else f"name another topic by {option}"
            )
            yield Finding(
                "topic-type",
                f"'{topic.topic}' is a {found}, expected {EXPECTED_TYPES[role]} as the {role}",
                advice,
            )
        elif not topic.stamps_ns:
            yield Finding(
                "nothing-received",
                f"'{topic.topic}' is there, but not one message came",
                "check that the driver really sends (USB, power, a paused bag), and the other"
                " findings: images are lost where Fast DDS's shared memory is too small, and"
                " nothing comes where QoS do not fit",
            )


def check_images(seen: Observation) -> Iterator[Finding]:
    """``image-data``, ``depth-encoding``, ``depth-empty``, ``image-size``."""
    color, depth = seen.sample("color"), seen.sample("depth")
    if color is not None:
        try:
            color_image(color)
        except ImageError as error:
            yield Finding(
                "image-data", f"colour: {error}", "let the driver publish rgb8 or bgr8, whole"
            )
    if depth is not None:
        try:
            depth_image(depth)
        except ImageError as error:
            known = depth.encoding in DEPTH_ENCODINGS
            name = (
                "depth-encoding"
                if not known
                else "depth-empty"
                if "valid pixel" in str(error)
                else "image-data"
            )
            yield Finding(
                name,
                f"depth: {error}",
                "let the driver publish 16UC1 in millimetres or 32FC1 in metres, and see that it"
                " has light",
            )
    if color is not None and depth is not None:
        try:
            check_same_size(color, depth)
        except ImageError as error:
            yield Finding(
                "image-size",
                str(error),
                "RealSense: align_depth.enable:=true; Azure Kinect: depth_to_rgb; Orbbec: align to"
                " colour",
            )


def check_depth_values(seen: Observation) -> Iterator[Finding]:
    """``depth-unit``, ``depth-range``, ``depth-sparse``."""
    message = seen.sample("depth")
    try:
        depth = depth_image(message) if message is not None else np.zeros(0)
    except ImageError:
        return  # said by check_images
    valid = depth[depth > 0]
    if valid.size == 0:
        return
    median = float(np.median(valid))
    encoding = message.encoding
    unit = {"16UC1": "millimetres", "32FC1": "metres"}[encoding]
    if median > 100 and encoding == "32FC1":
        yield Finding(
            "depth-unit",
            f"32FC1 is in metres, but half of the depth is beyond {median:.0f}: millimetres?",
            _UNIT_ADVICE,
        )
    elif median < 0.02 and encoding == "16UC1":
        yield Finding(
            "depth-unit",
            f"{encoding} is in millimetres, but half of the depth is below {median * 1e3:.0f}:"
            " metres?",
            _UNIT_ADVICE,
        )
    elif not _NEAR_M <= median <= _FAR_M:
        yield Finding(
            "depth-range",
            f"the median depth is {median:.3g} m (read as {unit}), outside of {_NEAR_M} to"
            f" {_FAR_M} m",
            "check the unit that the driver writes (depth scale), and what the camera looks at",
        )
    if valid.size < _SPARSE * depth.size:
        yield Finding(
            "depth-sparse",
            f"only {valid.size / depth.size:.0%} of the depth image is valid",
            "check the distance (most cameras see nothing below 0.2 m), sunlight, and that depth"
            " covers the colour image",
        )


def check_intrinsics(seen: Observation) -> Iterator[Finding]:
    """``camera-info-size``, ``intrinsics-missing``, ``intrinsics-implausible``."""
    info, color = seen.sample("camera_info"), seen.sample("color")
    if info is None:
        return
    image = info if color is None else color
    try:
        camera = intrinsics_from_camera_info(info, image)
    except ImageError as error:
        same_size = (info.width, info.height) == (image.width, image.height)
        name, advice = (
            "camera-info-size",
            "remap camera_info to that of the colour stream at its present resolution",
        )
        if same_size:
            name, advice = (
                "intrinsics-missing",
                "calibrate the camera (camera_calibration), or let the driver load its calibration",
            )
        yield Finding(name, str(error), advice)
        return
    reasons = "; ".join(_implausible(camera))
    if reasons:
        advice = (
            "the calibration is of another resolution, camera or unit: use that of the colour"
            " stream as it is published, or calibrate"
        )
        yield Finding(
            "intrinsics-implausible",
            f"camera_info of {camera.width}x{camera.height}: {reasons}",
            advice,
        )


def _implausible(camera: Intrinsics) -> Iterator[str]:
    for axis, focal, center, size in (
        ("x", camera.fx, camera.cx, camera.width),
        ("y", camera.fy, camera.cy, camera.height),
    ):
        view = 2 * degrees(atan(size / (2 * focal)))
        if not _VIEW_DEG[0] / 2 <= view <= _VIEW_DEG[1]:
            yield f"f{axis}={focal:.4g} would be a field of view of {view:.0f} degrees"
        if abs(center - size / 2) > _LARGEST_OFFSET * size:
            yield f"c{axis}={center:.4g} is far from the middle of {size} pixels"
    if not 1 / _LARGEST_ASPECT <= camera.fx / camera.fy <= _LARGEST_ASPECT:
        yield f"fx={camera.fx:.4g} and fy={camera.fy:.4g} differ by more than a tenth"


def check_doubts(seen: Observation) -> Iterator[Finding]:
    """``frame-id``, ``lens-distortion``: what the node warns of, too."""
    for role, topic in seen.usable():
        if "" in topic.frame_ids:
            yield Finding(
                "frame-id",
                f"'{topic.topic}' ({role}) has an empty frame_id",
                "set the driver's frame name: RViz and TF need one",
            )
        elif len(topic.frame_ids) > 1:
            yield Finding(
                "frame-id",
                f"'{topic.topic}' changes its frame: {', '.join(sorted(topic.frame_ids))}",
                "one publisher per topic",
            )
    messages = [seen.sample(role) for role in EXPECTED_TYPES]
    if None not in messages:
        advice = {
            "frame-id": "use the depth that the driver registers to colour",
            "lens-distortion": (
                "rectify both images (image_proc), or use the driver's rectified streams"
            ),
        }
        for doubt in doubts(*messages):
            yield Finding(doubt.kind, doubt.text, advice[doubt.kind])
