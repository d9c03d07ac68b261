# SPDX-License-Identifier: Apache-2.0
"""Image to draw on, with line and text sizes for its height and a layout of its labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from perception_kit.colors import FALL_LABEL, Color
from perception_kit.types import ActionEstimate

# Dark background of the text at the top.
BANNER_COLOR: Color = (24, 26, 30)
BANNER_TRANSPARENCY = 0.25

# What is uncertain or lost.
GRAY: Color = (170, 170, 170)


@dataclass
class Canvas:
    """(H, W, 3) uint8 RGB ``pixels``, and where labels may still go."""

    pixels: np.ndarray
    labels: list[tuple[int, int, int, int]] = field(default_factory=list)
    banner: int = 0  # height in pixels
    frame: int = 0  # width in pixels of the frame that a fall puts around the image

    @classmethod
    def copy_of(cls, rgb: np.ndarray) -> Canvas:
        """A canvas that leaves the (H, W, 3) uint8 image ``rgb`` as it is."""
        return cls(np.ascontiguousarray(rgb).copy())

    @property
    def line(self) -> int:
        """Line width in pixels."""
        return max(1, round(self.pixels.shape[0] / 300))

    @property
    def text_size(self) -> int:
        """Font size in pixels."""
        return max(10, round(self.pixels.shape[0] / 38))

    def reserve(self, actions: Sequence[ActionEstimate]) -> None:
        """Keep labels away from the banner and the frame of the actions."""
        rows = self.pixels.shape[0]
        if any(action.label == FALL_LABEL for action in actions):
            self.banner, self.frame = round(rows / 9), max(2, round(rows / 60))
        elif actions:
            self.banner = round(rows / 14)

    def place_label(self, x: int, y: int, width: int, height: int) -> tuple[int, int]:
        """The first place at or below (x, y) that covers no other label and lies in the image."""
        right = self.pixels.shape[1] - self.frame - width
        bottom = self.pixels.shape[0] - self.frame - height
        x, y = max(self.frame, min(x, right)), max(self.banner, min(y, bottom))

        rows = (row for row in range(y, bottom + 1) if not self._is_taken(x, row, width, height))
        y = next(rows, y)
        self.labels.append((x, y, x + width, y + height))
        return x, y

    def _is_taken(self, x: int, y: int, width: int, height: int) -> bool:
        return any(
            left < x + width and x < right and top < y + height and y < bottom
            for left, top, right, bottom in self.labels
        )
