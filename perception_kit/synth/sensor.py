# SPDX-License-Identifier: Apache-2.0
"""What an RGB-D camera makes of a rendering: exposure, white balance, blur, noise; depth noise,
edges and holes.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from perception_kit.synth.lighting import pixel_directions
from perception_kit.synth.render import Rendering
from perception_kit.types import Intrinsics

MAX_DEPTH = 6.0
MIN_DEPTH = 0.25
_LEVELS = 4096
_LINEAR_TO_SRGB = np.rint(255 * (np.arange(_LEVELS) / (_LEVELS - 1)) ** (1 / 2.2)).astype(np.uint8)


@dataclass
class Sensor:
    """One camera with its settings.

    ``exposure`` multiplies the radiance, ``white_balance`` (3,) the channels. ``blur_px`` is the
    sigma of the lens, ``motion_px`` the length of the motion blur along ``motion_angle`` degrees.
    ``noise`` is the standard deviation of 8-bit colours. ``depth_sigma`` is the depth noise in
    metres at 1 m (it grows with the square of the distance), ``edge_loss`` the share of pixels lost
    beside depth edges, ``grazing_cosine`` the slant beyond which depth is lost, ``hole_fraction`` the
    share of pixels in holes of about ``hole_size`` pixels.
    """

    exposure: float = 1.0
    white_balance: tuple[float, float, float] = (1.0, 1.0, 1.0)
    vignette: float = 0.15
    blur_px: float = 0.55
    motion_px: float = 0.0
    motion_angle: float = 0.0
    noise: float = 2.5
    depth_sigma: float = 0.0012
    edge_loss: float = 0.6
    grazing_cosine: float = 0.15
    hole_fraction: float = 0.004
    hole_size: int = 5

    @staticmethod
    def sample(rng: np.random.Generator, split: str) -> Sensor:
        """A random camera; each split has ranges of its own (coarse blotchy holes only in "test",
        heavy blur only in "train").
        """
        train = split == "train"
        return Sensor(
            exposure=float(rng.uniform(0.7, 1.35) if train else rng.uniform(0.9, 1.15)),
            white_balance=tuple(
                (rng.uniform(0.85, 1.15, 3) if train else rng.uniform(0.95, 1.05, 3)).tolist()
            ),
            vignette=float(rng.uniform(0.0, 0.3)),
            blur_px=float(rng.uniform(0.4, 1.1) if train else rng.uniform(0.5, 0.7)),
            motion_px=float(rng.uniform(1.5, 6.0)) if train and rng.random() < 0.25 else 0.0,
            motion_angle=float(rng.uniform(0, 180)),
            noise=float(rng.uniform(1.0, 7.0) if train else rng.uniform(2.0, 4.0)),
            depth_sigma=float(rng.uniform(0.0006, 0.0020) if train else 0.0012),
            edge_loss=float(rng.uniform(0.3, 0.9) if train else 0.6),
            grazing_cosine=float(rng.uniform(0.05, 0.3) if train else 0.18),
            hole_fraction=float(rng.uniform(0.0, 0.02) if train else 0.005),
            hole_size={"train": int(rng.integers(2, 7)), "val": 8, "test": 12}[split],
        )

    def color_image(self, radiance: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """(H, W, 3) uint8 sRGB image of (3, H, W) float32 linear radiance."""
        height, width = radiance.shape[1:]
        x, y = (
            np.linspace(-1, 1, width, dtype=np.float32),
            np.linspace(-1, 1, height, dtype=np.float32),
        )
        gain = np.float32(self.exposure * (_LEVELS - 1)) * (
            1 - np.float32(self.vignette / 2) * (x[None] ** 2 + y[:, None] ** 2)
        )
        channels = []
        for channel in range(3):
            index = np.minimum(
                radiance[channel] * gain * np.float32(self.white_balance[channel]),
                np.float32(_LEVELS - 1),
            ).astype(np.int16)
            channels.append(np.take(_LINEAR_TO_SRGB, index))
        image = cv2.GaussianBlur(cv2.merge(channels), (0, 0), self.blur_px)
        if self.motion_px >= 1:
            image = cv2.filter2D(image, -1, _motion_kernel(self.motion_px, self.motion_angle))
        noise = rng.standard_normal(image.shape, dtype=np.float32)
        return cv2.add(
            image, np.rint(noise * np.float32(self.noise)).astype(np.int16), dtype=cv2.CV_8U
        )

    def depth_image(
        self, rendering: Rendering, intrinsics: Intrinsics, rng: np.random.Generator
    ) -> np.ndarray:
        """(H, W) uint16 depth in millimetres, 0 where the sensor sees nothing."""
        true = rendering.depth
        depth = np.where(np.isfinite(true), true, np.float32(0))
        measured = (
            depth
            + rng.standard_normal(depth.shape, dtype=np.float32)
            * np.float32(self.depth_sigma)
            * depth
            * depth
        )
        lost = (depth < MIN_DEPTH) | (depth > MAX_DEPTH)
        chance = rng.random(depth.shape, dtype=np.float32)
        lost |= _beside_edges(depth) & (chance < self.edge_loss)
        lost |= _slant(rendering.normals, intrinsics) < np.float32(self.grazing_cosine) * (
            0.5 + chance
        )
        lost |= self._holes(depth.shape, rng)
        return np.where(lost, 0, np.rint(measured * 1000)).astype(np.uint16)

    def _holes(self, shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
        coarse = (
            rng.random(
                (shape[0] // self.hole_size + 1, shape[1] // self.hole_size + 1), dtype=np.float32
            )
            < self.hole_fraction
        )
        return (
            cv2.resize(coarse.astype(np.float32), shape[::-1], interpolation=cv2.INTER_CUBIC) > 0.5
        )


def _beside_edges(depth: np.ndarray) -> np.ndarray:
    """Pixels within one pixel of a jump of the depth by more than 4 %."""
    kernel = np.ones((3, 3), np.uint8)
    return cv2.dilate(depth, kernel) > np.float32(1.04) * cv2.erode(depth, kernel)


def _slant(normals: np.ndarray, intrinsics: Intrinsics) -> np.ndarray:
    """(H, W) cosine between the (3, H, W) camera-frame normals and the direction to the camera."""
    x, y = pixel_directions(intrinsics)
    return np.abs(normals[0] * x + normals[1] * y + normals[2]) / np.sqrt(x * x + y * y + 1)


def _motion_kernel(length: float, angle: float) -> np.ndarray:
    size = int(np.ceil(length)) | 1
    line = np.zeros((size, size), np.float32)
    line[size // 2] = 1
    turn = cv2.getRotationMatrix2D((size // 2, size // 2), angle, 1.0)
    kernel = cv2.warpAffine(line, turn, (size, size))
    return kernel / kernel.sum()
