# SPDX-License-Identifier: Apache-2.0
"""Frames of bags, videos and folders of pictures with their times."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import av
import numpy as np

from perception_kit.bags.bag import BagReader
from perception_kit.bags.camera_streams import camera_streams, read_stream, stream_encoding
from perception_kit.bags.camera_topics import find_color_topic
from perception_kit.ros.image import ImageError, color_image
from perception_kit.videos.pictures import picture_paths
from perception_kit.videos.video_file import VideoError, file_frames
from video_search.names import as_text
from video_search.pictures import PictureError, read_picture

# Rate of the pictures of a folder, Hz.
FOLDER_FPS = 30.0


@dataclass(frozen=True)
class Frame:
    """A frame at ``stamp_ns`` of its source's clock; its pixels are decoded when asked for.

    ``file`` is the name of the file that is this frame alone.
    """

    stamp_ns: int
    pixels: Callable[[], np.ndarray]
    frame_id: str = ""
    file: str = ""

    @cached_property
    def rgb(self) -> np.ndarray:
        """(H, W, 3) uint8 RGB."""
        return self.pixels()


def frames_of(path: Path, kind: str) -> Iterator[Frame]:
    """All frames of a source of ``kind`` bag, video or pictures.

    The pictures of a folder need not be of one kind or size. Raises BagError or VideoError;
    ImageError where the pixels of one frame are asked for and cannot be read.
    """
    if kind == "bag":
        yield from _bag_frames(path)
    elif kind == "video":
        for seconds, pixels in file_frames(path):
            yield Frame(round(seconds * 1e9), pixels)
    else:
        for number, picture in enumerate(picture_paths(path)):
            stamp_ns = round(number * 1e9 / FOLDER_FPS)
            yield Frame(stamp_ns, partial(_picture, picture), file=as_text(picture.name))


def duration_ns(path: Path, kind: str) -> int:
    """How long a source lasts as far as it says so itself; 0 where it does not."""
    if kind == "bag":
        with BagReader(path) as reader:
            first_ns, last_ns = reader.stamps_ns
            return last_ns - first_ns
    if kind == "video":
        try:
            with av.open(str(path)) as container:
                return (container.duration or 0) * 1000
        except (av.error.FFmpegError, OSError) as error:
            raise VideoError(
                f"'{path}' could not be decoded ({error}): re-encode or remove it"
            ) from error
    return 0


def _bag_frames(path: Path) -> Iterator[Frame]:
    with BagReader(path) as reader:
        topic = find_color_topic(
            camera_streams(reader.topics), encoding_of=partial(stream_encoding, reader)
        )
        for stamped in read_stream(reader, topic):
            if stamped.message is None:
                yield Frame(stamped.stamp_ns, partial(_unreadable, stamped.fault))
                continue
            pixels = partial(color_image, stamped.message)
            yield Frame(stamped.stamp_ns, pixels, stamped.message.header.frame_id)


def _picture(path: Path) -> np.ndarray:
    try:
        return read_picture(path)
    except PictureError as error:
        raise ImageError(str(error)) from error


def _unreadable(fault: str) -> np.ndarray:
    raise ImageError(fault)
