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
# Sides of the pattern at which it is described, pixels: it may be seen large or small.
PATTERN_SIDES = (320, 160, 80)
# A frame is enlarged so that a pattern of 40 pixels has features enough.
FRAME_SCALE = 2.0
MAX_FRAME_SIDE = 1600
# A pattern needs this many features of its own, and must be seen by so many that agree.
MIN_FEATURES, MIN_INLIERS, SURE_INLIERS = 12, 8, 25
LOWE_RATIO, REPROJECTION_PX = 0.8, 4.0
# The quadrilateral: not folded, larger than this, and no side is shortened more than this.
MIN_SIDE_PX, MAX_SIDE_RATIO = 16.0, 8.0
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
        self._sift = cv2.SIFT.create(contrastThreshold=0.02)

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
        features = _root(features)

        matcher = cv2.BFMatcher(cv2.NORM_L2)
        found = []
        for pattern in self.patterns:
            pairs = matcher.knnMatch(features, pattern.features, k=2)
            matches = np.array(
                [
                    (first.queryIdx, first.trainIdx)
                    for first, second in _unambiguous(pairs, pattern)
                    if first.distance < LOWE_RATIO * second
                ],
                dtype=int,
            ).reshape(-1, 2)
            found += _places(pattern, places[matches[:, 0]], pattern.places[matches[:, 1]], rgb)
        return found


def describe_pattern(name: str, rgb: np.ndarray) -> Pattern:
    """The features of a pattern's (H, W, 3) uint8 picture. Raises PictureError for too few."""
    gray = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    height, width = gray.shape
    sift = cv2.SIFT.create(contrastThreshold=0.02)
    places, features = [], []
    for side in PATTERN_SIDES:
        scaled = _resized(gray, side / max(height, width))
        # The edge of the picture is seen on something, not beside nothing.
        border = side // 8
        framed = cv2.copyMakeBorder(scaled, border, border, border, border, cv2.BORDER_REPLICATE)
        keypoints, found = sift.detectAndCompute(framed, None)
        if found is None:
            continue
        spots = np.array([point.pt for point in keypoints], np.float32) - border
        places.append(spots / [scaled.shape[1], scaled.shape[0]])
        features.append(_root(found))
    count = sum(map(len, features))
    if count < MIN_FEATURES:
        raise PictureError(
            f"pattern '{name}' has {count} features, at least {MIN_FEATURES} are needed: give a"
            " larger picture, or one with more corners than plain areas and smooth edges"
        )
    return Pattern(
        name,
        np.concatenate(places).astype(np.float32),
        np.concatenate(features),
        width / height,
    )


def _root(features: np.ndarray) -> np.ndarray:
    """RootSIFT (Arandjelović and Zisserman, CVPR 2012): better distances at no cost."""
    return np.sqrt(features / np.maximum(features.sum(axis=1, keepdims=True), 1e-7))


def _resized(gray: np.ndarray, scale: float) -> np.ndarray:
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return cv2.resize(gray, None, fx=scale, fy=scale, interpolation=interpolation)


def _unambiguous(
    pairs: Sequence[Sequence[cv2.DMatch]], pattern: Pattern
) -> list[tuple[cv2.DMatch, float]]:
    """Best matches with the distance of the second, which must lie at another place."""
    kept = []
    for pair in pairs:
        if len(pair) < 2:
            continue
        first, second = pair
        apart = np.abs(pattern.places[first.trainIdx] - pattern.places[second.trainIdx]).max()
        kept.append((first, np.inf if apart < 0.05 else second.distance))
    return kept


def _places(
    pattern: Pattern, seen: np.ndarray, known: np.ndarray, rgb: np.ndarray
) -> list[Sighting]:
    """Where (N, 2) places in the image and their matches in the pattern agree on a plane."""
    found = []
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)
    known = known * [pattern.aspect, 1.0]
    while len(seen) >= MIN_INLIERS:
        homography, mask = cv2.findHomography(
            known.astype(np.float32), seen, cv2.USAC_MAGSAC, REPROJECTION_PX, maxIters=4000
        )
        if homography is None:
            break
        inliers = mask[:, 0].astype(bool)
        quad = cv2.perspectiveTransform(
            (corners * [pattern.aspect, 1])[None].astype(np.float32), homography
        )[0]
        count = len(np.unique(np.round(known[inliers], 2), axis=0))
        if count < MIN_INLIERS or not _is_sound(quad):
            break
        inside = np.array(
            [cv2.pointPolygonTest(quad, point.tolist(), False) >= 0 for point in seen]
        )
        if inliers.sum() >= MIN_INLIER_RATIO * max(1, inside.sum()):
            height, width = rgb.shape[:2]
            box = np.clip([*quad.min(axis=0), *quad.max(axis=0)], 0, [width, height] * 2)
            confidence = 0.5 + 0.5 * min(1.0, (count - MIN_INLIERS) / SURE_INLIERS)
            found.append(
                Sighting("pattern", pattern.name, confidence, NAME, box=box.astype(np.float32))
            )
        seen, known = seen[~(inside | inliers)], known[~(inside | inliers)]
    return found


def _is_inside(quad: np.ndarray, point: np.ndarray) -> bool:
    return cv2.pointPolygonTest(quad, point.tolist(), False) >= 0


def _is_sound(quad: np.ndarray) -> bool:
    """Whether a (4, 2) quadrilateral can be a rectangle seen from its front."""
    sides = np.roll(quad, -1, axis=0) - quad
    lengths = np.linalg.norm(sides, axis=1)
    turns = np.cross(sides, np.roll(sides, -1, axis=0))
    return bool(
        np.isfinite(quad).all()
        and (turns > 0).all()
        and lengths.min() >= MIN_SIDE_PX / 2
        and lengths.max() >= MIN_SIDE_PX
        and lengths.max() / lengths.min() <= MAX_SIDE_RATIO
    )
