# SPDX-License-Identifier: Apache-2.0
"""Do messages get from their publishers to the nodes, and are these well?"""

from __future__ import annotations

from collections.abc import Iterator

from rclpy.qos import QoSCompatibility, qos_check_compatible

from perception_kit.doctor.observation import Finding, Observation
from perception_kit.resources import package_folder
from perception_kit.ros.transport import (
    PROFILE_VARIABLES,
    ProfileError,
    profile_path,
    segment_bytes,
)

_BYTES_PER_PIXEL = 3  # of a colour image, the largest message
_MIB = 2**20


def check_links(seen: Observation) -> Iterator[Finding]:
    """``qos-incompatible``, ``input-unconnected``."""
    for link in seen.links:
        verdict, reason = qos_check_compatible(link.offered, link.requested)
        if verdict == QoSCompatibility.ERROR:
            yield Finding(
                "qos-incompatible",
                f"{link.subscriber} receives nothing on '{link.topic}' from {link.publisher}:"
                f" {reason.strip(' ;')}",
                "set the node's parameter input_reliability to best_effort, or change the"
                " publisher's QoS",
            )
    for node, topic in seen.unconnected:
        yield Finding(
            "input-unconnected",
            f"{node} listens to '{topic}', which nobody publishes",
            "start the driver or the node before it; where the topic has another name, give"
            " camera:= to the launch file or remap it",
        )


def check_reports(seen: Observation) -> Iterator[Finding]:
    """``node-report``: what the nodes' own diagnostics say."""
    for node, message in seen.reports.items():
        yield Finding(
            "node-report", f"{node}: {message}", "see the other findings, and the log of the node"
        )


def check_shared_memory(seen: Observation) -> Iterator[Finding]:
    """``dds-profile``, ``image-too-large``."""
    if not seen.environment.get("RMW_IMPLEMENTATION", "rmw_fastrtps_cpp").startswith(
        "rmw_fastrtps"
    ):
        return
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
    if profile_path(seen.environment) is None:
        what = (
            f"no Fast DDS profile is set here: with its default shared memory of {size // 1024} KiB"
            " most images are lost"
        )
        yield Finding("dds-profile", what, set_it)
        return
    need = _image_bytes(seen)
    if need > size:
        yield Finding(
            "image-too-large",
            f"a colour image has {need / _MIB:.0f} MiB, Fast DDS's shared memory {size / _MIB:.0f}"
            " MiB: images are lost without a word",
            f"lower the resolution, or set segment_size in {profile_path(seen.environment)} to at"
            f" least {4 * need}, for the driver, too",
        )


def _image_bytes(seen: Observation) -> int:
    """Size of a colour image; where none came, the one that the camera information promises."""
    color, info = seen.sample("color"), seen.sample("camera_info")
    if color is not None:
        return len(color.data)
    return 0 if info is None else info.width * info.height * _BYTES_PER_PIXEL
