# SPDX-License-Identifier: Apache-2.0
"""What an RGB-D camera makes of a rendering.

Color: exposure, white balance, vignetting, blur and noise. Depth: noise that grows with the square
of the distance, as of a triangulating camera (Khoshelham and Oude Elberink, "Accuracy and
Resolution of Kinect Depth Data for Indoor Mapping Applications", Sensors 12 (2012)), lost edges and
slants, and holes.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from perception_kit.synth.lighting import pixel_directions
from perception_kit.synth.render import Rendering
from perception_kit.types import Intrinsics

MIN_DEPTH, MAX_DEPTH = 0.25, 6.0
"""Range of the depth camera, metres."""
_EDGE_RATIO = np.float32(1.04)
"""Neighbouring depths that differ by more than this factor are an edge."""
_LEVELS = 4096
"""Linear intensities that the camera tells apart."""
_LINEAR_TO_SRGB = np.rint(255 * (np.arange(_LEVELS) / (_LEVELS - 1)) ** (1 / 2.2)).astype(np.uint8)
"""8-bit sRGB of each of them."""


@dataclass
class Sensor:
    """One camera with its settings.

    ``exposure`` multiplies the radiance, ``white_balance`` (3,) the channels; ``vignette`` is the
    fraction of light lost in the corners. ``blur_px`` is the sigma of the lens, ``motion_px`` the
    length of the motion blur along ``motion_angle`` degrees. ``noise`` is the standard deviation of
    8-bit colours.

    ``depth_sigma`` is the depth noise in metres at 1 m (it grows with the square of the distance),
    ``edge_loss`` the fraction of pixels lost beside depth edges, ``grazing_cosine`` the slant
    beyond which depth is lost, ``hole_fraction`` the fraction of pixels in holes of about
    ``hole_size`` pixels.
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
        """A random camera; each split has ranges of its own.

        Coarse blotchy holes are only in "test", heavy blur is only in "train".
        """
        train = split == "train"
        exposure = float(rng.uniform(0.7, 1.35) if train else rng.uniform(0.9, 1.15))
        red, green, blue = (
            rng.uniform(0.85, 1.15, 3) if train else rng.uniform(0.95, 1.05, 3)
        ).tolist()

        return Sensor(
            exposure=exposure,
            white_balance=(red, green, blue),
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
        # Exposure, with a vignette that grows with the square of the distance from the centre.
        height, width = radiance.shape[1:]
        x = np.linspace(-1, 1, width, dtype=np.float32)
        y = np.linspace(-1, 1, height, dtype=np.float32)
        vignette = 1 - np.float32(self.vignette / 2) * (x[None] ** 2 + y[:, None] ** 2)
        gain = np.float32(self.exposure * (_LEVELS - 1)) * vignette

        # Digitisation, which saturates, and the tone curve.
        channels = []
        for channel in range(3):
            level = radiance[channel] * gain * np.float32(self.white_balance[channel])
            level = np.minimum(level, np.float32(_LEVELS - 1)).astype(np.int16)
            channels.append(np.take(_LINEAR_TO_SRGB, level))

        # Blur of the lens and of motion.
        image = cv2.GaussianBlur(cv2.merge(channels), (0, 0), self.blur_px)
        if self.motion_px >= 1:
            image = cv2.filter2D(image, -1, _motion_kernel(self.motion_px, self.motion_angle))

        noise = rng.standard_normal(image.shape, dtype=np.float32) * np.float32(self.noise)
        return cv2.add(image, np.rint(noise).astype(np.int16), dtype=cv2.CV_8U)

    def depth_image(
        self, rendering: Rendering, intrinsics: Intrinsics, rng: np.random.Generator
    ) -> np.ndarray:
        """(H, W) uint16 depth in millimetres, 0 where the sensor sees nothing."""
        depth = np.where(np.isfinite(rendering.depth), rendering.depth, np.float32(0))

        # Random error: sigma(z) = depth_sigma * z ** 2.
        noise = rng.standard_normal(depth.shape, dtype=np.float32)
        measured = depth + noise * np.float32(self.depth_sigma) * depth * depth

        # Nothing is measured out of range, at edges and slants (the more likely the steeper), and
        # in holes.
        lost = (depth < MIN_DEPTH) | (depth > MAX_DEPTH)
        chance = rng.random(depth.shape, dtype=np.float32)
        lost |= _beside_edges(depth) & (chance < self.edge_loss)
        limit = np.float32(self.grazing_cosine) * (0.5 + chance)
        lost |= _slant_cosine(rendering.normals, intrinsics) < limit
        lost |= self._holes(depth.shape, rng)
        return np.where(lost, 0, np.rint(measured * 1000)).astype(np.uint16)

    def _holes(self, shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
        """(H, W) bool: cells of a coarse grid, rounded by smooth interpolation."""
        cells = (shape[0] // self.hole_size + 1, shape[1] // self.hole_size + 1)
        coarse = (rng.random(cells, dtype=np.float32) < self.hole_fraction).astype(np.float32)
        return cv2.resize(coarse, shape[::-1], interpolation=cv2.INTER_CUBIC) > 0.5


def _beside_edges(depth: np.ndarray) -> np.ndarray:
    """(H, W) bool: pixels within one pixel of a jump of the depth."""
    kernel = np.ones((3, 3), np.uint8)
    return cv2.dilate(depth, kernel) > _EDGE_RATIO * cv2.erode(depth, kernel)


def _slant_cosine(normals: np.ndarray, intrinsics: Intrinsics) -> np.ndarray:
    """(H, W) cosine between the (3, H, W) camera-frame normals and the direction to the camera."""
    x, y = pixel_directions(intrinsics)
    return np.abs(normals[0] * x + normals[1] * y + normals[2]) / np.sqrt(x * x + y * y + 1)


def _motion_kernel(length: float, angle: float) -> np.ndarray:
    """Mean along a line of ``length`` pixels at ``angle`` degrees."""
    size = int(np.ceil(length)) | 1
    line = np.zeros((size, size), np.float32)
    line[size // 2] = 1
    turn = cv2.getRotationMatrix2D((size // 2, size // 2), angle, 1.0)
    kernel = cv2.warpAffine(line, turn, (size, size))
    return kernel / kernel.sum()
