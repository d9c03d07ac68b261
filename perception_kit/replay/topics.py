# SPDX-License-Identifier: Apache-2.0
"""Which topics of a bag are the colour images, the aligned depth images and the camera information."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from perception_kit.bag import BagError, BagTopic

IMAGE = "sensor_msgs/msg/Image"
CAMERA_INFO = "sensor_msgs/msg/CameraInfo"
TRUTH_PREFIX = "/ground_truth/"

_COLOR_WORDS = ("color", "colour", "rgb")
_ALIGNED_WORDS = ("aligned_depth_to_color", "depth_to_rgb", "depth_to_color", "depth_registered", "registered")


@dataclass(frozen=True)
class CameraTopics:
    """Topic names of one RGB-D camera in a bag."""

    color: str
    depth: str
    camera_info: str


def find_camera_topics(
    topics: Mapping[str, BagTopic], color: str | None = None, depth: str | None = None, camera_info: str | None = None
) -> CameraTopics:
    """The camera's topics by type and name; a name that is given is only checked.

    Depth is an image whose name says depth (one that says it is aligned to colour goes first), colour an image whose name says colour
    or RGB, camera information the topic beside the colour images. Raises BagError, listing what was found, where that is not one topic.
    """
    images = [name for name, topic in topics.items() if topic.type_name == IMAGE and topic.count and not name.startswith(TRUTH_PREFIX)]
    infos = [name for name, topic in topics.items() if topic.type_name == CAMERA_INFO and topic.count]
    depths = [name for name in images if "depth" in name.lower()]
    colors = [name for name in images if name not in depths and any(word in name.lower() for word in _COLOR_WORDS)]
    aligned = [name for name in depths if any(word in name.lower() for word in _ALIGNED_WORDS)]
    chosen_color = _choose("colour image", "--color-topic", color, images, colors, topics)
    chosen_depth = _choose("depth image", "--depth-topic", depth, images, aligned or depths, topics)
    beside = [name for name in infos if name.rpartition("/")[0] == chosen_color.rpartition("/")[0]]
    not_depth = [name for name in infos if "depth" not in name.lower()]
    chosen_info = _choose("camera information", "--camera-info-topic", camera_info, infos, beside or not_depth, topics)
    return CameraTopics(chosen_color, chosen_depth, chosen_info)


def _choose(
    what: str, option: str, given: str | None, all_of_type: list[str], candidates: list[str], topics: Mapping[str, BagTopic]
) -> str:
    if given is not None:
        if given not in all_of_type:
            raise BagError(f"{option} '{given}' is no {what} topic with messages in the bag. {_listing(topics)}")
        return given
    if len(candidates) == 1:
        return candidates[0]
    found = f"{len(candidates)} topics may be the {what}: {', '.join(candidates)}" if candidates else f"no topic is the {what}"
    raise BagError(f"{found}; choose one with {option}. {_listing(topics)}")


def _listing(topics: Mapping[str, BagTopic]) -> str:
    if not topics:
        return "The bag has no topics."
    lines = [f"  {name}  {topic.type_name}  ({topic.count} messages)" for name, topic in topics.items()]
    compressed = any("Compressed" in topic.type_name for topic in topics.values())
    advice = "\nCompressed images are not read: decompress them first ('ros2 run image_transport republish')." if compressed else ""
    return "The bag has:\n" + "\n".join(lines) + advice
