# SPDX-License-Identifier: Apache-2.0
"""Camera frames of a bag: colour images with the depth and camera information of their moment."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from operator import attrgetter
from typing import Any

from perception_kit.bags.bag import BagReader
from perception_kit.bags.camera_file import camera_info_message
from perception_kit.bags.camera_streams import StampedMessage, read_stream, to_stamped
from perception_kit.bags.camera_topics import CameraTopics

_MOST_KEPT = 300  # messages, where stamps are of another clock than those of the colour images
_FAR_AHEAD_NS = 1_000_000_000
_STAMP = attrgetter("stamp_ns")


@dataclass(frozen=True)
class CameraFrame:
    """One colour image and its partners; None where the bag has none within the slop.

    Camera information holds until the next one, so the nearest counts however far away it is; it
    then has the colour image's stamp. A message that cannot be read counts as none; ``faults`` name
    the reason by its role. Where even the colour image cannot be read, it has no ``message``.
    """

    color: StampedMessage
    depth: StampedMessage | None
    camera_info: StampedMessage | None
    faults: dict[str, str] = field(default_factory=dict)

    @property
    def stamp_ns(self) -> int:
        """Stamp of the colour image, which all results carry."""
        return self.color.stamp_ns


class _Partners:
    """The messages of one stream, read as far as a colour image needs them.

    However much later than their colour images they were recorded: the stream is read on its own.
    """

    def __init__(self, messages: Iterator[StampedMessage]) -> None:
        self._messages = messages
        self._kept: list[StampedMessage] = []  # by stamp
        self._newest: StampedMessage | None = None

    def nearest(self, color: StampedMessage) -> StampedMessage | None:
        """The message nearest in time to a colour image; those before it are forgotten."""
        self._read_for(color)
        after = bisect_left(self._kept, color.stamp_ns, key=_STAMP)
        del self._kept[: max(0, after - 1)]
        return min(
            self._kept[:2], key=lambda message: abs(message.stamp_ns - color.stamp_ns), default=None
        )

    def _read_for(self, color: StampedMessage) -> None:
        """Read on until no nearer message can come; a stamp far ahead is no sign of that."""
        while (
            (newest := self._newest) is None
            or newest.stamp_ns < color.stamp_ns
            or (
                newest.stamp_ns > color.stamp_ns + _FAR_AHEAD_NS
                and newest.recorded_ns < color.recorded_ns
            )
        ):
            message = next(self._messages, None)
            if message is None:
                return
            self._newest = message
            insort(self._kept, message, key=_STAMP)
            if len(self._kept) > _MOST_KEPT:
                del self._kept[0]


def camera_frames(
    reader: BagReader,
    topics: CameraTopics,
    slop_s: float,
    camera_file: dict[str, Any] | None = None,
) -> Iterator[CameraFrame]:
    """Every colour image of the bag in order, with its partners within ``slop_s``.

    The bag is read lazily: only a few images are in memory at a time. Compressed images come as
    ``Image`` messages. Where ``topics`` has no camera information, every frame has that of
    ``camera_file`` (see ``read_camera_file``). Raises BagError; ValueError without either.
    """
    if topics.camera_info is None and camera_file is None:
        raise ValueError("neither a topic nor a file with camera information is given")
    slop_ns = round(slop_s * 1e9)
    depths = _Partners(read_stream(reader, topics.depth))
    infos = None
    if topics.camera_info is not None:
        infos = _Partners(read_stream(reader, topics.camera_info))

    for color in read_stream(reader, topics.color):
        depth = depths.nearest(color)
        if depth is not None and abs(depth.stamp_ns - color.stamp_ns) > slop_ns:
            depth = None

        info = infos.nearest(color) if infos is not None else None
        if info is not None and abs(info.stamp_ns - color.stamp_ns) > slop_ns:
            info = _restamped(info, color)
        if infos is None and camera_file is not None and not color.fault:
            message = camera_info_message(camera_file, color.message.header)
            info = to_stamped(message, color.recorded_ns)

        found = {"colour image": color, "depth image": depth, "camera information": info}
        faults = {
            role: message.fault
            for role, message in found.items()
            if message is not None and message.fault
        }
        yield CameraFrame(color, _readable(depth), _readable(info), faults)


def _restamped(info: StampedMessage, color: StampedMessage) -> StampedMessage:
    """Camera information with the stamp of the colour image that it is to hold for."""
    if info.fault or color.fault:
        return info
    header = replace(info.message.header, stamp=color.message.header.stamp)
    return to_stamped(replace(info.message, header=header), info.recorded_ns)


def _readable(message: StampedMessage | None) -> StampedMessage | None:
    return None if message is None or message.fault else message
