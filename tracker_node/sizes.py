# SPDX-License-Identifier: Apache-2.0
"""Sizes of tracked objects, one of all that the poses of a track say: an object does not grow."""

from __future__ import annotations

import numpy as np

# Of the size: estimates of one object share errors, so many of them are not as exact as their
# number says.
FLOOR = 0.01


def fuse_sizes(
    size: np.ndarray, variance: np.ndarray, measured: np.ndarray, measured_variance: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Means of N sizes and measured ones, weighted by their inverse variances, and their variances.

    All are (N, 3), metres and square metres. A variance is infinite where nothing is known yet, and
    0 where a size is known, not estimated; the measured one replaces it then. That of several
    estimates is not below ``FLOOR``.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        weight = np.where(np.isinf(variance), 1.0, variance / (variance + measured_variance))
        weight = np.where(measured_variance == 0, 1.0, weight)
        fused = np.where(weight == 1.0, measured, size + weight * (measured - size))
        reduced = np.where(weight == 1.0, measured_variance, (1 - weight) * variance)
    floor = np.where(measured_variance == 0, 0.0, np.square(FLOOR * fused))
    return fused, np.maximum(reduced, floor)
