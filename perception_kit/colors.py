# SPDX-License-Identifier: Apache-2.0
"""Colors of classes and actions: the same in the overlay, RViz, the viewer and the report."""

from __future__ import annotations

from zlib import crc32

Color = tuple[int, int, int]

FALL_LABEL = "falling"
LYING_LABEL = "lying"
OTHER_LABEL = "other"  # of an action model: everything that is none of its other classes
NOBODY_LABEL = "nobody"  # of an action model: nobody is in the clip, so there is no action
FALL_COLOR: Color = (226, 20, 32)
WHITE: Color = (255, 255, 255)
BLACK: Color = (0, 0, 0)

# Axes x, y, z are red, green, blue, as in RViz.
AXIS_COLORS: tuple[Color, Color, Color] = ((255, 64, 64), (64, 230, 64), (80, 140, 255))

# 48 colors of which any two differ by 22 or more in CIELAB (dE76), by farthest-point sampling of
# sRGB. Left out are the neighborhood of the red of a fall (dE below 60), grays, and what is darker
# than a luminance of 0.24: text of these colors has a contrast of 4.5 or more on the dark pages of
# the report, as WCAG 2 asks for.
_CODES = (
    "5a7dff 00ff00 ffb473 00ffff ff149b 509b37 f5f500 ebd7ff e600ff 0096be d7f5be 00ffaa "
    "ff96ff be737d aaff64 aa9b00 199b82 918c64 917dbe ffa500 b45ffa f5f07d 00b400 00a0ff "
    "9be6ff ff78af f546dc ffc8be 00ff6e 6ed291 87b400 a5b45f aa8237 e19bcd fad232 91c8b4 "
    "91befa beff9b beff00 a56ed7 5fd764 1ebec8 e6cd96 d755b4 96ffdc cd9173 64965f 6ee600 "
)
PALETTE: tuple[Color, ...] = tuple(
    (red, green, blue) for red, green, blue in map(bytes.fromhex, _CODES.split())
)

# This start value gives the classes of each shipped model colors of their own.
_HASH_START = 1415311


def class_color(name: str) -> Color:
    """Red, green, blue (0 to 255) of the name of an object class or an action.

    A name has the same color in every run and program. Red is reserved for falls.
    """
    if name == FALL_LABEL:
        return FALL_COLOR
    return PALETTE[crc32(name.encode(), _HASH_START) % len(PALETTE)]
