# SPDX-License-Identifier: Apache-2.0
"""Printed textures of the built-in objects: one image per object, filled rectangle by rectangle."""

from __future__ import annotations

import cv2
import numpy as np

from perception_kit.synth.shapes import Region

ATLAS = 512
RED, ORANGE, YELLOW, GREEN = (200, 30, 35), (235, 120, 25), (245, 205, 60), (40, 140, 70)
BLUE, WHITE, BLACK, GRAY, CREAM, TEAL = (
    (35, 75, 170),
    (240, 240, 236),
    (28, 28, 32),
    (125, 128, 132),
    (244, 228, 190),
    (25, 140, 150),
)
Color = tuple[int, int, int]


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
        scale = width / max(cv2.getTextSize(title, cv2.FONT_HERSHEY_DUPLEX, 1.0, 2)[0][0], 1) * 0.9
        scale = min(scale, height / 90)
        cv2.putText(
            canvas,
            title,
            (int(width * 0.05), int(height * 0.28)),
            cv2.FONT_HERSHEY_DUPLEX,
            scale,
            ink,
            max(1, round(2.2 * scale)),
            cv2.LINE_AA,
        )
        center = (int(width * rng.uniform(0.35, 0.65)), int(height * 0.5))
        cv2.ellipse(
            canvas,
            center,
            (max(3, width // 4), max(3, height // 9)),
            float(rng.uniform(-30, 30)),
            0,
            360,
            ink,
            -1,
            cv2.LINE_AA,
        )
        for line in range(lines):
            y = int(height * (0.68 + 0.26 * line / max(lines, 1)))
            cv2.line(
                canvas,
                (int(width * 0.08), y),
                (int(width * rng.uniform(0.4, 0.92)), y),
                ink,
                max(1, height // 90),
            )
        view[:] = canvas
        return region
