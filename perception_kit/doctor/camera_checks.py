# SPDX-License-Identifier: Apache-2.0
"""Checks whether images, depth and intrinsics of a camera are fit for poses."""

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
    image_warnings,
    intrinsics_from_camera_info,
)
from perception_kit.types import Intrinsics

_NEAR_M, _FAR_M = 0.1, 10.0  # between these is what a robot's camera looks at
_LARGEST_IN_METERS, _SMALLEST_IN_MILLIMETERS = (
    100,
    0.02,
)  # median depths; beyond, units are mixed up
_SPARSE = 0.1
_VIEW_DEG = (20.0, 140.0)
_LARGEST_ASPECT = 1.1
_LARGEST_OFFSET = 0.2

_UNIT_ADVICE = "let the driver publish 16UC1 in millimetres or 32FC1 in metres (REP 118)"
_WARNING_ADVICE = {
    "frame-id": "use the depth that the driver registers to colour",
    "lens-distortion": "rectify both images (image_proc), or use the driver's rectified streams",
}


def check_topics(seen: Observation) -> Iterator[Finding]:
    """``topic-missing``, ``topic-type``, ``nothing-received``."""
    if seen.not_found:
        advice = "let the driver publish it, and record it, or choose the topic by its option"
        yield Finding("topic-missing", seen.not_found, advice)

    for role, topic in seen.topics.items():
        option = f"--{role.replace('_', '-')}-topic"
        expected = EXPECTED_TYPES[role]

        if not topic.types:
            what = f"nobody publishes '{topic.topic}', which should be the {role}"
            advice = (
                "start the driver so that it does (depth has to be aligned to colour), or name"
                f" another topic by {option} or --camera"
            )
            yield Finding("topic-missing", what, advice)

        elif expected not in topic.types:
            found = ", ".join(topic.types)
            what = f"'{topic.topic}' is a {found}, expected {expected} as the {role}"
            advice = f"name another topic by {option}"
            if "Compressed" in found:
                advice = (
                    "give the topic of the raw images, or decompress: ros2 run image_transport"
                    " republish compressed raw"
                )
            yield Finding("topic-type", what, advice)

        elif not topic.stamps_ns:
            what = f"'{topic.topic}' is there, but not one message came"
            advice = (
                "check that the driver really sends (USB, power, a paused bag), and the other"
                " findings: images are lost where Fast DDS's shared memory is too small, and"
                " nothing comes where QoS do not fit"
            )
            yield Finding("nothing-received", what, advice)


def check_images(seen: Observation) -> Iterator[Finding]:
    """``image-data``, ``depth-encoding``, ``depth-empty``, ``image-size``."""
    color, depth = seen.sample("color"), seen.sample("depth")

    if color is not None:
        try:
            color_image(color)
        except ImageError as error:
            advice = "let the driver publish rgb8 or bgr8, whole"
            yield Finding("image-data", f"colour: {error}", advice)

    if depth is not None:
        try:
            depth_image(depth)
        except ImageError as error:
            name = "image-data"
            if depth.encoding not in DEPTH_ENCODINGS:
                name = "depth-encoding"
            elif "valid pixel" in str(error):
                name = "depth-empty"
            advice = (
                "let the driver publish 16UC1 in millimetres or 32FC1 in metres, and see that it"
                " has light"
            )
            yield Finding(name, f"depth: {error}", advice)

    if color is not None and depth is not None:
        try:
            check_same_size(color, depth)
        except ImageError as error:
            advice = (
                "RealSense: align_depth.enable:=true; Azure Kinect: depth_to_rgb; Orbbec: align to"
                " colour"
            )
            yield Finding("image-size", str(error), advice)


def check_depth_values(seen: Observation) -> Iterator[Finding]:
    """``depth-unit``, ``depth-range``, ``depth-sparse``."""
    message = seen.sample("depth")
    if message is None:
        return
    try:
        depth = depth_image(message)
    except ImageError:
        return  # check_images finds it

    valid = depth[depth > 0]
    median = float(np.median(valid))
    if message.encoding == "32FC1" and median > _LARGEST_IN_METERS:
        what = f"32FC1 is in metres, but half of the depth is beyond {median:.0f}: millimetres?"
        yield Finding("depth-unit", what, _UNIT_ADVICE)
    elif message.encoding == "16UC1" and median < _SMALLEST_IN_MILLIMETERS:
        stored = median * 1e3
        what = f"16UC1 is in millimetres, but half of the depth is below {stored:.0f}: metres?"
        yield Finding("depth-unit", what, _UNIT_ADVICE)
    elif not _NEAR_M <= median <= _FAR_M:
        unit = {"16UC1": "millimetres", "32FC1": "metres"}[message.encoding]
        what = (
            f"the median depth is {median:.3g} m (read as {unit}), outside of {_NEAR_M} to"
            f" {_FAR_M} m"
        )
        advice = "check the unit that the driver writes (depth scale), and what the camera looks at"
        yield Finding("depth-range", what, advice)

    if valid.size < _SPARSE * depth.size:
        what = f"only {valid.size / depth.size:.0%} of the depth image is valid"
        advice = (
            "check the distance (most cameras see nothing below 0.2 m), sunlight, and that depth"
            " covers the colour image"
        )
        yield Finding("depth-sparse", what, advice)


def check_intrinsics(seen: Observation) -> Iterator[Finding]:
    """``camera-info-size``, ``intrinsics-missing``, ``intrinsics-implausible``."""
    info, color = seen.sample("camera_info"), seen.sample("color")
    if info is None:
        return
    image = info if color is None else color

    try:
        camera = intrinsics_from_camera_info(info, image)
    except ImageError as error:
        name = "camera-info-size"
        advice = "remap camera_info to that of the colour stream at its present resolution"
        if (info.width, info.height) == (image.width, image.height):
            name = "intrinsics-missing"
            advice = (
                "calibrate the camera (camera_calibration), or let the driver load its calibration"
            )
        yield Finding(name, str(error), advice)
        return

    if reasons := "; ".join(_implausible(camera)):
        what = f"camera_info of {camera.width}x{camera.height}: {reasons}"
        advice = (
            "the calibration is of another resolution, camera or unit: use that of the colour"
            " stream as it is published, or calibrate"
        )
        yield Finding("intrinsics-implausible", what, advice)


def _implausible(camera: Intrinsics) -> Iterator[str]:
    """What is implausible about field of view, principal point and aspect."""
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


def check_warnings(seen: Observation) -> Iterator[Finding]:
    """``frame-id``, ``lens-distortion``: what the node warns of, too."""
    for role, topic in seen.received().items():
        if "" in topic.frame_ids:
            what = f"'{topic.topic}' ({role}) has an empty frame_id"
            yield Finding("frame-id", what, "set the driver's frame name: RViz and TF need one")
        elif len(topic.frame_ids) > 1:
            what = f"'{topic.topic}' changes its frame: {', '.join(sorted(topic.frame_ids))}"
            yield Finding("frame-id", what, "one publisher per topic")

    color, depth, info = (seen.sample(role) for role in ("color", "depth", "camera_info"))
    if color is not None and depth is not None and info is not None:
        for warning in image_warnings(color, depth, info):
            yield Finding(warning.kind, warning.text, _WARNING_ADVICE[warning.kind])
