# SPDX-License-Identifier: Apache-2.0
"""Pose errors and average recalls of the BOP benchmark.

Hodaň et al., "BOP Challenge 2020", ECCV Workshops 2020, section 2. An object that was not found has
an infinite MSSD and MSPD and a VSD of 1, which no threshold accepts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from perception_kit.geometry import project, transform
from perception_kit.metrics.pose import Pose, with_classes
from perception_kit.types import Intrinsics

FRACTIONS = np.arange(1, 11) * 0.05
"""Thresholds of VSD, and of MSSD in diameters; also VSD's misalignment tolerances in diameters."""
PIXELS = np.arange(1, 11) * 5.0
"""Thresholds of MSPD in pixels of an image that is ``REFERENCE_WIDTH`` wide."""
REFERENCE_WIDTH = 640  # pixels; MSPD is scaled to images of this width
OCCLUSION_TOLERANCE = 0.015
"""VSD's delta, metres: a surface this much behind the measured depth still counts as visible."""


def vsd(
    measured: np.ndarray, estimated: np.ndarray, true: np.ndarray, tolerances: np.ndarray
) -> np.ndarray:
    """Visible Surface Discrepancy for each of (T,) misalignment ``tolerances`` in metres.

    0 is best, 1 worst. The images (H, W) hold distances from the camera center in metres, 0 where
    there is none: measured in the scene, and rendered from the model at the estimated and at the
    true pose. As in the BOP Challenge since 2019, a surface is visible where no depth was measured.
    """
    # Visibility masks. Where the object is seen at the true pose, the estimated one is visible too.
    near = (measured == 0) | (true - measured <= OCCLUSION_TOLERANCE)
    visible_true = near & (true > 0)
    near = (measured == 0) | (estimated - measured <= OCCLUSION_TOLERANCE)
    visible_estimated = (near | visible_true) & (estimated > 0)

    both, either = visible_true & visible_estimated, visible_true | visible_estimated
    total = np.count_nonzero(either)
    if total == 0:
        return np.ones(len(tolerances))

    # A pixel of the union costs 1 where it is in one mask only, or off by the tolerance or more.
    difference = np.abs(estimated[both] - true[both])
    wrong = np.count_nonzero(difference[None] >= tolerances[:, None], axis=1)
    return (wrong + total - len(difference)) / total


def mssd(
    points: np.ndarray, estimated: Pose, true: Pose, symmetries: Sequence[np.ndarray]
) -> float:
    """Maximum Symmetry-Aware Surface Distance in metres.

    The largest distance of the (N, 3) ``points``, at the best of the ``symmetries`` (4, 4).
    """
    moved = transform(points, *estimated)
    errors = [
        np.linalg.norm(moved - transform(_turned(points, symmetry), *true), axis=1).max()
        for symmetry in symmetries
    ]
    return float(min(errors))


def mspd(
    points: np.ndarray,
    estimated: Pose,
    true: Pose,
    symmetries: Sequence[np.ndarray],
    intrinsics: Intrinsics,
) -> float:
    """Maximum Symmetry-Aware Projection Distance in pixels of (N, 3) ``points``.

    At the best of the ``symmetries`` (4, 4); infinite where a point is not before the camera.
    """
    projected = project(transform(points, *estimated), intrinsics)

    errors = []
    for symmetry in symmetries:
        expected = project(transform(_turned(points, symmetry), *true), intrinsics)
        errors.append(np.linalg.norm(projected - expected, axis=1).max())
    best = float(np.min(errors))  # NaN, which min() would skip, is a point behind the camera
    return best if np.isfinite(best) else float("inf")


@dataclass(frozen=True)
class BopError:
    """Errors of one ground-truth instance in an image of ``image_width`` pixels; default: a miss.

    ``vsd`` (10,) at tolerances of ``FRACTIONS`` diameters, ``mssd`` in diameters, ``mspd`` in
    pixels.
    """

    class_name: str
    image_width: int
    vsd: np.ndarray = field(default_factory=lambda: np.ones(len(FRACTIONS)))
    mssd: float = np.inf
    mspd: float = np.inf


def bop_metrics(errors: Sequence[BopError]) -> dict[str, Any]:
    """Average recalls ``ar_vsd``, ``ar_mssd``, ``ar_mspd`` and their mean ``ar``.

    ``per_class`` has the same for each class name. Values are None without errors.
    """
    return with_classes(_summary, errors)


def _summary(errors: Sequence[BopError]) -> dict[str, Any]:
    if not errors:
        return dict.fromkeys(("ar_vsd", "ar_mssd", "ar_mspd", "ar"))
    scale = np.array([error.image_width / REFERENCE_WIDTH for error in errors])
    recalls = {
        "ar_vsd": average_recall(np.stack([error.vsd for error in errors]), FRACTIONS),
        "ar_mssd": average_recall(np.array([error.mssd for error in errors]), FRACTIONS),
        "ar_mspd": average_recall(np.array([error.mspd for error in errors]) / scale, PIXELS),
    }
    return {**recalls, "ar": float(np.mean(list(recalls.values())))}


def average_recall(errors: np.ndarray, thresholds: np.ndarray) -> float:
    """Mean over (K,) ``thresholds`` of the fraction of ``errors``, of any shape, below them."""
    return float((np.asarray(errors)[..., None] < thresholds).mean())


def _turned(points: np.ndarray, symmetry: np.ndarray) -> np.ndarray:
    return transform(points, symmetry[:3, :3], symmetry[:3, 3])
