# SPDX-License-Identifier: Apache-2.0
"""Instances of other images pasted into a training image.

Ghiasi et al., "Simple Copy-Paste is a Strong Data Augmentation Method for Instance Segmentation"
(CVPR 2021). A few hundred photographs so become any number of scenes.
"""

from __future__ import annotations

import cv2
import numpy as np

MAX_LABEL = 255
MIN_CUTOUT = 300  # pixels; smaller instances are blurred when they are enlarged
COUNT_ODDS = (0.4, 0.3, 0.2, 0.1)  # of 0, 1, 2 and 3 pasted instances
SIDES = (0.12, 0.95)  # longer side of a pasted instance as a fraction of the image's height
UPRIGHT_FRACTION = 0.7  # of the pasted instances; others are turned by any angle, as if they lay
EDGE_SIGMA = 0.8  # pixels over which the edge of a pasted instance is mixed with what is behind

Frame = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Colour (H, W, 3) uint8, instance labels (H, W) uint8, and the (256,) class of each label."""


def copy_paste(frame: Frame, donors: list[Frame], rng: np.random.Generator) -> Frame:
    """``frame`` with a large enough instance of each of the ``donors`` pasted in.

    Each is mirrored, scaled and turned at random, and covers what it is pasted over. Donors
    have the frame's size; those that show no such instance are passed over.
    """
    rgb, labels, classes = (array.copy() for array in frame)
    for donor in donors:
        chosen = _choose(donor, rng)
        number = int(labels.max()) + 1
        if chosen is None or number > MAX_LABEL:
            continue

        cutout, mask = _move(donor[0], donor[1] == chosen, rng)
        alpha = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), EDGE_SIGMA)[..., None]
        rgb = np.rint(rgb * (1 - alpha) + cutout * alpha).astype(np.uint8)
        labels[mask] = number
        classes[number] = donor[2][chosen]
    return rgb, labels, classes


def _choose(donor: Frame, rng: np.random.Generator) -> int | None:
    """Label of an instance that is large enough to cut out."""
    _, labels, classes = donor
    pixels = np.bincount(labels.reshape(-1), minlength=256)
    candidates = np.flatnonzero((pixels >= MIN_CUTOUT) & (classes > 0))
    return int(rng.choice(candidates)) if len(candidates) else None


def _move(
    rgb: np.ndarray, mask: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """The image and the mask (H, W) bool, moved so that the instance lies somewhere else."""
    height, width = mask.shape
    left, top, w, h = cv2.boundingRect(mask.astype(np.uint8))
    side = height * np.exp(rng.uniform(*np.log(SIDES)))
    scale = min(side / max(w, h), 1.5)
    upright = rng.random() < UPRIGHT_FRACTION
    angle = rng.uniform(-12, 12) if upright else rng.uniform(-180, 180)

    center = left + w / 2, top + h / 2
    matrix = np.asarray(cv2.getRotationMatrix2D(center, angle, scale), np.float64)
    matrix[:, 2] += rng.uniform(0, 1, 2) * (width, height) - center
    if rng.random() < 0.5:
        matrix[0] *= -1
        matrix[0, 2] += width - 1

    size = width, height
    moved = cv2.warpAffine(rgb, matrix, size, flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE)
    return moved, cv2.warpAffine(mask.astype(np.uint8), matrix, size) > 0
