# SPDX-License-Identifier: Apache-2.0
"""The largest distance between two points of an object, in bounded memory."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist

_PAIRS = 2**20  # whose distances are computed at once


def largest_distance(points: np.ndarray) -> float:
    """The largest distance between two of (N, 3) points, to the rounding of float64.

    The memory is proportional to N, and for the shapes of objects, round ones too, nearly so is
    the time.
    """
    points = np.unique(np.asarray(points, float), axis=0)
    middle = (points.min(axis=0) + points.max(axis=0)) / 2
    first, second = _far_pair(points, middle)
    largest = float(np.linalg.norm(first - second))

    # From the center with the smallest enclosing ball: ends of a larger distance lie far out.
    centers = (middle, (first + second) / 2)
    offsets = min((points - center for center in centers), key=lambda o: float(_norms(o).max()))
    squares = _norms(offsets) ** 2
    # |p - q|^2 + |p + q|^2 = 2 |p|^2 + 2 |q|^2: a q at a larger distance from p than the one known
    # is so near to -p.
    reach = 2 * squares.max() + 2 * squares - largest**2
    far = np.flatnonzero(reach > 0)
    if not len(far):
        return largest
    ends, reach = offsets[far], np.sqrt(reach[far])
    tree = cKDTree(ends)
    counts = tree.query_ball_point(-ends, reach, return_length=True)
    found, counts, reach = ends[counts > 0], counts[counts > 0], reach[counts > 0]
    for block in np.split(np.arange(len(found)), _breaks(counts)):
        near = tree.query_ball_point(-found[block], reach[block])
        for point, partners in zip(found[block], near, strict=True):
            largest = max(largest, float(cdist(point[None], ends[partners]).max()))
    return largest


def _norms(vectors: np.ndarray) -> np.ndarray:
    return np.linalg.norm(vectors, axis=1)


def _far_pair(points: np.ndarray, start: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two points, each the farthest from the other."""
    first = points[_norms(points - start).argmax()]
    largest = -1.0
    while True:
        distances = _norms(points - first)
        second = points[distances.argmax()]
        if distances.max() <= largest:
            return first, second
        largest, first = float(distances.max()), second


def _breaks(counts: np.ndarray) -> np.ndarray:
    """Where blocks end that have ``_PAIRS`` pairs each, or a single point with more."""
    return np.flatnonzero(np.diff(np.cumsum(counts) // _PAIRS)) + 1
