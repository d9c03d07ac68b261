# SPDX-License-Identifier: Apache-2.0
"""Finds the colour, aligned depth and camera information topics of a bag by type and name."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile

from perception_kit.bags.bag import BagError, BagTopic
from perception_kit.bags.camera_streams import (
    CAMERA_INFO,
    IMAGE,
    camera_streams,
    played_type,
)

GROUND_TRUTH_PREFIX = "/ground_truth/"

# Transports by the last part of a topic's name; of several of one image, the first is taken.
_TRANSPORTS = ("compressedDepth", "zstd", "compressed", "ffmpeg", "theora")
# Images in messages that are not read, and how to record them so that they are
UNREAD_IMAGES = {
    "foxglove_msgs/msg/CompressedImage": "publish it as sensor_msgs/msg/CompressedImage",
    "foxglove_msgs/msg/CompressedVideo": "publish it by ffmpeg_image_transport",
    "foxglove_msgs/msg/RawImage": "publish it as sensor_msgs/msg/Image",
    "stereo_msgs/msg/DisparityImage": "record the depth, as stereo_image_proc or the driver has it",
    "sensor_msgs/msg/PointCloud2": "record the depth image that the camera makes it of",
}

# What a part of a name says; the first word counts: depth_to_rgb is depth.
_ROLE = re.compile(
    r"(?P<depth>depth)|(?P<color>colou?r|rgb(?!d))|(?P<other>infra|(?<![a-z])ir(?![a-z]))"
)
_CAMERA = re.compile(r"cam(era)?(?![a-z])")
ALIGNED_WORDS = (
    "aligned_depth_to_color",
    "depth_to_rgb",
    "depth_to_color",
    "depth_registered",
    "registered",
)
_DEPTH_ENCODINGS = ("16UC1", "mono16", "32FC1")


@dataclass(frozen=True)
class CameraTopics:
    """Topic names of one RGB-D camera in a bag; ``camera_info`` None: it is given by a file.

    The names are those of ``camera_streams``.
    """

    color: str
    depth: str
    camera_info: str | None


def find_camera_topics(
    recorded: Mapping[str, BagTopic],
    color: str | None = None,
    depth: str | None = None,
    camera_info: str | None = None,
    has_camera_file: bool = False,
    encoding_of: Callable[[str], str | None] = lambda topic: None,
) -> CameraTopics:
    """The camera's topics by type and name; a name that is given is only checked.

    The part nearest to the end of a name that says depth or colour (or RGB) decides. The name of a
    camera, such as ``depth_cam``, says little: where ``encoding_of`` a topic says otherwise, or the
    name says nothing, the encoding decides. Depth that is aligned to colour goes first; camera
    information is the topic beside the colour images. A compressed image counts where the bag does
    not have it raw. Where a bag has several cameras, the chosen colour images decide.

    Raises BagError, listing what was found, where a role has no topic or several, and where one
    topic is given two roles.
    """
    topics = camera_streams(recorded)
    given = [name for name in (color, depth, camera_info) if name is not None]
    if repeated := {name for name in given if given.count(name) > 1}:
        raise BagError(
            f"'{repeated.pop()}' is given two roles: colour, depth and camera information are"
            f" topics of their own. {_listing(topics)}"
        )
    images = _images(topics)
    free = [name for name in images if name not in given]

    # Colour
    not_depth = [name for name in images if name != depth]
    colors = _colors(free, encoding_of)
    chosen_color = _choose("colour image", "--color-topic", color, not_depth, colors, topics)

    # Depth, best aligned to colour and of the same camera
    depths = _of_role("depth", [name for name in free if name != chosen_color], encoding_of)
    aligned = [name for name in depths if any(word in name.lower() for word in ALIGNED_WORDS)]
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
    beside = [name for name in infos if _namespace(name) == namespace] or infos
    candidates = [name for name in beside if _named_role(name)[0] != "depth"] or beside
    chosen_info = _choose(
        "camera information", "--camera-info-topic", camera_info, infos, candidates, topics
    )
    return CameraTopics(chosen_color, chosen_depth, chosen_info)


def topics_of_camera(recorded: Mapping[str, BagTopic], namespace: str) -> dict[str, BagTopic]:
    """The topics of one of several cameras; all without a ``namespace``.

    Raises BagError where none is in that namespace.
    """
    name = namespace.strip("/")
    inside = {topic: kind for topic, kind in recorded.items() if topic.startswith(f"/{name}/")}
    if not name:
        return dict(recorded)
    if not inside:
        images = _images(camera_streams(recorded)) or recorded
        spaces = sorted({topic.split("/")[1] for topic in images})
        raise BagError(
            f"no topic of the bag is in the namespace '/{name}', expected one of"
            f" {', '.join(spaces)}"
        )
    return inside


def find_color_topic(
    recorded: Mapping[str, BagTopic],
    encoding_of: Callable[[str], str | None] = lambda topic: None,
) -> str:
    """The topic of the colour images alone, found as ``find_camera_topics`` does."""
    topics = camera_streams(recorded)
    images = _images(topics)
    colors = _colors(images, encoding_of)
    return _choose("colour image", "--color-topic", None, images, colors, topics)


def has_images(recorded: Mapping[str, BagTopic]) -> bool:
    """Whether a bag holds images of a camera."""
    return bool(_images(camera_streams(recorded)))


def _colors(names: Sequence[str], encoding_of: Callable[[str], str | None]) -> list[str]:
    """The colour images among ``names``."""
    colors = _of_role("color", names, encoding_of)
    return [name for name in colors if not _is_below_depth(name)] or colors


def _images(topics: Mapping[str, BagTopic]) -> list[str]:
    """Recorded images, raw or else compressed, without those of the ground truth."""
    used = {
        name: topic
        for name, topic in topics.items()
        if topic.count and not name.startswith(GROUND_TRUTH_PREFIX)
    }
    images = [name for name, topic in used.items() if topic.type_name == IMAGE]
    compressed = [
        name
        for name, topic in used.items()
        if topic.type_name != IMAGE and played_type(topic.type_name) == IMAGE
    ]

    # One of each image
    for name in sorted(compressed, key=_transport):
        if _raw_name(name) not in map(_raw_name, images):
            images.append(name)
    return images


def _of_role(
    role: str, names: Sequence[str], encoding_of: Callable[[str], str | None]
) -> list[str]:
    """The images whose names say the ``role``; where none does, those whose encodings do."""
    unclear = []
    clear = []
    for name in names:
        named, is_camera = _named_role(name)
        if named is None or is_camera:
            unclear.append(name)
        elif named == role:
            clear.append(name)
    return clear or [name for name in unclear if _encoded_role(name, encoding_of) == role]


def _named_role(name: str) -> tuple[str | None, bool]:
    """``color``, ``depth`` or ``other`` by the name, and whether only the camera's name says so."""
    for part in reversed(_raw_name(name).lower().split("/")):
        if found := _ROLE.search(part):
            return found.lastgroup, bool(_CAMERA.search(part))
    return None, False


