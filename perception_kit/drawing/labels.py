# SPDX-License-Identifier: Apache-2.0
"""Boxes and names of tracks and untracked instances."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from perception_kit.colors import BLACK, FALL_COLOR, FALL_LABEL, WHITE, Color, class_color
from perception_kit.drawing.canvas import GRAY, Canvas
from perception_kit.drawing.text import draw_text, fill_color, render_text
from perception_kit.types import FrameResults, TrackEstimate, TrackState

NAME_TRANSPARENCY = 0.2

# Luma of RGB (ITU-R BT.601), for the choice between black and white text.
_LUMA_WEIGHTS = (0.299, 0.587, 0.114)


@dataclass(frozen=True)
class Label:
    """What is written above the (4,) box of a track or of an instance that is not tracked.

    ``index`` is that of the instance.
    """

    box: np.ndarray
    text: str
    color: Color
    index: int

    @property
    def corners(self) -> tuple[int, int, int, int]:
        """Left, top, right and bottom in pixels, within what OpenCV can draw."""
        left, top, right, bottom = np.clip(self.box, -1e4, 1e4).tolist()
        return round(left), round(top), round(right), round(bottom)


def frame_labels(results: FrameResults) -> list[Label]:
    """Labels of the instances that are not tracked and have a box, then those of the tracks."""
    tracked = {track.detection_index for track in results.tracks}
    actions = {action.track_id: action.label for action in results.actions}

    labels = []
    for index, instance in enumerate(results.instances):
        if index not in tracked and np.isfinite(instance.box).all():
            text = f"{instance.class_name} {instance.score:.2f}"
            labels.append(Label(instance.box, text, class_color(instance.class_name), index))
    labels += [_track_label(track, actions.get(track.id)) for track in results.tracks]
    return labels


def _track_label(track: TrackEstimate, action: str | None) -> Label:
    """Confirmed tracks have their number and class color; tentative ones no number."""
    color, text = class_color(track.class_name), track.class_name
    if track.state is not TrackState.TENTATIVE:
        text += f" #{track.id}"
    if track.state is TrackState.LOST:
        color = GRAY
        text += " lost"

    if action is not None:
        text += f": {action}"
        color = FALL_COLOR if action == FALL_LABEL else color
    return Label(track.box, text, color, track.detection_index)


def draw_box(canvas: Canvas, label: Label) -> None:
    """The rectangle of the box."""
    left, top, right, bottom = label.corners
    cv2.rectangle(
        canvas.pixels, (left, top), (right, bottom), label.color, canvas.line, cv2.LINE_AA
    )


def draw_name(canvas: Canvas, label: Label) -> None:
    """The text on its color, above the top left corner of the box where that is free."""
    coverage = render_text(label.text, canvas.text_size)
    margin = max(2, canvas.text_size // 6)
    height, width = coverage.shape[0] + 2 * margin, coverage.shape[1] + 2 * margin

    left, top, _, _ = label.corners
    x, y = canvas.place_label(left, top - height, width, height)
    fill_color(canvas.pixels[y : y + height, x : x + width], label.color, NAME_TRANSPARENCY)

    text_color = WHITE if np.dot(label.color, _LUMA_WEIGHTS) < 110 else BLACK
    draw_text(canvas.pixels, coverage, x + margin, y + margin, text_color)
