# SPDX-License-Identifier: Apache-2.0
"""What the nodes see, drawn on the image: masks, boxes, identities, poses and actions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from perception_kit.colors import AXIS_COLORS, FALL_COLOR, FALL_LABEL, WHITE, Color, class_color
from perception_kit.geometry import project, transform
from perception_kit.types import (
    ActionEstimate,
    FrameResults,
    Instance,
    Intrinsics,
    PoseEstimate,
    TrackEstimate,
    TrackState,
)

_BANNER_COLOR: Color = (24, 26, 30)
_GRAY: Color = (170, 170, 170)
_MASK_OPACITY = 0.35
_FAR_OUTSIDE = 1e5  # pixels; what is beyond cannot be drawn with OpenCV's integers
_BOX_CORNERS = np.array([[x, y, z] for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (-0.5, 0.5)])
_BOX_EDGES = [
    (i, j)
    for i in range(8)
    for j in range(i + 1, 8)
    if np.count_nonzero(_BOX_CORNERS[i] != _BOX_CORNERS[j]) == 1
]


def draw_overlay(rgb: np.ndarray, scene: FrameResults) -> np.ndarray:
    """A copy of the (H, W, 3) uint8 RGB image with everything in ``scene`` drawn on it; line and
    text sizes follow the image height.
    """
    canvas = _Canvas(np.ascontiguousarray(rgb).copy())
    canvas.reserve(scene.actions)
    posed = (
        {pose.detection_index for pose in scene.poses if pose.is_confident}
        if scene.intrinsics is not None
        else set()
    )
    for instance in scene.instances:
        _draw_mask(canvas, instance)
    if scene.intrinsics is not None:
        for pose in scene.poses:
            _draw_pose(canvas, pose, scene.intrinsics, scene.model_points.get(pose.class_name))
    tags = _tags(scene)
    for tag in tags:
        if tag.index not in posed:  # else the outline of the model shows the extent
            _draw_rectangle(canvas, tag)
    for tag in tags:  # no rectangle goes through a name
        _draw_name(canvas, tag)
    _draw_banner(canvas, scene.actions)
    return canvas.pixels


def draw_outline(rgb: np.ndarray, silhouette: np.ndarray, color: Color) -> np.ndarray:
    """A copy of the (H, W, 3) uint8 image with the edge of a (H, W) bool silhouette, holes
    included, drawn in ``color``.
    """
    canvas = _Canvas(np.ascontiguousarray(rgb).copy())
    contours, _ = cv2.findContours(
        silhouette.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE
    )
    cv2.drawContours(canvas.pixels, contours, -1, color, canvas.line, cv2.LINE_AA)
    return canvas.pixels


def draw_caption(rgb: np.ndarray, lines: Sequence[tuple[str, Color]]) -> np.ndarray:
    """A copy of the (H, W, 3) uint8 image with lines of text, each in its colour, on a dark bar at
    the top.
    """
    canvas = _Canvas(np.ascontiguousarray(rgb).copy())
    letters = [(_letters(text, canvas.text_size), color) for text, color in lines]
    margin = canvas.text_size // 3
    bar = canvas.pixels[: sum(line.shape[0] for line, _ in letters) + 2 * margin]
    bar[:] = (bar * 0.25 + np.array(_BANNER_COLOR) * 0.75).astype(np.uint8)
    top = margin
    for line, color in letters:
        _draw_letters(canvas.pixels, line, margin, top, color)
        top += line.shape[0]
    return canvas.pixels


@dataclass
class _Canvas:
    """The picture, the size of lines and text for its height, and where labels may still go."""

    pixels: np.ndarray
    labels: list[tuple[int, int, int, int]] = field(default_factory=list)
    banner: int = 0  # height in pixels
    frame: int = 0  # width in pixels of the frame that a fall puts around the image

    @property
    def line(self) -> int:
        return max(1, round(self.pixels.shape[0] / 300))

    @property
    def text_size(self) -> int:
        return max(10, round(self.pixels.shape[0] / 38))

    def reserve(self, actions: Sequence[ActionEstimate]) -> None:
        """Keep labels away from what the actions will cover."""
        rows = self.pixels.shape[0]
        if any(action.label == FALL_LABEL for action in actions):
            self.banner, self.frame = round(rows / 9), max(2, round(rows / 60))
        elif actions:
            self.banner = round(rows / 14)

    def free_place(self, x: int, y: int, width: int, height: int) -> tuple[int, int]:
        """The place at or below (x, y) that covers no other label and lies in the picture."""
        right, bottom = (
            self.pixels.shape[1] - self.frame - width,
            self.pixels.shape[0] - self.frame - height,
        )
        x, y = max(self.frame, min(x, right)), max(self.banner, min(y, bottom))
        y = next(
            (top for top in range(y, bottom + 1) if not self._is_taken(x, top, width, height)), y
        )
        self.labels.append((x, y, x + width, y + height))
        return x, y

    def _is_taken(self, x: int, y: int, width: int, height: int) -> bool:
        return any(
            left < x + width and x < right and top < y + height and y < bottom
            for left, top, right, bottom in self.labels
        )


@dataclass(frozen=True)
class _Tag:
    """The (4,) box of a track or of an instance that is not tracked, and what is written above it;
    ``index`` is that of the instance.
    """

    box: np.ndarray
    text: str
    color: Color
    index: int

    @property
    def corners(self) -> tuple[int, int, int, int]:
        return tuple(round(float(value)) for value in np.clip(self.box, -1e4, 1e4))


def _tags(scene: FrameResults) -> list[_Tag]:
    tracked = {track.detection_index for track in scene.tracks}
    spoken = {action.track_id: action.label for action in scene.actions}
    untracked = [
        _Tag(
            instance.box,
            f"{instance.class_name} {instance.score:.2f}",
            class_color(instance.class_name),
            index,
        )
        for index, instance in enumerate(scene.instances)
        if index not in tracked
    ]
    return untracked + [_track_tag(track, spoken.get(track.id)) for track in scene.tracks]


def _track_tag(track: TrackEstimate, action: str | None) -> _Tag:
    """A confirmed track in its class colour, a tentative one without its number, a lost one in
    grey.
    """
    color = class_color(track.class_name) if track.state is not TrackState.LOST else _GRAY
    text = (
        track.class_name
        if track.state is TrackState.TENTATIVE
        else f"{track.class_name} #{track.id}"
    )
    if track.state is TrackState.LOST:
        text += " lost"
    if action is not None:
        text += f": {action}"
        color = FALL_COLOR if action == FALL_LABEL else color
    return _Tag(track.box, text, color, track.detection_index)


def _draw_mask(canvas: _Canvas, instance: Instance) -> None:
    if instance.mask.size == 0:
        return
    color = class_color(instance.class_name)
    x, y = instance.mask_origin
    height, width = instance.mask.shape
    mask = instance.mask.astype(np.uint8)
    region = canvas.pixels[y : y + height, x : x + width]
    tint = np.broadcast_to(np.array(color, np.uint8), region.shape)
    region[:] = cv2.copyTo(
        cv2.addWeighted(region, 1 - _MASK_OPACITY, tint, _MASK_OPACITY, 0), mask, region.copy()
    )
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE, offset=(x, y))
    cv2.drawContours(canvas.pixels, contours, -1, color, canvas.line, cv2.LINE_AA)


def _draw_pose(
    canvas: _Canvas, pose: PoseEstimate, intrinsics: Intrinsics, points: np.ndarray | None
) -> None:
    """The outline of the projected model, or its box, and its axes, which are as long as half the
    box; if unsure, a grey outline alone.
    """
    color = class_color(pose.class_name) if pose.is_confident else _GRAY
    if points is not None:
        _draw_hull(
            canvas, project(transform(points, pose.rotation, pose.translation), intrinsics), color
        )
    else:
        corners = project(
            transform(_BOX_CORNERS * pose.size, pose.rotation, pose.translation), intrinsics
        )
        for start, end in _BOX_EDGES:
            _draw_line(canvas, corners[start], corners[end], color, max(1, canvas.line - 1))
    if not pose.is_confident:
        return
    length = 0.5 * float(np.max(pose.size))
    tips = project(
        transform(np.vstack([np.zeros(3), np.eye(3) * length]), pose.rotation, pose.translation),
        intrinsics,
    )
    for axis, color in enumerate(AXIS_COLORS):
        _draw_line(canvas, tips[0], tips[axis + 1], color, canvas.line + 1)


def _draw_hull(canvas: _Canvas, pixels: np.ndarray, color: Color) -> None:
    """The convex hull of (N, 2) projected points, dark at its rim so that it shows on every
    background.
    """
    if not np.isfinite(pixels).all() or np.abs(pixels).max() > _FAR_OUTSIDE:
        return
    hull = cv2.convexHull(pixels.astype(np.float32))
    sixteenths = np.rint(hull * 16).astype(np.int32)
    cv2.polylines(canvas.pixels, [sixteenths], True, _BANNER_COLOR, canvas.line + 2, cv2.LINE_AA, 4)
    cv2.polylines(canvas.pixels, [sixteenths], True, color, canvas.line, cv2.LINE_AA, 4)


def _draw_line(
    canvas: _Canvas, start: np.ndarray, end: np.ndarray, color: Color, width: int
) -> None:
    if (
        np.isfinite([start, end]).all() and np.abs([start, end]).max() < _FAR_OUTSIDE
    ):  # behind or beside the camera: nothing to see
        cv2.line(
            canvas.pixels,
            tuple(np.rint(start).astype(int)),
            tuple(np.rint(end).astype(int)),
            color,
            width,
            cv2.LINE_AA,
        )


def _draw_rectangle(canvas: _Canvas, tag: _Tag) -> None:
    left, top, right, bottom = tag.corners
    cv2.rectangle(canvas.pixels, (left, top), (right, bottom), tag.color, canvas.line, cv2.LINE_AA)


def _draw_name(canvas: _Canvas, tag: _Tag) -> None:
    """Above the left top corner of the box."""
    left, top, _, _ = tag.corners
    letters = _letters(tag.text, canvas.text_size)
    margin = max(2, canvas.text_size // 6)
    height, width = letters.shape[0] + 2 * margin, letters.shape[1] + 2 * margin
    x, y = canvas.free_place(left, top - height, width, height)
    region = canvas.pixels[y : y + height, x : x + width]
    region[:] = (region * 0.2 + np.array(tag.color) * 0.8).astype(np.uint8)
    brightness = np.dot(tag.color, (0.299, 0.587, 0.114))
    _draw_letters(
        canvas.pixels, letters, x + margin, y + margin, WHITE if brightness < 110 else (0, 0, 0)
    )


def _draw_banner(canvas: _Canvas, actions: Sequence[ActionEstimate]) -> None:
    """A bar at the top with the action; a fall turns it red, and frames the whole image."""
    if not actions:
        return
    falls = [action for action in actions if action.label == FALL_LABEL]
    shown = max(falls or actions, key=lambda action: action.score)
    rows, columns = canvas.pixels.shape[:2]
    bar = canvas.pixels[: canvas.banner]
    bar[:] = FALL_COLOR if falls else (bar * 0.25 + np.array(_BANNER_COLOR) * 0.75).astype(np.uint8)
    letters = _letters(
        f"{'FALL' if falls else shown.label}  {shown.score:.0%}",
        max(8, round(canvas.banner * 0.62)),
    )
    _draw_letters(
        bar,
        letters,
        max(0, (columns - letters.shape[1]) // 2),
        max(0, (canvas.banner - letters.shape[0]) // 2),
        WHITE,
    )
    if falls:
        cv2.rectangle(canvas.pixels, (0, 0), (columns - 1, rows - 1), FALL_COLOR, 2 * canvas.frame)


@lru_cache(maxsize=512)
def _letters(text: str, size: int) -> np.ndarray:
    """(h, w) float32 coverage, 0 to 1, of a line of text whose capitals and descenders all fit."""
    font = ImageFont.load_default(size)
    ascent, descent = font.getmetrics()
    picture = Image.new("L", (max(1, round(font.getlength(text)) + 1), ascent + descent))
    ImageDraw.Draw(picture).text((0, 0), text, fill=255, font=font)
    return np.asarray(picture, np.float32) / 255


def _draw_letters(pixels: np.ndarray, letters: np.ndarray, x: int, y: int, color: Color) -> None:
    region = pixels[y : y + letters.shape[0], x : x + letters.shape[1]]
    coverage = letters[: region.shape[0], : region.shape[1], None]
    region[:] = (region * (1 - coverage) + np.array(color, np.float32) * coverage).astype(np.uint8)