def _encoded_role(name: str, encoding_of: Callable[[str], str | None]) -> str | None:
    """``color`` or ``depth`` by the encoding; by the name where that is not known."""
    encoding = encoding_of(name)
    if encoding is None:
        return _named_role(name)[0]
    return "depth" if encoding in _DEPTH_ENCODINGS else "color"


def _is_below_depth(name: str) -> bool:
    """Whether a part of the name, but that of a camera, says depth, as of depth in false colors."""
    return any(
        "depth" in part and not _CAMERA.search(part) for part in _raw_name(name).lower().split("/")
    )


def _transport(name: str) -> int:
    """Place of the topic's transport in the order of preference."""
    transport = name.rpartition("/")[2]
    return _TRANSPORTS.index(transport) if transport in _TRANSPORTS else len(_TRANSPORTS)


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

    if candidates:
        raise BagError(
            f"{len(candidates)} topics may be the {what}: {', '.join(candidates)}; choose one with"
            f" {option}. {_listing(topics)}"
        )
    unread = "".join(
        f" '{name}' ({topic.type_name}) is not read: {way}."
        for name, topic in topics.items()
        if (way := UNREAD_IMAGES.get(topic.type_name)) is not None
    )
    if not all_of_type:
        raise BagError(
            f"no topic is the {what}, without which nothing can be replayed: record it, too."
            f"{unread} {_listing(topics)}"
        )
    raise BagError(f"no topic is the {what}; choose one with {option}.{unread} {_listing(topics)}")


def _listing(topics: Mapping[str, BagTopic]) -> str:
    if not topics:
        return "There are no topics."
    lines = [
        f"  {name}  {topic.type_name}{'' if topic.count else '  (no messages)'}"
        for name, topic in topics.items()
    ]
    return "There are:\n" + "\n".join(lines)
