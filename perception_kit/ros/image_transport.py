# SPDX-License-Identifier: Apache-2.0
"""Topics and messages of images as image_transport's plugins ``compressed`` and ``compressedDepth``
publish them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from perception_kit.ros.image import ImageError

_SUFFIXES = {"color": "compressed", "depth": "compressedDepth"}


def image_topic(topic: str, role: str, transport: str) -> tuple[type, str]:
    """Type and name of the topic on which the images of ``topic`` come.

    The arguments are those of ``image_topic_name``.
    """
    from sensor_msgs.msg import CompressedImage, Image

    kind = Image if transport == "raw" else CompressedImage
    return kind, image_topic_name(topic, role, transport)


def image_topic_name(topic: str, role: str, transport: str) -> str:
    """Name of the topic on which the images of ``topic`` come by ``transport``.

    ``topic`` is the name of the raw topic, as it is remapped, ``role`` "color" or "depth",
    ``transport`` one of ``IMAGE_TRANSPORTS``.
    """
    return topic if transport == "raw" else f"{topic}/{_SUFFIXES[role]}"


def compressed_topics(topic: str) -> list[str]:
    """Where the plugins publish the images of the raw ``topic``."""
    return [f"{topic}/{plugin}" for plugin in _SUFFIXES.values()]


def raw_topic(topic: str) -> str:
    """The topic whose images a plugin publishes on ``topic``: ``image_topic`` undone."""
    base, _, plugin = topic.rpartition("/")
    return base if plugin in _SUFFIXES.values() else topic


def raw_image(message: Any, topic: str) -> Any:
    """An image message as a raw one: itself, or the content of a ``CompressedImage``.

    Raises ImageError for content that cannot be read.
    """
    from sensor_msgs.msg import CompressedImage

    if not isinstance(message, CompressedImage):
        return message

    # The library of recordings, which raw images do not need, takes some 15 MB.
    from perception_kit.bags.bag import BagError
    from perception_kit.bags.compressed import decompress_image

    try:
        return decompress_image(message, topic)
    except BagError as error:
        raise ImageError(str(error)) from error


class RawMessages(Mapping[str, Any]):
    """``messages`` by input name, whose compressed images are decompressed when they are asked for.

    ``topics`` are their names, for the errors. Looking one up raises ImageError where it cannot be
    read.
    """

    def __init__(self, messages: Mapping[str, Any], topics: Mapping[str, str]) -> None:
        self._messages, self._topics = dict(messages), topics

    def __getitem__(self, name: str) -> Any:
        raw = raw_image(self._messages[name], self._topics.get(name, name))
        self._messages[name] = raw
        return raw

    def __iter__(self) -> Iterator[str]:
        return iter(self._messages)

    def __len__(self) -> int:
        return len(self._messages)
