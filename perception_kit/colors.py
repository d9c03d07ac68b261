# SPDX-License-Identifier: Apache-2.0
"""Colors of classes and actions: the same in the overlay, RViz, the viewer and the report."""

from __future__ import annotations

import colorsys
from zlib import crc32

import numpy as np

Color = tuple[int, int, int]

FALL_LABEL = "falling"
OTHER_LABEL = "other"  # of an action model: everything that is none of its other classes
NOBODY_LABEL = "nobody"  # of an action model: nobody is in the clip, so there is no action
FALL_COLOR: Color = (226, 20, 32)
WHITE: Color = (255, 255, 255)
BLACK: Color = (0, 0, 0)

# Axes x, y, z are red, green, blue, as in RViz.
AXIS_COLORS: tuple[Color, Color, Color] = ((255, 64, 64), (64, 230, 64), (80, 140, 255))

# Relative luminance of linear sRGB (WCAG 2).
_LUMINANCE_WEIGHTS = (0.2126, 0.7152, 0.0722)

# As text on the dark pages of the report: contrast 4.5, as WCAG 2 asks for.
_MIN_LUMINANCE = 0.23

# This start value gives the classes of the shipped models colors that people can tell apart.
_HASH_START = 1440


def class_color(name: str) -> Color:
    """Red, green, blue (0 to 255) of the name of an object class or an action.

    A name has the same color in every run. Red is reserved for falls; all other colors are light
    enough to be read on a dark page.
    """
    if name == FALL_LABEL:
        return FALL_COLOR

    # Hues from 0.07 to 0.93 leave out red. The remainder of the hash chooses the hue, the quotient
    # one of three tones.
    code = crc32(name.encode(), _HASH_START)
    hue = 0.07 + 0.86 * (code % 997) / 997
    saturation, value = ((0.75, 1.0), (0.5, 1.0), (0.85, 0.85))[code // 997 % 3]
    return _lightened(np.array(colorsys.hsv_to_rgb(hue, saturation, value)))


def _lightened(srgb: np.ndarray) -> Color:
    """(3,) sRGB, 0 to 1, mixed with as much white as the minimal luminance needs."""
    linear = _linear(srgb)
    luminance = np.dot(linear, _LUMINANCE_WEIGHTS)
    linear += max(0.0, (_MIN_LUMINANCE - luminance) / (1 - luminance)) * (1 - linear)

    # Transfer function of sRGB (IEC 61966-2-1).
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    red, green, blue = np.rint(255 * encoded).astype(int).tolist()
    return red, green, blue


def _linear(srgb: np.ndarray) -> np.ndarray:
    """Inverse transfer function of sRGB (IEC 61966-2-1), 0 to 1."""
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
