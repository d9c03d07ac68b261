# SPDX-License-Identifier: Apache-2.0
"""Overlay of all results of a frame on its image."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from perception_kit.colors import FALL_COLOR, FALL_LABEL, WHITE
from perception_kit.drawing.canvas import BANNER_COLOR, BANNER_TRANSPARENCY, Canvas
from perception_kit.drawing.labels import draw_box, draw_name, frame_labels
from perception_kit.drawing.shapes import draw_mask, draw_pose
from perception_kit.drawing.text import draw_text, fill_color, render_text
from perception_kit.types import ActionEstimate, FrameResults


def draw_overlay(rgb: np.ndarray, results: FrameResults) -> np.ndarray:
    """A copy of the (H, W, 3) uint8 RGB image with all ``results`` drawn on it.

    Line and text sizes follow the image height.
    """
    canvas = Canvas.copy_of(rgb)
    canvas.reserve(results.actions)
    for instance in results.instances:
        draw_mask(canvas, instance)

    # The outline of a confident pose shows the extent of its instance, which needs no box then.
    posed = set()
    if results.intrinsics is not None:
        for pose in results.poses:
            points = results.model_points.get(pose.class_name)
            draw_pose(canvas, pose, results.intrinsics, points)
            if pose.is_confident:
                posed.add(pose.detection_index)

    # Names come after all boxes, so that no box crosses a name.
    labels = frame_labels(results)
    for label in labels:
        if label.index not in posed:
            draw_box(canvas, label)
    for label in labels:
        draw_name(canvas, label)

    _draw_banner(canvas, results.actions)
    return canvas.pixels


def _draw_banner(canvas: Canvas, actions: Sequence[ActionEstimate]) -> None:
    """A bar at the top with the action; a fall turns it red, and frames the whole image."""
    if not actions:
        return
    falls = [action for action in actions if action.label == FALL_LABEL]
    shown = max(falls or actions, key=lambda action: action.score)

    rows, columns = canvas.pixels.shape[:2]
    bar = canvas.pixels[: canvas.banner]
    if falls:
        bar[:] = FALL_COLOR
    else:
        fill_color(bar, BANNER_COLOR, BANNER_TRANSPARENCY)

    text = f"{'FALL' if falls else shown.label}  {shown.score:.0%}"
    coverage = render_text(text, max(8, round(canvas.banner * 0.62)))
    x = max(0, (columns - coverage.shape[1]) // 2)
    y = max(0, (canvas.banner - coverage.shape[0]) // 2)
    draw_text(bar, coverage, x, y, WHITE)

    if falls:
        cv2.rectangle(canvas.pixels, (0, 0), (columns - 1, rows - 1), FALL_COLOR, 2 * canvas.frame)
