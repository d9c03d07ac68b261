# SPDX-License-Identifier: Apache-2.0
"""Checks whether images, depth and intrinsics of a camera are fit for poses."""

from __future__ import annotations

from collections.abc import Iterator
from math import atan, degrees
from types import SimpleNamespace
from typing import Any

import numpy as np

from perception_kit.bags.camera_streams import IMAGE_MESSAGES
from perception_kit.depth_scale import scale_warning
from perception_kit.doctor.observation import EXPECTED_TYPES, Finding, Observation
from perception_kit.networks.model_metadata import ModelFileError, read_metadata
from perception_kit.ros.image import DEPTH_ENCODINGS, ImageError, check_same_size
from perception_kit.ros.image_transport import image_topic_name, raw_topic
from perception_kit.ros.intrinsics import picture_size
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

_UNIT_ADVICE = (
    "let the driver publish 16UC1 in millimetres or 32FC1 in metres (REP 118), or set depth_scale"
)
_WARNING_ADVICE = {
    "frame-id": "use the depth that the driver registers to colour",
    "lens-distortion": (
        "rectify both images (image_proc), or use the driver's rectified streams, and give their"
        " topics (image_rect…); for rectified images on a topic of another name: --intrinsics P,"
        " and intrinsics:=P for the node"
    ),
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
            if found in IMAGE_MESSAGES and role != "camera_info":
                compressed = image_topic_name(raw_topic(topic.topic), role, "compressed")
                advice = (
                    f"the nodes take raw images, or '{compressed}' (image_transport:=compressed):"
                    " publish one of these, or decompress: ros2 run image_transport republish"
                    f" {IMAGE_MESSAGES[found][0]} raw"
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
    """``image-data``, ``depth-encoding``, ``depth-empty``, ``image-size``, ``size-changes``."""
    for role in ("color", "depth"):
        if role in seen.topics:
            yield from _image_faults(seen, role)

    # Depth and colour of the same time
    for color, depth in _pairs(seen, "depth"):
        try:
            check_same_size(color, depth)
        except ImageError as error:
            advice = (
                "RealSense: align_depth.enable:=true; Azure Kinect: depth_to_rgb; Orbbec: align to"
                " colour"
            )
            yield Finding("image-size", str(error), advice)

    # A driver that applies its profile late, or a profile that is changed
    if "color" in seen.topics and len(examples := seen.topics["color"].usable()) > 1:
        topic = seen.topics["color"]
        sizes = ", then ".join(
            f"{example.message.width}x{example.message.height} {example.message.encoding} from"
            f" {(example.first_ns - topic.stamps_ns[0]) * 1e-9:.1f} s on"
            for example in examples
            if example.message is not None
        )
        what = f"the images of '{topic.topic}' change: {sizes}"
        advice = "keep one profile of the driver while recording: tracks break where it changes"
        yield Finding("size-changes", what, advice)


def _image_faults(seen: Observation, role: str) -> Iterator[Finding]:
    """A finding for each kind of message that cannot be used."""
    topic = seen.topics[role]
    examples = list(topic.examples.values()) or topic.usable()
    for example in examples:
        fault = example.fault
        if not fault and example.message is not None:
            read = seen.camera.color if role == "color" else seen.camera.depth
            try:
                read(example.message)
            except ImageError as error:
                fault = str(error)
        if not fault:
            continue

        some = ""
        if example.count < len(topic.stamps_ns):
            some = f"{example.count} of {len(topic.stamps_ns)} messages of '{topic.topic}': "
        what = f"{'colour' if role == 'color' else 'depth'}: {some}{fault}"
        if role == "color" or example.message is None:
            wanted = "rgb8 or bgr8" if role == "color" else "16UC1 (raw, or by compressedDepth)"
            advice = (
                f"let the driver publish whole images of {wanted}; of a recording, frames that"
                " cannot be read count as frames in which nothing was found"
            )
            yield Finding("image-data", what, advice)
            continue

        name = "image-data"
        if example.message.encoding not in DEPTH_ENCODINGS:
            name = "depth-encoding"
        elif "valid pixel" in fault:
            name = "depth-empty"
        advice = (
            "let the driver publish 16UC1 in millimetres or 32FC1 in metres, and see that it"
            " has light"
        )
        yield Finding(name, what, advice)


def _pairs(seen: Observation, role: str) -> Iterator[tuple[Any, Any]]:
    """Each layout of the colour images with the ``role``'s message of that time."""
    if "color" not in seen.topics or role not in seen.topics:
        return
    for example in seen.topics["color"].usable():
        partner = seen.topics[role].at(example.first_ns + round(seen.slop_s * 1e9))
        if example.message is not None and partner is not None:
            yield example.message, partner


def check_depth_values(seen: Observation) -> Iterator[Finding]:
    """``depth-unit``, ``depth-range``, ``depth-sparse``, of the typical image."""
    message = seen.sample("depth")
    if message is None or message.encoding not in DEPTH_ENCODINGS:
        return
    depths = seen.topics["depth"].depths
    if not depths:
        try:
            depth = seen.camera.depth(message)
        except ImageError:
            return  # check_images finds it
        depths = [(float(np.median(depth[depth > 0])), float((depth > 0).mean()))]

    median, valid = (float(value) for value in np.median(depths, axis=0))
    is_scaled = seen.config.depth_scale > 0
    in_meters = message.encoding == "32FC1"
    if in_meters and not is_scaled and median > _LARGEST_IN_METERS:
        what = f"32FC1 is in metres, but half of the depth is beyond {median:.0f}: millimetres?"
        yield Finding("depth-unit", what, _UNIT_ADVICE)
    elif not in_meters and not is_scaled and median < _SMALLEST_IN_MILLIMETERS:
        stored = median * 1e3
        what = f"16UC1 is in millimetres, but half of the depth is below {stored:.0f}: metres?"
        yield Finding("depth-unit", what, _UNIT_ADVICE)
    elif not _NEAR_M <= median <= _FAR_M:
        unit = "metres" if in_meters else "millimetres"
        unit = f"{seen.config.depth_scale:g} m" if is_scaled else unit
        what = (
            f"the median depth is {median:.3g} m (read as {unit}), outside of {_NEAR_M} to"
            f" {_FAR_M} m"
        )
        advice = (
            "check the unit that the driver writes, and set depth_scale to its metres (such as"
            " 0.0001), and what the camera looks at"
        )
        yield Finding("depth-range", what, advice)

    if valid < _SPARSE:
        what = f"only {valid:.0%} of the depth image is valid"
        advice = (
            "check the distance (most cameras see nothing below 0.2 m), sunlight, and that depth"
            " covers the colour image"
        )
        yield Finding("depth-sparse", what, advice)


def check_depth_scale(seen: Observation) -> Iterator[Finding]:
    """``depth-scale``: objects have not the size of the pose model's."""
    if "pose" not in seen.models or not seen.widths:
        return
    try:
        content = read_metadata(seen.models["pose"])
        diameters = dict(zip(content["class_names"], content["diameters"], strict=True))
    except (ModelFileError, KeyError, ValueError):
        return  # check_models finds it

    ratios = [width / diameters[name] for name, width in seen.widths if name in diameters]
    if (warning := scale_warning(ratios)) is not None:
        advice = (
            "give the metres of a unit by --depth-scale, and to the node as the parameter"
            " depth_scale, or let the driver publish millimetres; else check camera_info"
        )
        yield Finding("depth-scale", warning, advice)


def check_intrinsics(seen: Observation) -> Iterator[Finding]:
    """``camera-info-size``, ``intrinsics-missing``, ``intrinsics-implausible``."""
    info = seen.sample("camera_info")
    if info is None:
        return
    pairs = list(_pairs(seen, "camera_info"))
    if not pairs:  # without a picture, the camera information is that of one of its own size
        width, height = picture_size(info)
        picture = SimpleNamespace(width=width, height=height)
        yield from _intrinsics_faults(seen, info, picture)
    for color, of_color in pairs:
        yield from _intrinsics_faults(seen, of_color, color)


def _intrinsics_faults(seen: Observation, info: Any, image: Any) -> Iterator[Finding]:
    """What is wrong with the intrinsics of one picture."""
    try:
        camera = seen.camera.intrinsics(info, image)
    except ImageError as error:
        name = "camera-info-size"
        advice = (
            "remap camera_info to that of the colour stream at its present resolution; roi and"
            " binning have to be those of the images"
        )
        if "camera_info is for a" not in str(error):
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
        elif any(name.startswith("/") for name in topic.frame_ids):
            what = f"the frame of '{topic.topic}' ({role}) begins with '/', which tf2 does not know"
            yield Finding("frame-id", what, "set the driver's frame name without it")
        elif len(topic.frame_ids) > 1:
            what = f"'{topic.topic}' changes its frame: {', '.join(sorted(topic.frame_ids))}"
            yield Finding("frame-id", what, "one publisher per topic")

    color, depth, info = (seen.sample(role) for role in ("color", "depth", "camera_info"))
    if color is not None and depth is not None and info is not None:
        for warning in seen.camera.warnings(color, depth, info):
            yield Finding(warning.kind, warning.text, _WARNING_ADVICE[warning.kind])
