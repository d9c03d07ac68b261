# SPDX-License-Identifier: Apache-2.0
"""Finds flat patterns (logos, labels, pictures) by local features, one plane, and their looks.

SIFT features (Lowe, IJCV 2004) of the pattern and the frame are matched; ``planes`` says where the
pattern may lie by them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from perception_kit.videos.pictures import IMAGE_SUFFIXES
from video_search.frames import Frame
from video_search.named_pictures import named_pictures
from video_search.pattern_views import CONTRAST, Features, Pattern, describe_pattern, detect
from video_search.pictures import PictureError, read_picture
from video_search.planes import CELLS, Plane, planes
from video_search.sightings import Sighting

NAME = "pattern"
# A frame is reduced to a side of so many pixels.
MAX_FRAME_SIDE = 1600
# The second best feature of the frame must be so much further away.
LOWE_RATIO = 0.85
# A plane is a find with this many places that agree, parts that look alike, and of both together.
MIN_WITNESSES, MIN_CELLS, MIN_SUM = 3, 5, 10
# With so many of both, it is certain.
SURE_SUM = 30
# A frame shows one pattern at this many places at most.
MOST_PLACES = 4


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
        paths = named_pictures(folder)
        if not paths:
            raise PictureError(
                f"'{folder}' holds no picture of a pattern: expected {', '.join(IMAGE_SUFFIXES)}"
            )
        patterns = [describe_pattern(path.stem, read_picture(path)) for path in paths]
        digest = hashlib.sha256(b"".join(path.name.encode() + path.read_bytes() for path in paths))
        return cls(patterns, f"2 {digest.hexdigest()[:16]}")

    def __call__(self, frame: Frame) -> list[Sighting]:
        """The patterns that are seen."""
        return self.find(frame.rgb)

    def find(self, rgb: np.ndarray) -> list[Sighting]:
        """The patterns in an (H, W, 3) uint8 image."""
        scale = min(1.0, MAX_FRAME_SIDE / max(rgb.shape[:2]))
        gray = cv2.cvtColor(np.ascontiguousarray(rgb), cv2.COLOR_RGB2GRAY)
        if scale < 1:
            reduced = [max(1, round(side * scale)) for side in gray.shape[::-1]]
            gray = cv2.resize(gray, reduced, interpolation=cv2.INTER_AREA)
        features = detect(self._sift, gray)
        size = np.array([rgb.shape[1], rgb.shape[0]] * 2)
        return [
            _sighting(pattern, plane, scale, size)
            for pattern in self.patterns
            for plane in _seen(pattern, features, gray)
        ]


def _seen(pattern: Pattern, features: Features, gray: np.ndarray) -> list[Plane]:
    """Where a pattern is seen among the features of a frame, one place after the other."""
    found: list[Plane] = []
    while len(found) < MOST_PLACES and len(features) > 1:
        candidates = planes(pattern, features, _matches(pattern, features), gray)
        plane = next(filter(_is_find, candidates), None)
        if plane is None:
            break
        found.append(plane)
        inside = [
            cv2.pointPolygonTest(plane.quad, place.tolist(), False) >= 0
            for place in features.places
        ]
        features = features.chosen(~np.array(inside))
    return found


def _matches(pattern: Pattern, features: Features) -> np.ndarray:
    """(N, 2) features of the pattern and the nearest one of the frame, the surest first."""
    cosine = pattern.features.values @ features.values.T
    rows = np.arange(len(cosine))
    nearest = cosine.argmax(axis=1)
    best = cosine[rows, nearest]
    cosine[rows, nearest] = -1.0
    # Values have norm 1, so that distances are those of the angles.
    first, second = (np.sqrt(np.maximum(2 - 2 * c, 0.0)) for c in (best, cosine.max(axis=1)))
    ratio = first / np.maximum(second, 1e-6)
    chosen = np.flatnonzero(ratio < LOWE_RATIO)
    chosen = chosen[np.argsort(ratio[chosen], kind="stable")]
    return np.column_stack([chosen, nearest[chosen]])


def _is_find(plane: Plane) -> bool:
    return (
        plane.witnesses >= MIN_WITNESSES
        and plane.cells >= MIN_CELLS
        and plane.witnesses + plane.cells >= MIN_SUM
    )


def _sighting(pattern: Pattern, plane: Plane, scale: float, size: np.ndarray) -> Sighting:
    """A find in pixels of the frame whose ``size`` (4,) is its right and lower border, twice."""
    corners = np.concatenate([plane.quad.min(axis=0), plane.quad.max(axis=0)])
    box = np.clip(corners / scale, 0, size)
    witnesses = min(plane.witnesses, SURE_SUM - CELLS**2)
    share = (witnesses + plane.cells - MIN_SUM) / (SURE_SUM - MIN_SUM)
    confidence = 0.5 + 0.5 * min(1.0, share)
    return Sighting("pattern", pattern.name, confidence, NAME, box=box.astype(np.float32))
