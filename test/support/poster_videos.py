# SPDX-License-Identifier: Apache-2.0
"""Small videos that show a picture for a while."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from perception_kit.replay.video import VideoWriter


def poster(seed: int = 0, side: int = 160) -> np.ndarray:
    """(S, S, 3) uint8 RGB with corners enough to be recognized."""
    rng = np.random.default_rng(seed)
    image = np.full((side, side, 3), 230, np.uint8)
    for _ in range(14):
        color = tuple(int(value) for value in rng.integers(0, 200, 3))
        corners = rng.integers(0, side, (4, 2)).astype(np.int32)
        cv2.fillPoly(image, [corners], color)
    return image


def frames_with(picture: np.ndarray, seen: range, count: int = 30) -> Iterator[np.ndarray]:
    """Frames of noise, 320x240, that show a picture tilted in those of ``seen``."""
    rng = np.random.default_rng(1)
    wall = cv2.GaussianBlur(rng.integers(60, 200, (240, 320, 3)).astype(np.uint8), (0, 0), 3)
    side = picture.shape[0]
    corners = np.array([[0, 0], [side, 0], [side, side], [0, side]], np.float32)
    quad = np.array([[100, 60], [200, 75], [195, 170], [105, 185]], np.float32)
    homography = cv2.getPerspectiveTransform(corners, quad)
    mask = cv2.warpPerspective(np.ones((side, side), np.uint8), homography, (320, 240))
    drawn = cv2.warpPerspective(picture, homography, (320, 240), flags=cv2.INTER_AREA)
    for number in range(count):
        yield np.where(mask[..., None] > 0, drawn, wall) if number in seen else wall


def write_video(path: Path, frames: Iterator[np.ndarray], fps: float = 10.0) -> Path:
    """An MP4 file of frames at a fixed rate."""
    with VideoWriter(path) as writer:
        for number, frame in enumerate(frames):
            writer.write(frame, round(number * 1e9 / fps))
    return path
