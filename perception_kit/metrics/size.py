# SPDX-License-Identifier: Apache-2.0
"""Errors of estimated sizes, and of poses and sizes together.

The precision at an angle, a distance and an overlap of boxes is that of NOCS (Wang et al.,
"Normalized Object Coordinate Space for Category-Level 6D Object Pose and Size Estimation", CVPR
2019), over the instances that are to be posed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import linprog
from scipy.spatial import ConvexHull, HalfspaceIntersection

from perception_kit.metrics.pose import Pose, with_classes

# Degrees, metres: a pose is precise below both.
PRECISIONS = {"5deg_5cm": (5.0, 0.05), "10deg_10cm": (10.0, 0.1)}
MIN_IOU = 0.5
_MIN_RADIUS = 1e-9  # metres: boxes that share less do not overlap


@dataclass(frozen=True)
class SizeError:
    """Errors of one ground-truth instance; those of a miss are infinite, its overlap 0.

    ``size`` is the mean relative error over the three axes, ``iou`` the overlap of the boxes,
    ``rotation`` (degrees) and ``translation`` (metres) those of ``PoseError``.
    """

    class_name: str
    size: float = np.inf
    iou: float = 0.0
    rotation: float = np.inf
    translation: float = np.inf
    confidence: float = 0.0


def relative_size_error(size: np.ndarray, true_size: np.ndarray) -> float:
    """Mean over the axes of the relative errors of extents (3,)."""
    return float(np.abs(size / true_size - 1).mean())


def box_iou(pose: Pose, size: np.ndarray, true_pose: Pose, true_size: np.ndarray) -> float:
    """Intersection over union of two boxes of (3,) extents about the origins of their poses."""
    planes = np.concatenate([_planes(pose, size), _planes(true_pose, true_size)])

    # The largest ball in both boxes: planes a x + b <= 0 with unit normals a.
    ball = linprog(
        [0, 0, 0, -1],
        A_ub=np.column_stack([planes[:, :3], np.ones(len(planes))]),
        b_ub=-planes[:, 3],
        bounds=[(None, None)] * 3 + [(0, None)],
    )
    if not ball.success or ball.x[3] <= _MIN_RADIUS:
        return 0.0
    corners = HalfspaceIntersection(planes, ball.x[:3]).intersections
    shared = ConvexHull(corners).volume
    return float(shared / (np.prod(size) + np.prod(true_size) - shared))


def _planes(pose: Pose, size: np.ndarray) -> np.ndarray:
    """(6, 4) planes (a, b) with a x + b <= 0 inside of a box."""
    rotation, translation = pose
    normals = np.concatenate([rotation.T, -rotation.T])
    return np.column_stack([normals, -normals @ translation - np.tile(size, 2) / 2])


def average_precision(right: Sequence[bool], confidence: Sequence[float], total: int) -> float:
    """Area under the precision over the recall of ``total`` instances, most confident first.

    The precision at a recall is the best at any larger one, as in Pascal VOC 2010.
    """
    order = np.argsort(-np.asarray(confidence, float), kind="stable")
    hits = np.asarray(right, bool)[order].cumsum()
    precision = hits / np.arange(1, len(hits) + 1)
    best = np.maximum.accumulate(precision[::-1])[::-1]
    return float((np.diff(hits, prepend=0) * best).sum() / total)


def size_metrics(errors: Sequence[SizeError]) -> dict[str, Any]:
    """``size_error_median`` and ``size_error_p90`` (relative; None where that is a miss),
    ``iou_mean``, and ``ap_5deg_5cm``, ``ap_10deg_10cm`` and ``ap_iou_0.5``.

    ``per_class`` has the same for each class name. Values are None without errors.
    """
    return with_classes(_summary, errors)


def _summary(errors: Sequence[SizeError]) -> dict[str, Any]:
    posed = [error for error in errors if np.isfinite(error.size)]
    confidence = [error.confidence for error in posed]
    total = len(errors)

    def precision(right: list[bool]) -> float | None:
        return average_precision(right, confidence, total) if total else None

    scores: dict[str, Any] = {
        f"ap_{name}": precision(
            [error.rotation < degrees and error.translation < metres for error in posed]
        )
        for name, (degrees, metres) in PRECISIONS.items()
    }
    sizes = [error.size for error in errors]
    return {
        "size_error_median": _quantile(sizes, 0.5),
        "size_error_p90": _quantile(sizes, 0.9),
        "iou_mean": float(np.mean([error.iou for error in errors])) if total else None,
        f"ap_iou_{MIN_IOU}": precision([error.iou > MIN_IOU for error in posed]),
        **scores,
    }


def _quantile(values: Sequence[float], fraction: float) -> float | None:
    """None where it is not finite, as misses are."""
    if not len(values):
        return None
    value = float(np.quantile(values, fraction, method="higher"))
    return value if np.isfinite(value) else None
