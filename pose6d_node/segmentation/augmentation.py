# SPDX-License-Identifier: Apache-2.0
"""Random changes of a training image.

Geometry moves the instance labels and the depth along, colour and sensor effects leave them.
"""

from __future__ import annotations

import cv2
import numpy as np

from pose6d_node.segmentation.depth_input import MAX_VALUE, STEPS

DEPTH_LIMIT = STEPS * MAX_VALUE  # the largest value of a depth channel in whole steps


def augment(
    rgb: np.ndarray, labels: np.ndarray, depth: np.ndarray | None, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Augmented image, its instance labels and, where given, its depth channel.

    ``rgb`` (H, W, 3) uint8, ``labels`` (H, W) uint8 with 0 for the background, ``depth`` (H, W)
    int16: ``depth_channel`` in whole steps. Images are not mirrored here: a mirrored print or a
    left-handed tool would be another object.
    """
    # Geometry and occlusion.
    if rng.random() < 0.8:
        rgb, labels, depth = random_affine(rgb, labels, depth, rng)
    if rng.random() < 0.3:
        rgb, labels, depth = random_cutout(rgb, labels, depth, rng)

    # Light and colour.
    rgb = random_tone(rgb, rng)
    if rng.random() < 0.5:
        rgb = random_hue_saturation(rgb, rng)

    # The sensors: blur, noise, sharpening (of the noise, too) and faults of the depth.
    if rng.random() < 0.3:
        rgb = cv2.GaussianBlur(rgb, (0, 0), rng.uniform(0.3, 1.2))
    if rng.random() < 0.5:
        deviation = np.exp(rng.uniform(np.log(1), np.log(20)))
        noise = rng.standard_normal(rgb.shape, dtype=np.float32) * np.float32(deviation)
        rgb = np.clip(rgb + noise, 0, 255).astype(np.uint8)
    if rng.random() < 0.3:
        rgb = random_sharpening(rgb, rng)
    if depth is not None:
        depth = random_depth_faults(depth, rng)

    return rgb, labels, depth


def random_affine(
    rgb: np.ndarray, labels: np.ndarray, depth: np.ndarray | None, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Scale by 0.7 to 2 and rotate by up to 10 degrees about an instance, shift by up to 10 %.

    The scale covers cameras of other focal lengths. The depth channel counts pixels per metre and
    so grows with the scale.
    """
    height, width = labels.shape
    center = _pixel_of_an_instance(labels, rng) or ((width - 1) / 2, (height - 1) / 2)
    scale = np.exp(rng.uniform(np.log(0.7), np.log(2.0)))
    matrix = np.asarray(cv2.getRotationMatrix2D(center, rng.uniform(-10, 10), scale), np.float64)
    matrix[:, 2] += rng.uniform(-0.1, 0.1, 2) * (width, height)

    def warp(image: np.ndarray, interpolation: int, border: int) -> np.ndarray:
        size = width, height
        return cv2.warpAffine(image, matrix, size, flags=interpolation, borderMode=border)

    # Colour and depth go on over the edge; there are no instances beyond it.
    rgb = warp(rgb, cv2.INTER_LINEAR, cv2.BORDER_REPLICATE)
    labels = warp(labels, cv2.INTER_NEAREST, cv2.BORDER_CONSTANT)
    if depth is not None:
        depth = warp(depth, cv2.INTER_NEAREST, cv2.BORDER_REPLICATE)
        depth = np.minimum(depth * scale, DEPTH_LIMIT).astype(np.int16)
    return rgb, labels, depth


def _pixel_of_an_instance(
    labels: np.ndarray, rng: np.random.Generator
) -> tuple[float, float] | None:
    """(x, y) of one, None where there are no instances. It stays in the image, however scaled."""
    instances = np.unique(labels[labels > 0])
    if not len(instances):
        return None
    rows, columns = np.nonzero(labels == rng.choice(instances))
    chosen = int(rng.integers(len(rows)))
    return float(columns[chosen]), float(rows[chosen])


def random_cutout(
    rgb: np.ndarray, labels: np.ndarray, depth: np.ndarray | None, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Cover one to three rectangles with a colour, as unseen objects in front would.

    Each has sides of up to a quarter of the image, and is nearer than what it covers.
    """
    rgb, labels = rgb.copy(), labels.copy()
    depth = None if depth is None else depth.copy()
    height, width = labels.shape
    for _ in range(rng.integers(1, 4)):
        h, w = rng.integers(height // 20, height // 4), rng.integers(width // 20, width // 4)
        y, x = rng.integers(0, height - h), rng.integers(0, width - w)
        color, nearer = rng.integers(0, 256, 3), rng.uniform(1, 1.3)

        rgb[y : y + h, x : x + w] = color
        labels[y : y + h, x : x + w] = 0
        if depth is not None:
            covered = depth[y : y + h, x : x + w]
            covered[:] = min(int(covered.max()) * nearer, DEPTH_LIMIT)

    return rgb, labels, depth


def random_depth_faults(depth: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Nothing at all in a tenth of the images, else a scale error of up to 3 % and some holes."""
    if rng.random() < 0.1:
        return np.zeros_like(depth)

    depth = (depth * rng.uniform(0.97, 1.03)).astype(np.int16)
    height, width = depth.shape
    for _ in range(rng.integers(0, 9)):
        center = int(rng.integers(0, width)), int(rng.integers(0, height))
        axes = int(rng.integers(2, width // 16)), int(rng.integers(2, height // 16))
        cv2.ellipse(depth, center, axes, rng.uniform(0, 180), 0, 360, 0, cv2.FILLED)
    return depth


def random_tone(rgb: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Exposure, contrast, gamma and white balance, as one table per channel."""
    levels = np.linspace(0, 1, 256) ** np.exp(rng.uniform(-0.4, 0.4))
    contrast = np.exp(rng.uniform(np.log(0.6), np.log(1.8)))
    levels = (levels - 0.5) * contrast + 0.5 + rng.uniform(-0.15, 0.15)
    table = levels[:, None] * rng.uniform(0.85, 1.15, 3)
    return cv2.LUT(rgb, np.clip(table * 255, 0, 255).astype(np.uint8)[None])


def random_sharpening(rgb: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """An unsharp mask, as cameras apply it."""
    amount, blurred = rng.uniform(0.3, 1.5), cv2.GaussianBlur(rgb, (0, 0), rng.uniform(0.6, 1.5))
    return cv2.addWeighted(rgb, 1 + amount, blurred, -amount, 0)


def random_hue_saturation(rgb: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Turn the hue by up to 12 degrees and scale the saturation by 0.5 to 2."""
    hsv = cv2.cvtColor(rgb, cv2.COLOR_RGB2HSV)
    values = np.arange(256)
    hue = (values + rng.integers(-6, 7)) % 180  # OpenCV counts the hue in steps of 2 degrees
    factor = np.exp(rng.uniform(np.log(0.5), np.log(2)))
    saturation = np.clip(values * factor, 0, 255)
    table = np.stack([hue, saturation, values], axis=1).astype(np.uint8)
    return cv2.cvtColor(cv2.LUT(hsv, table[None]), cv2.COLOR_HSV2RGB)
