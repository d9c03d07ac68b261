# SPDX-License-Identifier: Apache-2.0
"""Finds flat patterns (logos, labels, pictures) by local features and one plane's geometry.

SIFT features (Lowe, IJCV 2004) of the pattern and the frame are matched, and a homography that
many of them agree on (RANSAC) must map the pattern to a sound quadrilateral.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from perception_kit.videos.pictures import IMAGE_SUFFIXES
from video_search.frames import Frame
from video_search.pictures import PictureError, read_picture
from video_search.sightings import Sighting

NAME = "pattern"
# The pattern is described as seen at these sizes (pixels), tilts (1 / cosine) and turns (degrees).
VIEWS = (
    (256, 1.0, 0.0),
    (128, 1.0, 0.0),
    (64, 1.0, 0.0),
    *((side, 1.8, turn) for side in (192, 96) for turn in (0.0, 45.0, 90.0, 135.0)),
)
CONTRAST, EDGE = 0.02, 0.02
# A frame is enlarged or reduced by this at most, and to a side of so many pixels.
FRAME_SCALE = 1.0
MAX_FRAME_SIDE = 1600
# A pattern needs this many features of its own, and must be seen by so many that agree.
MIN_FEATURES, MIN_INLIERS, SURE_INLIERS = 12, 7, 25
LOWE_RATIO, REPROJECTION_PX = 0.85, 3.0
# The quadrilateral: not folded, larger than this, and no side is shortened more than this.
MIN_SIDE_PX, MAX_SIDE_RATIO = 16.0, 8.0
# A frame shows one pattern at this many places at most.
MOST_PLACES = 4
# Of the features matched where the pattern lies, so many must agree on it.
MIN_INLIER_RATIO = 0.25


@dataclass(frozen=True)
class Pattern:
    """A flat pattern by name: (N, 2) places of its features as fractions of its sides."""

    name: str
    places: np.ndarray
    features: np.ndarray
    aspect: float


class PatternMatcher:
    """Looks for patterns in frames; a frame may show one of each at several places."""

    name = NAME

    def __init__(self, patterns: Sequence[Pattern], settings: str) -> None:
        self.patterns = patterns
        self.settings = settings
        self._sift = cv2.SIFT.create(contrastThreshold=CONTRAST)

    @classmethod
    def of_folder(cls, folder: Path) -> PatternMatcher:
        """All pictures of a folder, called by their file names. Raises PictureError."""
        paths = [path for path in sorted(folder.glob("*")) if path.suffix.lower() in IMAGE_SUFFIXES]
        if not paths:
            raise PictureError(
                f"'{folder}' holds no picture of a pattern: expected {', '.join(IMAGE_SUFFIXES)}"
            )
        digest = hashlib.sha256(b"".join(path.name.encode() + path.read_bytes() for path in paths))
        patterns = [describe_pattern(path.stem, read_picture(path)) for path in paths]
        return cls(patterns, f"1 {digest.hexdigest()[:16]}")

    def __call__(self, frame: Frame) -> list[Sighting]:
        """The patterns that are seen."""
        return self.find(frame.rgb)

    def find(self, rgb: np.ndarray) -> list[Sighting]:
        """The patterns in an (H, W, 3) uint8 image."""
        scale = min(FRAME_SCALE, MAX_FRAME_SIDE / max(rgb.shape[:2]))
        gray = cv2.cvtColor(np.ascontiguousarray(rgb), cv2.COLOR_RGB2GRAY)
        keypoints, features = self._sift.detectAndCompute(_resized(gray, scale), None)
        if features is None:
            return []
        places = np.array([point.pt for point in keypoints], np.float32) / scale
        size = rgb.shape[1], rgb.shape[0]
        return [
            sighting
            for pattern in self.patterns
            for sighting in _seen(pattern, places, _root(features), size)
        ]


def _seen(
    pattern: Pattern, places: np.ndarray, features: np.ndarray, size: tuple[int, int]
) -> list[Sighting]:
    """Where a pattern is seen among the features of a frame, one place after the other."""
    found: list[Sighting] = []
    matcher = cv2.BFMatcher(cv2.NORM_L2)
    while len(features) >= MIN_INLIERS and len(found) < MOST_PLACES:
        pairs = matcher.knnMatch(pattern.features, features, k=2)
        matches = np.array(
            [
                (first.queryIdx, first.trainIdx)
                for first, second in pairs
                if first.distance < LOWE_RATIO * second.distance
            ],
            dtype=int,
        ).reshape(-1, 2)
        plane = _plane(pattern, pattern.places[matches[:, 0]], places[matches[:, 1]])
        if plane is None:
            break
        quad, confidence = plane
        box = np.clip([*quad.min(axis=0), *quad.max(axis=0)], 0, [*size, *size])
        found.append(
            Sighting("pattern", pattern.name, confidence, NAME, box=box.astype(np.float32))
        )
        outside = np.array([not _is_inside(quad, place) for place in places])
        places, features = places[outside], features[outside]
    return found


def _plane(
    pattern: Pattern, known: np.ndarray, seen: np.ndarray
) -> tuple[np.ndarray, float] | None:
    """The (4, 2) corners that (N, 2) matches agree on, and how sure that is; None where none do."""
    if len(seen) < MIN_INLIERS:
        return None
    stretch = np.array([pattern.aspect, 1.0], np.float32)
    homography, mask = cv2.findHomography(
        known * stretch, seen, cv2.USAC_MAGSAC, REPROJECTION_PX, maxIters=3000, confidence=0.999
    )
    if homography is None:
        return None
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32) * stretch
    quad = cv2.perspectiveTransform(corners[None], homography)[0]
    if not _is_sound(quad):
        return None

    # One place described at several sizes is one witness.
    inliers = mask[:, 0].astype(bool)
    count = len(np.unique(np.round(seen[inliers]), axis=0))
    inside = sum(_is_inside(quad, place) for place in seen)
    if count < MIN_INLIERS or inliers.sum() < MIN_INLIER_RATIO * inside:
        return None
    return quad, 0.5 + 0.5 * min(1.0, (count - MIN_INLIERS) / (SURE_INLIERS - MIN_INLIERS))


def describe_pattern(name: str, rgb: np.ndarray) -> Pattern:
    """The features of a pattern's (H, W, 3) uint8 picture. Raises PictureError for too few."""
    gray = cv2.cvtColor(np.ascontiguousarray(rgb), cv2.COLOR_RGB2GRAY)
    height, width = gray.shape
    places, features = [], []
    for side, tilt, turn in VIEWS:
        view, to_view = _tilted(gray, side / max(height, width), tilt, turn)
        keypoints, found = cv2.SIFT.create(contrastThreshold=CONTRAST).detectAndCompute(view, None)
        if found is None:
            continue
        spots = np.array([[point.pt for point in keypoints]], np.float32)
        spots = cv2.transform(spots, cv2.invertAffineTransform(to_view))[0] / [width, height]
        # The edge of the picture is part of it, but not what it lies on.
        is_own = ((spots > -EDGE) & (spots < 1 + EDGE)).all(axis=1)
        places.append(spots[is_own])
        features.append(_root(found[is_own]))
    count = len(features[0]) if features else 0
    if count < MIN_FEATURES:
        raise PictureError(
            f"pattern '{name}' has {count} features, at least {MIN_FEATURES} are needed: give a"
            " larger picture, or one with more corners and fewer plain areas"
        )
    return Pattern(
        name,
        np.concatenate(places).astype(np.float32),
        np.concatenate(features),
        width / height,
    )


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


def _root(features: np.ndarray) -> np.ndarray:
    """RootSIFT (Arandjelović and Zisserman, CVPR 2012): better distances at no cost."""
    return np.sqrt(features / np.maximum(features.sum(axis=1, keepdims=True), 1e-7))


def _resized(gray: np.ndarray, scale: float) -> np.ndarray:
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return cv2.resize(gray, None, fx=scale, fy=scale, interpolation=interpolation)


def _is_inside(quad: np.ndarray, point: np.ndarray) -> bool:
    return cv2.pointPolygonTest(quad, point.tolist(), False) >= 0


def _is_sound(quad: np.ndarray) -> bool:
    """Whether a (4, 2) quadrilateral can be a rectangle seen from its front."""
    sides = np.roll(quad, -1, axis=0) - quad
    lengths = np.linalg.norm(sides, axis=1)
    following = np.roll(sides, -1, axis=0)
    turns = sides[:, 0] * following[:, 1] - sides[:, 1] * following[:, 0]
    return bool(
        np.isfinite(quad).all()
        and (turns > 0).all()
        and lengths.min() >= MIN_SIDE_PX / 2
        and lengths.max() >= MIN_SIDE_PX
        and lengths.max() / lengths.min() <= MAX_SIDE_RATIO
    )
