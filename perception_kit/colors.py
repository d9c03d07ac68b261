# SPDX-License-Identifier: Apache-2.0
"""Colours of what is shown.

Each class name has one colour everywhere: in the overlay, RViz, the viewer and the report.
"""

from __future__ import annotations

import colorsys
from zlib import crc32

import numpy as np

Color = tuple[int, int, int]

FALL_LABEL = "falling"
FALL_COLOR: Color = (226, 20, 32)
WHITE: Color = (255, 255, 255)
AXIS_COLORS: tuple[Color, ...] = (
    (255, 64, 64),
    (64, 230, 64),
    (80, 140, 255),
)  # x, y, z as in RViz
_LUMINANCE_WEIGHTS = (0.2126, 0.7152, 0.0722)  # of linear sRGB
_HASH_START = 1440  # gives the classes of the shipped models colours that people can tell apart
_MIN_LUMINANCE = 0.23  # as text on the dark pages of the report: contrast 4.5, as WCAG 2 asks for


def class_color(name: str) -> Color:
    """Red, green, blue (0 to 255) of the name of an object class or an action, the same in every
    run and wherever it is shown.

    A fall has its red, which nothing else has; all others are light enough to be read on a dark
    page.
    """
    if name == FALL_LABEL:
        return FALL_COLOR
    code = crc32(name.encode(), _HASH_START)
    hue = 0.07 + 0.86 * (code % 997) / 997
    saturation, value = ((0.75, 1.0), (0.5, 1.0), (0.85, 0.85))[code // 997 % 3]
    return _lightened(np.array(colorsys.hsv_to_rgb(hue, saturation, value)))


def relative_luminance(color: Color) -> float:
    """Luminance of sRGB (0 to 255) by WCAG 2, between 0 (black) and 1 (white)."""
    return float(np.dot(_linear(np.array(color) / 255), _LUMINANCE_WEIGHTS))


def _lightened(srgb: np.ndarray) -> Color:
    """(3,) sRGB, 0 to 1, mixed with as much white as the least luminance needs."""
    linear = _linear(srgb)
    luminance = np.dot(linear, _LUMINANCE_WEIGHTS)
    linear += max(0.0, (_MIN_LUMINANCE - luminance) / (1 - luminance)) * (1 - linear)
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return tuple(round(255 * channel) for channel in encoded.tolist())


def _linear(srgb: np.ndarray) -> np.ndarray:
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
