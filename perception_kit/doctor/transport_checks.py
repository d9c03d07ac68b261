# SPDX-License-Identifier: Apache-2.0
"""Checks whether messages get from their publishers to the nodes, and whether these are well."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from perception_kit.doctor.observation import Finding, Observation
from perception_kit.resources import package_folder
from perception_kit.ros.image_transport import compressed_topics, raw_topic
from perception_kit.ros.transport import (
    PROFILE_VARIABLES,
    ProfileError,
    profile_path,
    segment_bytes,
)

_BYTES_PER_PIXEL = 3  # of a colour image, the largest message
_MIB = 2**20
_TAKE_COMPRESSED = (
    "start the nodes with image_transport:=compressed (launch file), --image-transport compressed"
    " (perception bringup and view), or the parameter image_transport: compressed"
)
_PLUGINS = "ros-jazzy-compressed-image-transport and ros-jazzy-compressed-depth-image-transport"


def check_ros(seen: Observation) -> Iterator[Finding]:
    """``ros-missing``: the nodes cannot run on this machine."""
    if seen.ros_fault:
        what = (
            f"ROS 2, or the messages of this package, cannot be used here ({seen.ros_fault}):"
            " neither the nodes nor the QoS of topics were looked at"
        )
        advice = (
            "run 'make setup' and start commands by ./run, or source ROS 2 and the workspace that"
            " this package is built in"
        )
        yield Finding("ros-missing", what, advice)


def check_links(seen: Observation) -> Iterator[Finding]:
    """``qos-incompatible``, ``input-unconnected``."""
    for link in seen.links:
        if link.qos_mismatch is not None:
            what = (
                f"{link.subscriber} receives nothing on '{link.topic}' from {link.publisher}:"
                f" {link.qos_mismatch}"
            )
            advice = (
                "set the node's parameter input_reliability to best_effort, or change the"
                " publisher's QoS"
            )
            yield Finding("qos-incompatible", what, advice)

    for node, topic in seen.unconnected:
        what = f"{node} listens to '{topic}', which nobody publishes"
        yield Finding("input-unconnected", what, _connect(topic, seen.published))


def _connect(topic: str, published: Collection[str]) -> str:
    """What to do about an input that nobody publishes: its images may come another way."""
    raw = raw_topic(topic)
    if raw == topic and any(name in published for name in compressed_topics(topic)):
        return f"its images come compressed: {_TAKE_COMPRESSED}"
    if raw != topic and raw in published:
        return (
            f"its images come raw, on '{raw}': let the camera's machine publish them compressed,"
            f" too ({_PLUGINS}), or start the nodes without image_transport:=compressed"
        )
    return (
        "start the driver or the node before it; where the topic has another name, give"
        " camera:= to the launch file or remap it"
    )


def check_transport(seen: Observation) -> Iterator[Finding]:
    """``image-transport``: images that come compressed, for nodes that would take raw ones."""
    images = {role: seen.topics[role] for role in ("color", "depth") if role in seen.topics}
    compressed = {role for role, topic in images.items() if topic.transport == "compressed"}
    if not compressed:
        return

    # Colour one way, depth the other
    for role in images.keys() - compressed:
        what = (
            f"the {role} comes raw, on '{images[role].topic}', and the other images compressed;"
            " the nodes take both in one way"
        )
        advice = f"let the camera's machine publish both compressed ({_PLUGINS}), or both raw"
        yield Finding("image-transport", what, advice)

    # No node receives them: either none runs, or it takes raw images
    received = {link.topic for link in seen.links}
    alone = [role for role in sorted(compressed) if images[role].topic not in received]
    if alone:
        topics = ", ".join(f"the {role} on '{images[role].topic}'" for role in alone)
        what = f"images come compressed alone: {topics}; the nodes take raw ones by default"
        yield Finding("image-transport", what, _TAKE_COMPRESSED)


def check_reports(seen: Observation) -> Iterator[Finding]:
    """``node-report``: what the nodes' own diagnostics say."""
    for node, message in seen.reports.items():
        advice = "see the other findings, and the log of the node"
        yield Finding("node-report", f"{node}: {message}", advice)


def check_shared_memory(seen: Observation) -> Iterator[Finding]:
    """``dds-profile``, ``image-too-large``."""
    if seen.ros_fault:
        return
    middleware = seen.environment.get("RMW_IMPLEMENTATION", "rmw_fastrtps_cpp")
    if not middleware.startswith("rmw_fastrtps"):
        return

    # A profile that can be read
    own = package_folder() / "config" / "fastdds.xml"
    set_it = (
        f"export {PROFILE_VARIABLES[0]}={own} in every terminal, also that of the driver ('./run'"
        " and the launch files set it)"
    )
    try:
        size = segment_bytes(seen.environment)
    except ProfileError as error:
        yield Finding("dds-profile", str(error), set_it)
        return

    # One that is set at all
    path = profile_path(seen.environment)
    if path is None:
        what = (
            f"no Fast DDS profile is set here: with its default shared memory of {size // 1024} KiB"
            " most images are lost"
        )
        yield Finding("dds-profile", what, set_it)
        return

    # One that has room for the images
    need = _image_bytes(seen)
    if need > size:
        what = (
            f"a colour image has {need / _MIB:.0f} MiB, Fast DDS's shared memory {size / _MIB:.0f}"
            " MiB: images are lost silently"
        )
        advice = (
            f"lower the resolution, or set segment_size in {path} to at least {4 * need}, for the"
            " driver, too"
        )
        yield Finding("image-too-large", what, advice)


def _image_bytes(seen: Observation) -> int:
    """Size of a raw colour image; where none came, the one that the camera information states."""
    if "color" in seen.topics and seen.topics["color"].transport == "compressed":
        return 0
    color, info = seen.sample("color"), seen.sample("camera_info")
    if color is not None:
        return len(color.data)
    return 0 if info is None else info.width * info.height * _BYTES_PER_PIXEL
