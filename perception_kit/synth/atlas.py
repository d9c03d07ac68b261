# SPDX-License-Identifier: Apache-2.0
"""Printed textures of the built-in objects: one image per object, filled rectangle by rectangle."""

from __future__ import annotations

import cv2
import numpy as np

from perception_kit.synth.shapes import Region

ATLAS = 512
"""Width and height of a texture, pixels."""

Color = tuple[int, int, int]
RED, ORANGE, YELLOW, GREEN = (200, 30, 35), (235, 120, 25), (245, 205, 60), (40, 140, 70)
TEAL, BLUE, CREAM = (25, 140, 150), (35, 75, 170), (244, 228, 190)
WHITE, GRAY, BLACK = (240, 240, 236), (125, 128, 132), (28, 28, 32)


class Atlas:
    """A texture that is filled rectangle by rectangle; coordinates are fractions with v up."""

    def __init__(self, base: Color) -> None:
        self.image = np.full((ATLAS, ATLAS, 3), base, np.uint8)

    def paint(self, region: Region, base: Color) -> np.ndarray:
        """Fill a region; returns its pixels, the top row first, to draw on."""
        u0, v0, u1, v1 = (round(value * ATLAS) for value in region)
        view = self.image[ATLAS - v1 : ATLAS - v0, u0:u1]
        view[:] = base
        return view

    def label(
        self, region: Region, base: Color, ink: Color, title: str, lines: int, seed: int
    ) -> Region:
        """A printed side: a big title, a blob as a picture, and lines of small print."""
        view = self.paint(region, base)
        height, width = view.shape[:2]
        canvas = np.ascontiguousarray(view)
        rng = np.random.default_rng(seed)

        # The title, as large as fits into 90 % of the width.
        font = cv2.FONT_HERSHEY_DUPLEX
        text_width = cv2.getTextSize(title, font, 1.0, 2)[0][0]
        scale = min(width / max(text_width, 1) * 0.9, height / 90)
        corner = (int(width * 0.05), int(height * 0.28))
        thickness = max(1, round(2.2 * scale))
        cv2.putText(canvas, title, corner, font, scale, ink, thickness, cv2.LINE_AA)

        # The picture.
        center = (int(width * rng.uniform(0.35, 0.65)), int(height * 0.5))
        axes = (max(3, width // 4), max(3, height // 9))
        tilt = float(rng.uniform(-30, 30))
        cv2.ellipse(canvas, center, axes, tilt, 0, 360, ink, -1, cv2.LINE_AA)

        # The small print.
        for line in range(lines):
            y = int(height * (0.68 + 0.26 * line / max(lines, 1)))
            start, end = (int(width * 0.08), y), (int(width * rng.uniform(0.4, 0.92)), y)
            cv2.line(canvas, start, end, ink, max(1, height // 90))

        view[:] = canvas
        return region
