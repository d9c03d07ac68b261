# SPDX-License-Identifier: Apache-2.0
"""Pictures that a browser sends: bounded in bytes and pixels before they are decoded."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError

from perception_kit.picture_files import decoded
from video_search.pictures import PictureError

MAX_BYTES, MAX_PIXELS = 10 << 20, 50_000_000
_FORMATS = ("JPEG", "PNG", "WEBP", "BMP")
_NO_PICTURE = (
    "what was sent is not a picture that can be read: send a whole JPEG, PNG, WebP or BMP file"
)


class TooLargeError(PictureError):
    """More was sent than is read."""


async def read_body(chunks: AsyncIterator[bytes]) -> bytes:
    """All that is sent. Raises TooLargeError as soon as it is more than ``MAX_BYTES``."""
    body = bytearray()
    async for chunk in chunks:
        body += chunk
        if len(body) > MAX_BYTES:
            raise TooLargeError(
                f"the picture has more than {MAX_BYTES >> 20} MiB: send a smaller one"
            )
    return bytes(body)


def decode_picture(data: bytes) -> np.ndarray:
    """(H, W, 3) uint8 RGB, upright. Raises PictureError for what is no picture, or a huge one."""
    if not data:
        raise PictureError("no picture was sent: send the bytes of a JPEG, PNG, WebP or BMP file")
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            width, height = image.size
            if width * height > MAX_PIXELS:
                raise TooLargeError(
                    f"the picture has {width}x{height} pixels, at most"
                    f" {MAX_PIXELS // 10**6} million are read: send a smaller one"
                )
    except (UnidentifiedImageError, OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise PictureError(_NO_PICTURE) from error
    pixels = decoded(data)  # as a file is read, so that both find the same
    if pixels is None:
        raise PictureError(_NO_PICTURE)
    return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)
