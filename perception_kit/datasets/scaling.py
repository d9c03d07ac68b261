# SPDX-License-Identifier: Apache-2.0
"""Objects of one class that differ in size: their scale along the axes of the class's model.

A point x of the model is at s x on an instance of scale s, (3,) factors about the model's origin. A
scaled instance has the symmetries of its class only where the axes that they mix have one factor: a
round bowl stays round.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

SizeVariation = Literal["uniform", "axes"]
"""How instances differ: by one factor, or by one for each axis of the model."""

SMALLEST, LARGEST = 0.01, 100.0
"""Factors beyond are no sizes of one class, but a wrong unit."""

_MIXED = 1e-6  # entries of a rotation above are no rounding


def axis_groups(rotations: np.ndarray, variation: SizeVariation = "axes") -> np.ndarray:
    """(3,) group number of each axis of a model; the axes of a group have one factor.

    ``rotations`` (K, 3, 3) are those of the model's symmetries. With "uniform" there is one group.
    """
    if variation == "uniform":
        return np.zeros(3, int)
    mixed = (np.abs(rotations) > _MIXED).any(axis=0)
    # Two steps reach all axes that are mixed by way of the third.
    linked = mixed | mixed.T | np.eye(3, dtype=bool)
    linked = (linked.astype(int) @ linked.astype(int)) > 0
    return linked.argmax(axis=1)


def scaled_symmetries(symmetries: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """(K, 4, 4) ``symmetries`` of the model, metres, as those of an instance of ``scale`` (3,).

    The factors must be equal along axes of one of the ``axis_groups``.
    """
    scaled = symmetries.copy()
    scaled[:, :3, 3] *= scale
    return scaled


def overall_scale(scale: np.ndarray) -> np.ndarray:
    """(...,) the geometric mean of (..., 3) factors."""
    return np.exp(np.log(scale).mean(axis=-1))
