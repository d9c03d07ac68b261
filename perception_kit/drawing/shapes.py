# SPDX-License-Identifier: Apache-2.0
"""Masks and 6D poses of object instances."""

from __future__ import annotations

import cv2
import numpy as np

from perception_kit.colors import AXIS_COLORS, Color, class_color
from perception_kit.drawing.canvas import BANNER_COLOR, GRAY, Canvas
from perception_kit.geometry import project, transform
from perception_kit.types import Instance, Intrinsics, PoseEstimate

_MASK_OPACITY = 0.35

# Pixels. What is beyond cannot be drawn with OpenCV's integers.
_FAR_OUTSIDE = 1e5

# Coordinates with 4 fractional bits, as OpenCV's ``shift`` takes them.
_SUBPIXEL_BITS = 4

_BOX_CORNERS = np.array([[x, y, z] for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (-0.5, 0.5)])

# Pairs of corners that differ in one coordinate.
_BOX_EDGES = [
    (i, j)
    for i in range(8)
    for j in range(i + 1, 8)
    if np.count_nonzero(_BOX_CORNERS[i] != _BOX_CORNERS[j]) == 1
]


def draw_mask(canvas: Canvas, instance: Instance) -> None:
    """The mask as a tint of the class color, and its outline; none where it leaves the image."""
    if instance.mask.size == 0:
        return

    color = class_color(instance.class_name)
    x, y = instance.mask_origin
    height, width = instance.mask.shape
    mask = instance.mask.astype(np.uint8)
    region = canvas.pixels[y : y + height, x : x + width]
    if region.shape[:2] != mask.shape:
        return

    # OpenCV blends several times faster than NumPy, in 8-bit integers.
    tint = np.broadcast_to(np.array(color, np.uint8), region.shape)
    tinted = cv2.addWeighted(region, 1 - _MASK_OPACITY, tint, _MASK_OPACITY, 0)
    region[:] = cv2.copyTo(tinted, mask, region.copy())

    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE, offset=(x, y))
    cv2.drawContours(canvas.pixels, contours, -1, color, canvas.line, cv2.LINE_AA)


def draw_pose(
    canvas: Canvas, pose: PoseEstimate, intrinsics: Intrinsics, points: np.ndarray | None
) -> None:
    """The projected outline of the model's (N, 3) surface ``points``, or its box, and its axes.

    Axes are half as long as the box. A model of estimated size is drawn as large as the estimate. A
    pose of low confidence is a grey outline without axes.
    """

    def to_pixels(model_points: np.ndarray) -> np.ndarray:
        return project(transform(model_points, pose.rotation, pose.translation), intrinsics)

    color = class_color(pose.class_name) if pose.is_confident else GRAY
    if points is not None:
        _draw_hull(canvas, to_pixels(points * pose.stretch(np.ptp(points, axis=0))), color)
    else:
        corners = to_pixels(_BOX_CORNERS * pose.size)
        for start, end in _BOX_EDGES:
            _draw_line(canvas, corners[start], corners[end], color, max(1, canvas.line - 1))

    if pose.is_confident:
        length = 0.5 * float(np.max(pose.size))
        origin, *tips = to_pixels(np.vstack([np.zeros(3), np.eye(3) * length]))
        for tip, axis_color in zip(tips, AXIS_COLORS, strict=True):
            _draw_line(canvas, origin, tip, axis_color, canvas.line + 1)


def _draw_hull(canvas: Canvas, pixels: np.ndarray, color: Color) -> None:
    """The convex hull of (N, 2) projected points, with a dark rim to show on every background."""
    if not np.isfinite(pixels).all() or np.abs(pixels).max() > _FAR_OUTSIDE:
        return

    hull = cv2.convexHull(pixels.astype(np.float32))
    fixed_point = [np.rint(hull * 2**_SUBPIXEL_BITS).astype(np.int32)]
    for line_color, width in ((BANNER_COLOR, canvas.line + 2), (color, canvas.line)):
        cv2.polylines(
            canvas.pixels, fixed_point, True, line_color, width, cv2.LINE_AA, _SUBPIXEL_BITS
        )


def _draw_line(
    canvas: Canvas, start: np.ndarray, end: np.ndarray, color: Color, width: int
) -> None:
    """A line between (2,) pixels; none where an end is behind the camera or far outside."""
    ends = np.array([start, end])
    if np.isfinite(ends).all() and np.abs(ends).max() < _FAR_OUTSIDE:
        first, second = np.rint(ends).astype(int).tolist()
        cv2.line(canvas.pixels, first, second, color, width, cv2.LINE_AA)
