# SPDX-License-Identifier: Apache-2.0
"""Lines of text, rendered once and blended into images."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from perception_kit.colors import Color
from perception_kit.short_text import short_text

_MAX_CHARACTERS = 120


@lru_cache(maxsize=512)
def render_text(text: str, size: int) -> np.ndarray:
    """(h, w) float32 coverage, 0 to 1, of a line of text; h fits capitals and descenders.

    Text that no image has room for is shortened.
    """
    text = short_text(text, _MAX_CHARACTERS)
    font = ImageFont.load_default(size)
    assert isinstance(font, ImageFont.FreeTypeFont)  # Pillow's default wherever a size is given
    ascent, descent = font.getmetrics()
    width = max(1, round(font.getlength(text)) + 1)

    image = Image.new("L", (width, ascent + descent))
    ImageDraw.Draw(image).text((0, 0), text, fill=255, font=font)
    return np.asarray(image, np.float32) / 255


def draw_text(pixels: np.ndarray, coverage: np.ndarray, x: int, y: int, color: Color) -> None:
    """Blend rendered text into (H, W, 3) ``pixels``, its top left corner at (x, y)."""
    region = pixels[y : y + coverage.shape[0], x : x + coverage.shape[1]]
    alpha = coverage[: region.shape[0], : region.shape[1], None]
    region[:] = (region * (1 - alpha) + np.array(color, np.float32) * alpha).astype(np.uint8)


def fill_color(region: np.ndarray, color: Color, transparency: float) -> None:
    """Fill the (h, w, 3) uint8 ``region`` in place; ``transparency`` 0 to 1 of it stays visible."""
    region[:] = (region * transparency + np.array(color) * (1 - transparency)).astype(np.uint8)
