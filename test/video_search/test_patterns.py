# SPDX-License-Identifier: Apache-2.0
"""A flat pattern is found small, turned, tilted, blurred and half hidden, and nothing else is."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from poster_videos import poster

from video_search.pattern_views import describe_pattern
from video_search.patterns import PatternMatcher
from video_search.pictures import PictureError

CENTER = np.array([160.0, 120.0])


@pytest.fixture(scope="module")
def matcher() -> PatternMatcher:
    patterns = [describe_pattern(name, poster(seed)) for seed, name in enumerate(("acme", "zeta"))]
    return PatternMatcher(patterns, "")


def wall() -> np.ndarray:
    """(240, 320, 3) uint8 of textures with features of their own."""
    rng = np.random.default_rng(5)
    image = np.full((240, 320, 3), 128, np.uint8)
    for _ in range(60):
        corners = rng.integers([0, 0], [320, 240], (1, 2)) + rng.integers(-30, 30, (4, 2))
        cv2.fillPoly(
            image, [corners.astype(np.int32)], [int(value) for value in rng.integers(30, 220, 3)]
        )
    return cv2.GaussianBlur(image, (0, 0), 0.7)


def shown(
    picture: np.ndarray,
    side: float,
    turn: float = 0.0,
    tilt: float = 0.0,
    blur: float = 0.0,
    hidden: float = 0.0,
    center: np.ndarray = CENTER,
    behind: np.ndarray | None = None,
) -> np.ndarray:
    """The picture before the wall; degrees, pixels, and the fraction that is covered."""
    frame = wall() if behind is None else behind
    half = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], np.float32) / 2
    angle = np.radians(turn)
    turned = half @ np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    depth = 4 + turned[:, 0] * np.sin(np.radians(tilt))
    flat = turned * [np.cos(np.radians(tilt)), 1.0] * (4 / depth)[:, None]
    quad = (side * flat + center).astype(np.float32)

    size = picture.shape[0]
    corners = np.array([[0, 0], [size, 0], [size, size], [0, size]], np.float32)
    to_frame = np.diag([4.0, 4.0, 1.0]) @ cv2.getPerspectiveTransform(corners, quad)
    covered = np.ones((size, size), np.float32)
    covered[:, : round(hidden * size)] = 0
    # Drawn four times as large and averaged, as a camera does.
    drawn, mask = (
        cv2.resize(
            cv2.warpPerspective(image, to_frame, (1280, 960)),
            (320, 240),
            interpolation=cv2.INTER_AREA,
        )
        for image in (picture, covered)
    )
    if blur:
        drawn, mask = (cv2.GaussianBlur(image, (0, 0), blur) for image in (drawn, mask))
    return (frame * (1 - mask[..., None]) + drawn * mask[..., None]).astype(np.uint8)


@pytest.mark.parametrize(
    "view",
    [
        {"side": 100},
        {"side": 44},
        {"side": 60, "turn": 130},
        {"side": 60, "tilt": 50, "turn": 20},
        {"side": 90, "blur": 1.5},
        {"side": 70, "hidden": 0.4},
        {"side": 80, "hidden": 0.3, "tilt": 30},
    ],
    ids=str,
)
def test_it_is_found_where_it_is(matcher: PatternMatcher, view: dict[str, float]) -> None:
    (seen,) = matcher.find(shown(poster(0), **view))  # type: ignore[arg-type]
    assert seen.label == "acme"
    assert seen.box is not None
    assert np.abs((seen.box[:2] + seen.box[2:]) / 2 - CENTER).max() < 0.15 * view["side"]
    assert 0.5 <= seen.confidence <= 1.0


def test_nothing_else_is_found(matcher: PatternMatcher) -> None:
    assert matcher.find(wall()) == []
    for seed in range(2, 7):
        assert matcher.find(shown(poster(seed), 110, turn=15 * seed)) == []
    assert matcher.find(np.full((240, 320, 3), 90, np.uint8)) == []


def test_two_at_once_are_two(matcher: PatternMatcher) -> None:
    left = shown(poster(0), 80, center=np.array([80.0, 120.0]))
    both = shown(poster(1), 90, turn=30, center=np.array([230.0, 120.0]), behind=left)
    assert sorted(seen.label for seen in matcher.find(both)) == ["acme", "zeta"]


def test_a_mirrored_one_is_another(matcher: PatternMatcher) -> None:
    mirrored = np.ascontiguousarray(poster(0)[:, ::-1])
    assert matcher.find(shown(mirrored, 100)) == []


def test_a_photograph_of_a_pattern_is_reduced() -> None:
    gray = np.repeat(poster()[..., :1], 3, axis=2)
    large = cv2.resize(gray, (4000, 4000), interpolation=cv2.INTER_CUBIC)
    small = cv2.resize(large, (1024, 1024), interpolation=cv2.INTER_AREA)
    described = [describe_pattern("acme", rgb).features for rgb in (large, small)]
    assert len(described[0]) == len(described[1])


def test_a_plain_picture_is_refused() -> None:
    with pytest.raises(PictureError, match="at least 12 are needed"):
        describe_pattern("plain", np.full((80, 80, 3), 200, np.uint8))
