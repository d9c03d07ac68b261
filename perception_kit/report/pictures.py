# SPDX-License-Identifier: Apache-2.0
"""Pictures of a replay's frames, small enough to be inside a page."""

from __future__ import annotations

import base64
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import av
import cv2
import numpy as np

from perception_kit.evaluation.frame_records import FrameRecord
from perception_kit.evaluation.run import RunError

MAX_PICTURES = 300
_LARGE_WIDTH, _SMALL_WIDTH = 640, 400  # pixels
_LARGE_QUALITY = 75  # of JPEG
# The first quality that keeps all small pictures below _SMALL_BYTES is taken.
_SMALL_QUALITIES = (75, 60, 45, 35, 25)
_SMALL_BYTES = 2_500_000


def choose_pictures(count: int, wanted: Collection[int]) -> list[int]:
    """At most ``MAX_PICTURES`` of ``count`` frames, by index.

    All of them, or else ``wanted`` and as many others, spread evenly, as there is room for.
    """
    if count <= MAX_PICTURES:
        return list(range(count))
    spread = np.linspace(0, count - 1, MAX_PICTURES - len(wanted)).round().astype(int).tolist()
    return sorted({*wanted, *spread})


def encode_pictures(
    video: Path, frames: Sequence[FrameRecord], small: Collection[int], large: Collection[int]
) -> dict[int, str]:
    """Base64 JPEG by index in ``frames``, of those that are in the ``video``.

    Pictures of ``large`` frames have more pixels than those of ``small`` ones. Raises RunError for
    a video that is missing or damaged, or has a picture of no frame.
    """
    index_of = {
        frame.picture: index for index, frame in enumerate(frames) if frame.picture is not None
    }

    # Read the video once.
    sharp: dict[int, bytes] = {}
    images: dict[int, np.ndarray] = {}
    for number, rgb in enumerate(_video_frames(video) if index_of else ()):
        if (index := index_of.get(number, -1)) < 0:
            raise RunError(
                f"'{video}' has more pictures than frames.json has frames with one: one of them is"
                " of another replay; replay the bag again"
            )
        if index in large:
            sharp[index] = _jpeg(_shrink(rgb, _LARGE_WIDTH), _LARGE_QUALITY)
        elif index in small:
            images[index] = _shrink(rgb, _SMALL_WIDTH)

    # Lower the quality until the small pictures fit.
    for quality in _SMALL_QUALITIES:
        encoded = {index: _jpeg(image, quality) for index, image in images.items()}
        if sum(map(len, encoded.values())) <= _SMALL_BYTES:
            break

    pictures = sorted((encoded | sharp).items())
    return {index: base64.b64encode(data).decode() for index, data in pictures}


def encode_picture(rgb: np.ndarray) -> str:
    """Base64 JPEG of one (H, W, 3) picture."""
    return base64.b64encode(_jpeg(_shrink(rgb, _LARGE_WIDTH), _LARGE_QUALITY)).decode()


def _video_frames(video: Path) -> Iterator[np.ndarray]:
    """(H, W, 3) RGB images. Raises RunError."""
    try:
        with av.open(str(video)) as container:
            for frame in container.decode(video=0):
                yield frame.to_ndarray(format="rgb24")
    except (av.FFmpegError, IndexError) as error:  # IndexError: a file without a video stream
        raise RunError(
            f"'{video}' cannot be read ({error}): it is missing or damaged; replay the bag again"
        ) from error


def _shrink(rgb: np.ndarray, width: int) -> np.ndarray:
    scale = min(1.0, width / rgb.shape[1])
    return cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)


def _jpeg(rgb: np.ndarray, quality: int) -> bytes:
    bgr = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
    _, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return data.tobytes()
