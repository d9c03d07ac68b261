# SPDX-License-Identifier: Apache-2.0
"""Outlines and captions for pages of examples."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from perception_kit.colors import Color
from perception_kit.drawing.canvas import BANNER_COLOR, BANNER_TRANSPARENCY, Canvas
from perception_kit.drawing.text import draw_text, fill_color, render_text


def draw_outline(rgb: np.ndarray, silhouette: np.ndarray, color: Color) -> np.ndarray:
    """A copy of the (H, W, 3) uint8 image with the edge of a (H, W) bool silhouette in ``color``.

    The edges of its holes are drawn, too.
    """
    canvas = Canvas.copy_of(rgb)
    contours, _ = cv2.findContours(
        silhouette.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE
    )
    cv2.drawContours(canvas.pixels, contours, -1, color, canvas.line, cv2.LINE_AA)
    return canvas.pixels


def draw_caption(rgb: np.ndarray, lines: Sequence[tuple[str, Color]]) -> np.ndarray:
    """A copy of the (H, W, 3) uint8 image with colored lines of text on a dark bar at the top."""
    canvas = Canvas.copy_of(rgb)
    rendered = [(render_text(text, canvas.text_size), color) for text, color in lines]
    margin = canvas.text_size // 3
    bar_height = sum(coverage.shape[0] for coverage, _ in rendered) + 2 * margin
    fill_color(canvas.pixels[:bar_height], BANNER_COLOR, BANNER_TRANSPARENCY)

    top = margin
    for coverage, color in rendered:
        draw_text(canvas.pixels, coverage, margin, top, color)
        top += coverage.shape[0]
    return canvas.pixels
