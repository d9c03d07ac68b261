# SPDX-License-Identifier: Apache-2.0
"""ADD and ADD-S errors of 6D poses, their recall and the area under its curve.

ADD: Hinterstoisser et al., ACCV 2012. ADD-S and the AUC: Xiang et al., PoseCNN, RSS 2018.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.spatial import KDTree
from scipy.stats import mannwhitneyu

from perception_kit.geometry import transform

RECALL_DIAMETER_FRACTION = 0.1  # a pose is right below this (Hinterstoisser et al.)
AUC_MAX_ERROR = 0.1  # metres (PoseCNN)

Pose = tuple[np.ndarray, np.ndarray]
"""(3, 3) rotation and (3,) translation in metres, model to camera."""


def add(
    points: np.ndarray,
    rotation: np.ndarray,
    translation: np.ndarray,
    true_rotation: np.ndarray,
    true_translation: np.ndarray,
) -> float:
    """ADD: mean distance between each model point at the estimated and at the true pose.

    ``points`` (N, 3) and the result are in metres.
    """
    difference = transform(points, rotation, translation) - transform(
        points, true_rotation, true_translation
    )
    return float(np.linalg.norm(difference, axis=1).mean())


def adds(
    points: np.ndarray,
    rotation: np.ndarray,
    translation: np.ndarray,
    true_rotation: np.ndarray,
    true_translation: np.ndarray,
) -> float:
    """ADD-S: mean distance from each model point at the true pose to the nearest estimated one.

    ``points`` (N, 3) and the result are in metres.
    """
    distances, _ = KDTree(transform(points, rotation, translation)).query(
        transform(points, true_rotation, true_translation)
    )
    return float(distances.mean())


def nearest_equivalent(estimate: Pose, ground_truth: Pose, symmetries: np.ndarray) -> Pose:
    """``ground_truth`` moved by the one of the (K, 4, 4) ``symmetries`` of the model (metres, the
    identity among them) that leaves the smallest angle to ``estimate``.
    """
    rotation, translation = ground_truth
    rotations = rotation @ symmetries[:, :3, :3]
    nearest = int(np.einsum("ij,kij->k", estimate[0], rotations).argmax())
    return rotations[nearest], rotation @ symmetries[nearest, :3, 3] + translation


def rotation_and_translation_error(
    estimate: Pose, ground_truth: Pose, symmetries: np.ndarray
) -> tuple[float, float]:
    """Angle in degrees and distance in metres between a pose and its ``nearest_equivalent``."""
    rotation, translation = nearest_equivalent(estimate, ground_truth, symmetries)
    cosine = (np.einsum("ij,ij->", estimate[0], rotation) - 1) / 2
    angle = np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0)))
    return float(angle), float(np.linalg.norm(estimate[1] - translation))


def recall(errors: Sequence[float], thresholds: np.ndarray | float) -> float | None:
    """Fraction of the N ``errors`` below ``thresholds`` ((N,) or one for all); None without errors.

    A miss is an infinite error.
    """
    values = np.asarray(errors, float)
    return float((values < thresholds).mean()) if values.size else None


def auc(errors: Sequence[float], max_error: float = AUC_MAX_ERROR) -> float | None:
    """Area under recall over threshold from 0 to ``max_error``, as a fraction; None without errors.

    A miss is an infinite error. The recall curve is a staircase, so its exact area is the mean of
    max(0, 1 - error / max_error).
    """
    values = np.asarray(errors, float)
    return float(np.clip(1.0 - values / max_error, 0.0, 1.0).mean()) if values.size else None


@dataclass(frozen=True)
class PoseError:
    """Errors of one ground-truth instance in metres; they are infinite for a miss.

    ``rotation`` (degrees) and ``translation`` are those of ``rotation_and_translation_error``.
    """

    class_name: str
    diameter: float
    symmetric: bool
    add: float = np.inf
    adds: float = np.inf
    rotation: float = np.inf
    translation: float = np.inf

    @property
    def error(self) -> float:
        """ADD, or ADD-S for a symmetric object."""
        return self.adds if self.symmetric else self.add

    @property
    def is_right(self) -> bool:
        """Whether the error is below a tenth of the diameter."""
        return self.error < RECALL_DIAMETER_FRACTION * self.diameter


def confidence_auroc(right: Sequence[float], wrong: Sequence[float]) -> float | None:
    """Area under the ROC curve of the confidences of ``right`` and ``wrong`` poses.

    It is the probability that a right pose has the higher confidence, a tie counting half (Mann and
    Whitney 1947). None where there are no right or no wrong poses.
    """
    if not (len(right) and len(wrong)):
        return None

    return float(mannwhitneyu(right, wrong).statistic / (len(right) * len(wrong)))


def pose_metrics(errors: Sequence[PoseError]) -> dict[str, Any]:
    """Recall below a tenth of the diameter and area under the curve up to 0.1 m.

    ``recall_0.1d`` and ``auc`` are of ADD(-S), that is ADD, but ADD-S for symmetric objects;
    ``add_recall_0.1d`` and ``add_auc`` of ADD for all objects, ``adds_recall_0.1d`` and
    ``adds_auc`` of ADD-S for all. ``count`` is the number of instances, and ``per_class`` has the
    same for each class name. Values are None without errors.

    Every instance that counts must be in ``errors``, a missed one with infinite errors.
    """
    return with_classes(_summary, errors)


def with_classes(
    summarize: Callable[[Sequence[Any]], dict[str, Any]], errors: Sequence[Any]
) -> dict[str, Any]:
    """Summary of all ``errors``, and under ``per_class`` of those of each ``class_name``."""
    names = sorted({error.class_name for error in errors})
    per_class = {
        name: summarize([error for error in errors if error.class_name == name]) for name in names
    }
    return {**summarize(errors), "per_class": per_class}


def _summary(errors: Sequence[PoseError]) -> dict[str, Any]:
    thresholds = np.array([RECALL_DIAMETER_FRACTION * error.diameter for error in errors])

    scores: dict[str, Any] = {}
    for prefix, name in (("", "error"), ("add_", "add"), ("adds_", "adds")):
        values = [getattr(error, name) for error in errors]
        scores |= {f"{prefix}recall_0.1d": recall(values, thresholds), f"{prefix}auc": auc(values)}
    return {**scores, "count": len(errors)}
