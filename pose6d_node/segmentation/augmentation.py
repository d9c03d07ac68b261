# SPDX-License-Identifier: Apache-2.0
"""Random changes of a training image: geometry moves the instance labels along, colour and sensor effects leave them."""

from __future__ import annotations

import cv2
import numpy as np


def augment(rgb: np.ndarray, labels: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Augmented (H, W, 3) uint8 image and its (H, W) uint8 instance labels (0 background).

    Images are never mirrored: a mirrored print or a left-handed tool would be another object.
    """
    if rng.random() < 0.8:
        rgb, labels = random_affine(rgb, labels, rng)
    if rng.random() < 0.3:
        rgb, labels = random_cutout(rgb, labels, rng)
    rgb = random_tone(rgb, rng)
    if rng.random() < 0.5:
        rgb = random_hue_saturation(rgb, rng)
    if rng.random() < 0.3:
        rgb = cv2.GaussianBlur(rgb, (0, 0), rng.uniform(0.3, 1.2))
    if rng.random() < 0.4:
        noise = rng.standard_normal(rgb.shape, dtype=np.float32) * np.float32(rng.uniform(1, 10))
        rgb = np.clip(rgb + noise, 0, 255).astype(np.uint8)
    return rgb, labels


def random_affine(rgb: np.ndarray, labels: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Scale by 0.7 to 2, rotate by up to 10 degrees, shift by up to 10 %. The scale covers cameras of other focal lengths."""
    height, width = labels.shape
    scale = np.exp(rng.uniform(np.log(0.7), np.log(2.0)))
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), rng.uniform(-10, 10), scale)
    matrix[:, 2] += rng.uniform(-0.1, 0.1, 2) * (width, height)
    moved = cv2.warpAffine(rgb, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return moved, cv2.warpAffine(labels, matrix, (width, height), flags=cv2.INTER_NEAREST)


def random_cutout(rgb: np.ndarray, labels: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Cover one to three rectangles, each with sides of up to a quarter of the image, with a colour: unseen things in front."""
    rgb, labels = rgb.copy(), labels.copy()
    height, width = labels.shape
    for _ in range(rng.integers(1, 4)):
        h, w = rng.integers(height // 20, height // 4), rng.integers(width // 20, width // 4)
        y, x = rng.integers(0, height - h), rng.integers(0, width - w)
        rgb[y : y + h, x : x + w] = rng.integers(0, 256, 3)
        labels[y : y + h, x : x + w] = 0
    return rgb, labels


def random_tone(rgb: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Exposure, contrast, gamma and white balance, as one table per channel."""
    levels = np.linspace(0, 1, 256) ** np.exp(rng.uniform(-0.4, 0.4))
    levels = (levels - 0.5) * rng.uniform(0.7, 1.3) + 0.5 + rng.uniform(-0.15, 0.15)
    table = levels[:, None] * rng.uniform(0.85, 1.15, 3)
    return cv2.LUT(rgb, np.clip(table * 255, 0, 255).astype(np.uint8)[None])


def random_hue_saturation(rgb: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Turn the hue by up to 12 degrees and scale the saturation by 0.6 to 1.4."""
    hsv = cv2.cvtColor(rgb, cv2.COLOR_RGB2HSV)
    values = np.arange(256)
    hue = (values + rng.integers(-6, 7)) % 180
    saturation = np.clip(values * rng.uniform(0.6, 1.4), 0, 255)
    table = np.stack([hue, saturation, values], axis=1).astype(np.uint8)
    return cv2.cvtColor(cv2.LUT(hsv, table[None]), cv2.COLOR_HSV2RGB)
