# SPDX-License-Identifier: Apache-2.0
"""The camera frames of a bag: each colour image with the depth image and the camera information
that belong to it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from perception_kit.bags.bag import BagReader, RawMessage
from perception_kit.bags.camera_file import camera_info_message
from perception_kit.bags.camera_topics import CameraTopics
from perception_kit.bags.compressed import COMPRESSED_IMAGE, decompress_image
from perception_kit.ros.from_messages import stamp_to_ns

_LOOK_AHEAD = 30  # colour images that wait at most for their partners


@dataclass(frozen=True)
class StampedMessage:
    """A recorded message, decoded and as its CDR bytes, with its header's stamp in nanoseconds."""

    stamp_ns: int
    message: Any
    data: bytes


@dataclass(frozen=True)
class CameraFrame:
    """One colour image and its partners; a partner is None where the bag has none within the slop."""

    color: StampedMessage
    depth: StampedMessage | None
    camera_info: StampedMessage | None

    @property
    def stamp_ns(self) -> int:
        """Stamp of the colour image, which all results carry."""
        return self.color.stamp_ns


@dataclass
class _Partners:
    """Messages of one topic in the order of their stamps, as far as they may still be needed."""

    messages: list[StampedMessage] = field(default_factory=list)

    def add(self, message: StampedMessage) -> None:
        """Keep a message; the oldest goes where no colour image comes for long."""
        self.messages.append(message)
        del self.messages[: -2 * _LOOK_AHEAD]

    def is_settled(self, stamp_ns: int) -> bool:
        """No later message can be nearer to ``stamp_ns``."""
        return bool(self.messages) and self.messages[-1].stamp_ns >= stamp_ns

    def nearest(self, stamp_ns: int, slop_ns: int) -> StampedMessage | None:
        """The message nearest in time, if within ``slop_ns``; forgets those that are older."""
        after = bisect_left([message.stamp_ns for message in self.messages], stamp_ns)
        candidates = self.messages[max(0, after - 1) : after + 1]
        if not candidates:
            return None
        best = min(candidates, key=lambda message: abs(message.stamp_ns - stamp_ns))
        del self.messages[: max(0, after - 1)]
        return best if abs(best.stamp_ns - stamp_ns) <= slop_ns else None


def camera_frames(
    reader: BagReader,
    topics: CameraTopics,
    slop_s: float,
    camera_file: dict[str, Any] | None = None,
) -> Iterator[CameraFrame]:
    """Every colour image of the bag in order, read lazily: only a few images are in memory at a
    time. Raises BagError.

    Compressed images come as ``Image`` messages. Where ``topics`` has no camera information,
    ``camera_file`` (see ``read_camera_file``) is that of every frame.
    """
    slop_ns = round(slop_s * 1e9)
    depths, infos = _Partners(), _Partners()
    buffers = {topics.depth: depths} | (
        {topics.camera_info: infos} if topics.camera_info is not None else {}
    )
    waiting: deque[StampedMessage] = deque()

    def complete(color: StampedMessage) -> CameraFrame:
        if topics.camera_info is None:
            info = _encoded(
                reader, color.stamp_ns, camera_info_message(camera_file, color.message.header)
            )
        else:
            info = infos.nearest(color.stamp_ns, slop_ns)
        return CameraFrame(color, depths.nearest(color.stamp_ns, slop_ns), info)

    for raw in reader.raw_messages([topics.color, *buffers]):
        stamped = _stamped(reader, raw)
        if raw.topic == topics.color:
            waiting.append(stamped)
        else:
            buffers[raw.topic].add(stamped)
        while waiting and (
            len(waiting) > _LOOK_AHEAD
            or all(buffer.is_settled(waiting[0].stamp_ns) for buffer in buffers.values())
        ):
            yield complete(waiting.popleft())
    while waiting:
        yield complete(waiting.popleft())


def _stamped(reader: BagReader, raw: RawMessage) -> StampedMessage:
    message = reader.decode(raw)
    stamp_ns = stamp_to_ns(message.header.stamp)
    if raw.type_name == COMPRESSED_IMAGE:
        return _encoded(reader, stamp_ns, decompress_image(message, raw.topic))
    return StampedMessage(stamp_ns, message, raw.data)


def _encoded(reader: BagReader, stamp_ns: int, message: Any) -> StampedMessage:
    return StampedMessage(
        stamp_ns, message, reader.typestore.serialize_cdr(message, message.__msgtype__)
    )
