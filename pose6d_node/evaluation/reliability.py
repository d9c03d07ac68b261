# SPDX-License-Identifier: Apache-2.0
"""Reliability of the confidences of poses: how many of those that say 0.9 are right?

Reliability diagram and expected calibration error as in Guo et al., "On Calibration of Modern
Neural Networks", ICML 2017.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from pose6d_node.evaluation.pose_targets import PoseMatch

BINS = 10


@dataclass(frozen=True)
class Bin:
    """Poses whose confidences are alike: their mean, the fraction that is right, and how many."""

    confidence: float
    right: float
    count: int


def reliability(matches: Sequence[PoseMatch]) -> list[Bin]:
    """The bins that hold poses, of ten of equal width."""
    posed = [match for match in matches if match.estimate is not None]
    confidence = np.array([match.confidence for match in posed])
    right = np.array([match.pose.is_right for match in posed])
    number = np.minimum((confidence * BINS).astype(int), BINS - 1)
    return [
        Bin(float(confidence[chosen].mean()), float(right[chosen].mean()), int(chosen.sum()))
        for chosen in (number == k for k in range(BINS))
        if chosen.any()
    ]


def calibration_error(bins: Sequence[Bin]) -> float | None:
    """Mean difference between confidence and truth, 0 is best. None without poses."""
    total = sum(part.count for part in bins)
    if not total:
        return None
    return sum(part.count * abs(part.confidence - part.right) for part in bins) / total


def draw_reliability(path: Path, stages: Mapping[str, Sequence[PoseMatch]]) -> None:
    """A PNG file with the reliability curve of each of the ``stages``."""
    figure = Figure(figsize=(5, 5), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], linestyle="dotted", color="gray", label="ideal")
    for name, matches in stages.items():
        bins = reliability(matches)
        error = calibration_error(bins)
        label = name if error is None else f"{name}, calibration error {error:.3f}"
        lines = axes.plot([b.confidence for b in bins], [b.right for b in bins], label=label)
        sizes = [10 + 2 * b.count for b in bins]
        axes.scatter(
            [b.confidence for b in bins],
            [b.right for b in bins],
            sizes,
            color=lines[0].get_color(),
        )

    axes.set(
        xlabel="confidence of a pose (area of a dot: how many)",
        ylabel="fraction that is right (ADD(-S) < 0.1 d)",
        xlim=(0, 1),
        ylim=(-0.02, 1.02),
    )
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper center")
    figure.savefig(path, dpi=120)
