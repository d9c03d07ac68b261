# SPDX-License-Identifier: Apache-2.0
"""Pictures of scores, drawn without a screen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from perception_kit.metrics.actions import Roc

MEASURES = ("precision", "recall", "f1")


def plot_confusion(path: Path, counts: np.ndarray, class_names: Sequence[str]) -> None:
    """Confusion matrix (C, C + 1): rows true, columns predicted, the last column no prediction;
    shades are shares of a row.
    """
    figure = Figure(
        figsize=(1.5 + 0.9 * counts.shape[1], 1.2 + 0.7 * len(counts)), layout="constrained"
    )
    axes = figure.subplots()
    fractions = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(fractions, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for (row, column), count in np.ndenumerate(counts):
        axes.text(
            column,
            row,
            str(count),
            ha="center",
            va="center",
            color="white" if fractions[row, column] > 0.5 else "black",
        )
    axes.set_xticks(range(counts.shape[1]), [*class_names, "none"], rotation=30)
    axes.set_yticks(range(len(class_names)), class_names)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    figure.savefig(path, dpi=120)


def plot_roc(path: Path, curve: Roc, label: str) -> None:
    """Recall of a class against its false alarms, as shares of the windows."""
    figure = Figure(figsize=(5, 4.5), layout="constrained")
    axes = figure.subplots()
    axes.plot(curve.false_alarms, curve.recall)
    axes.plot([0, 1], [0, 1], linestyle=":", color="grey")
    axes.set_xlabel("false alarms (share of the other windows)")
    axes.set_ylabel(f"recall of '{label}'")
    axes.set_title(f"area {curve.auc:.3f}")
    figure.savefig(path, dpi=120)


def plot_per_class(path: Path, runs: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> None:
    """Precision, recall and F-score of each class, side by side for each of ``runs`` {RUN: per
    class scores}; undefined: no bar.
    """
    class_names = list(next(iter(runs.values())))
    figure = Figure(
        figsize=(max(6.0, 0.35 * len(runs) * len(class_names) + 3), 7.5), layout="constrained"
    )
    for axes, measure in zip(figure.subplots(len(MEASURES), 1, sharex=True), MEASURES, strict=True):
        _bars(
            axes,
            {run: [scores[name][measure] for name in class_names] for run, scores in runs.items()},
            class_names,
        )
        axes.set_ylabel("F-score" if measure == "f1" else measure)
    figure.legend(
        *axes.get_legend_handles_labels(), loc="outside upper center", ncols=min(len(runs), 8)
    )
    figure.savefig(path, dpi=120)


def _bars(
    axes: Axes, values: Mapping[str, Sequence[float | None]], class_names: Sequence[str]
) -> None:
    width = 0.8 / len(values)
    for index, (run, heights) in enumerate(values.items()):
        left = np.arange(len(class_names)) + (index - (len(values) - 1) / 2) * width
        axes.bar(
            left, [np.nan if height is None else height for height in heights], width, label=run
        )
    axes.set_xticks(range(len(class_names)), class_names)
    axes.set_ylim(0, 1)
    axes.grid(axis="y", alpha=0.4)
