# SPDX-License-Identifier: Apache-2.0
"""Describes a flat pattern by its features as they look from several sides and distances."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from video_search.pictures import PictureError

# The pattern is described as seen at these sizes (pixels), tilts (1 / cosine) and turns (degrees).
VIEWS = (
    (256, 1.0, 0.0),
    (128, 1.0, 0.0),
    (64, 1.0, 0.0),
    *((side, 1.8, turn) for side in (192, 96) for turn in (0.0, 45.0, 90.0, 135.0)),
)
CONTRAST, EDGE = 0.02, 0.02
# A larger picture of a pattern is reduced first.
MAX_SIDE = 1024
# A pattern needs this many features of its own.
MIN_FEATURES = 12
# Its looks are compared at this size, at which blur and noise of a camera have gone.
LOOKS_SIDE = 32


@dataclass(frozen=True)
class Features:
    """N SIFT features of an image.

    ``places`` (N, 2) and ``frames`` (N, 2, 2), whose columns are the axes of each feature as long
    as it is large; ``values`` (N, 128) RootSIFT of norm 1.
    """

    places: np.ndarray
    frames: np.ndarray
    values: np.ndarray

    def __len__(self) -> int:
        return len(self.places)

    def chosen(self, numbers: np.ndarray) -> Features:
        """Those of some numbers, or of a mask."""
        return Features(self.places[numbers], self.frames[numbers], self.values[numbers])


@dataclass(frozen=True)
class Pattern:
    """A flat pattern by name; places in units of its height, which its width is ``aspect`` of.

    ``looks`` (S, S) float32 is its gray picture, small and square.
    """

    name: str
    aspect: float
    features: Features
    looks: np.ndarray


def detect(sift: cv2.SIFT, gray: np.ndarray) -> Features:
    """The features of an (H, W) uint8 image, in pixels."""
    keypoints, found = sift.detectAndCompute(gray, None)
    places = np.array([point.pt for point in keypoints], np.float32).reshape(-1, 2)
    sizes = np.array([point.size for point in keypoints], np.float32)
    angles = np.radians(np.array([point.angle for point in keypoints], np.float32))
    values = np.zeros((0, 128), np.float32) if found is None else found
    return Features(places, sizes[:, None, None] * _rotations(angles), _root(values))


def describe_pattern(name: str, rgb: np.ndarray) -> Pattern:
    """A pattern by its (H, W, 3) uint8 picture. Raises PictureError for too few features."""
    gray = cv2.cvtColor(np.ascontiguousarray(rgb), cv2.COLOR_RGB2GRAY)
    if max(gray.shape) > MAX_SIDE:  # a photograph, of which no view shows so much
        size = [max(1, round(side * MAX_SIDE / max(gray.shape))) for side in gray.shape[::-1]]
        gray = cv2.resize(gray, size, interpolation=cv2.INTER_AREA)
    height, width = gray.shape
    sift = cv2.SIFT.create(contrastThreshold=CONTRAST)
    views = []
    for side, tilt, turn in VIEWS:
        view, to_view = _tilted(gray, side / max(height, width), tilt, turn)
        found = detect(sift, view)
        to_pattern = cv2.invertAffineTransform(to_view) / height
        places = found.places @ to_pattern[:, :2].T + to_pattern[:, 2]
        # The edge of the picture is part of it, but not what it lies on.
        inside = places / [width / height, 1.0]
        is_own = ((inside > -EDGE) & (inside < 1 + EDGE)).all(axis=1)
        frames = to_pattern[:, :2] @ found.frames
        views.append(Features(places, frames, found.values).chosen(is_own))

    if len(views[0]) < MIN_FEATURES:
        raise PictureError(
            f"pattern '{name}' has {len(views[0])} features, at least {MIN_FEATURES} are needed:"
            " give a larger picture, or one with more corners and fewer plain areas"
        )
    looks = cv2.resize(gray, (LOOKS_SIDE, LOOKS_SIDE), interpolation=cv2.INTER_AREA)
    return Pattern(name, width / height, _joined(views), looks.astype(np.float32))


def _joined(views: Sequence[Features]) -> Features:
    return Features(
        np.concatenate([view.places for view in views]).astype(np.float32),
        np.concatenate([view.frames for view in views]).astype(np.float32),
        np.concatenate([view.values for view in views]),
    )


def _rotations(angles: np.ndarray) -> np.ndarray:
    """(N, 2, 2) of (N,) radians."""
    cosine, sine = np.cos(angles), np.sin(angles)
    return np.stack([np.stack([cosine, -sine], -1), np.stack([sine, cosine], -1)], -2)


def _root(values: np.ndarray) -> np.ndarray:
    """RootSIFT (Arandjelović and Zisserman, CVPR 2012): better distances at no cost."""
    return np.sqrt(values / np.maximum(values.sum(axis=1, keepdims=True), 1e-7))


def _tilted(
    gray: np.ndarray, scale: float, tilt: float, turn: float
) -> tuple[np.ndarray, np.ndarray]:
    """The picture seen from the side, and the (2, 3) transform to that view.

    As ASIFT does it (Morel and Yu, SIAM 2009): turned by ``turn`` degrees, then made narrower by
    the factor ``tilt``.
    """
    cosine, sine = np.cos(np.radians(turn)), np.sin(np.radians(turn))
    linear = scale * np.diag([1 / tilt, 1.0]) @ np.array([[cosine, -sine], [sine, cosine]])
    height, width = gray.shape
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]]) @ linear.T
    border = 0.1 * scale * max(height, width)
    shift = border - corners.min(axis=0)
    size = np.ceil(corners.max(axis=0) + shift + border).astype(int).tolist()
    to_view = np.column_stack([linear, shift])

    # Averaged before it is made smaller, as a camera does.
    sigma = 0.5 * (1 / scale - 1)
    smooth = cv2.GaussianBlur(gray, (0, 0), sigma) if sigma > 0.2 else gray
    view = cv2.warpAffine(
        smooth, to_view, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    if tilt > 1:
        view = cv2.GaussianBlur(view, (0, 0), 0.3)
    return view, to_view
