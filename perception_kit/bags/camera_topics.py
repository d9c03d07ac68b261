# SPDX-License-Identifier: Apache-2.0
"""Finds the colour, aligned depth and camera information topics of a bag by type and name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile

from perception_kit.bags.bag import BagError, BagTopic
from perception_kit.bags.compressed import COMPRESSED_IMAGE

IMAGE = "sensor_msgs/msg/Image"
CAMERA_INFO = "sensor_msgs/msg/CameraInfo"
GROUND_TRUTH_PREFIX = "/ground_truth/"

_TRANSPORTS = ("compressed", "compressedDepth")
_COLOR_WORDS = ("color", "colour", "rgb")
_ALIGNED_WORDS = (
    "aligned_depth_to_color",
    "depth_to_rgb",
    "depth_to_color",
    "depth_registered",
    "registered",
)


@dataclass(frozen=True)
class CameraTopics:
    """Topic names of one RGB-D camera in a bag; ``camera_info`` None: it is given by a file."""

    color: str
    depth: str
    camera_info: str | None


def find_camera_topics(
    topics: Mapping[str, BagTopic],
    color: str | None = None,
    depth: str | None = None,
    camera_info: str | None = None,
    has_camera_file: bool = False,
) -> CameraTopics:
    """The camera's topics by type and name; a name that is given is only checked.

    Depth is an image whose name says depth (one that says it is aligned to colour goes first),
    colour an image whose name says colour or RGB, camera information the topic beside the colour
    images. A compressed image counts where the bag does not have it raw. Where a bag has several
    cameras, the chosen colour images decide.

    Raises BagError, listing what was found, where a role has no topic or several.
    """
    images = _images(topics)
    depths = [name for name in images if "depth" in name.lower()]

    # Colour
    colors = [name for name in images if name not in depths and _names_one_of(_COLOR_WORDS, name)]
    chosen_color = _choose("colour image", "--color-topic", color, images, colors, topics)

    # Depth, best aligned to colour and of the same camera
    aligned = [name for name in depths if _names_one_of(_ALIGNED_WORDS, name)]
    near = _nearest(aligned, chosen_color) or _nearest(depths, chosen_color)
    not_color = [name for name in images if name != chosen_color]
    chosen_depth = _choose("depth image", "--depth-topic", depth, not_color, near, topics)

    # Camera information, best from the namespace of colour
    if has_camera_file and camera_info is None:
        return CameraTopics(chosen_color, chosen_depth, None)
    infos = [
        name for name, topic in topics.items() if topic.type_name == CAMERA_INFO and topic.count
    ]
    if not infos:
        raise BagError(
            "the bag has no camera information; give the camera's calibration file with"
            f" --camera-info. {_listing(topics)}"
        )
    namespace = _namespace(_raw_name(chosen_color))
    beside = [name for name in infos if _namespace(name) == namespace]
    candidates = beside or [name for name in infos if "depth" not in name.lower()]
    chosen_info = _choose(
        "camera information", "--camera-info-topic", camera_info, infos, candidates, topics
    )
    return CameraTopics(chosen_color, chosen_depth, chosen_info)


def _images(topics: Mapping[str, BagTopic]) -> list[str]:
    """Recorded images, raw or else compressed, without those of the ground truth."""
    used = {
        name: topic
        for name, topic in topics.items()
        if topic.count and not name.startswith(GROUND_TRUTH_PREFIX)
    }
    raw = [name for name, topic in used.items() if topic.type_name == IMAGE]
    compressed = [
        name
        for name, topic in used.items()
        if topic.type_name == COMPRESSED_IMAGE and _raw_name(name) not in raw
    ]
    return raw + compressed


def _names_one_of(words: Sequence[str], name: str) -> bool:
    return any(word in name.lower() for word in words)


def _namespace(name: str) -> str:
    return name.rpartition("/")[0]


def _raw_name(name: str) -> str:
    """Topic of the images that image_transport compresses into ``name``."""
    base, _, transport = name.rpartition("/")
    return base if transport in _TRANSPORTS else name


def _nearest(names: list[str], color: str) -> list[str]:
    """Those of ``names`` that have most of their namespace in common with the colour images."""

    def common(name: str) -> int:
        pairs = zip(name.split("/"), color.split("/"), strict=False)
        return len(list(takewhile(lambda pair: pair[0] == pair[1], pairs)))

    most = max(map(common, names), default=0)
    return [name for name in names if common(name) == most]


def _choose(
    what: str,
    option: str,
    given: str | None,
    all_of_type: list[str],
    candidates: list[str],
    topics: Mapping[str, BagTopic],
) -> str:
    """The topic that is ``given``, else the only candidate."""
    if given is not None:
        if given not in all_of_type:
            raise BagError(
                f"{option} '{given}' is no {what} topic with messages in the bag."
                f" {_listing(topics)}"
            )
        return given

    if len(candidates) == 1:
        return candidates[0]

    if not all_of_type:
        raise BagError(
            f"no topic is the {what}, without which nothing can be replayed: record it, too."
            f" {_listing(topics)}"
        )
    found = (
        f"{len(candidates)} topics may be the {what}: {', '.join(candidates)}"
        if candidates
        else f"no topic is the {what}"
    )
    raise BagError(f"{found}; choose one with {option}. {_listing(topics)}")


def _listing(topics: Mapping[str, BagTopic]) -> str:
    if not topics:
        return "There are no topics."
    lines = [
        f"  {name}  {topic.type_name}{'' if topic.count else '  (no messages)'}"
        for name, topic in topics.items()
    ]
    return "There are:\n" + "\n".join(lines)
