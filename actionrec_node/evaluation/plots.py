# SPDX-License-Identifier: Apache-2.0
"""Plots of scores, drawn without a screen."""

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
    """Confusion matrix (C, C + 1): rows true, columns predicted, the last column no prediction.

    Shades are fractions of a row.
    """
    size = (1.5 + 0.9 * counts.shape[1], 1.2 + 0.7 * len(counts))
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots()

    # Shades, with the counts on them.
    fractions = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(fractions, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for (row, column), count in np.ndenumerate(counts):
        color = "white" if fractions[row, column] > 0.5 else "black"
        axes.text(column, row, str(count), ha="center", va="center", color=color)

    axes.set_xticks(range(counts.shape[1]), [*class_names, "none"], rotation=30)
    axes.set_yticks(range(len(class_names)), class_names)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    figure.savefig(path, dpi=120)


def plot_roc(path: Path, curve: Roc, label: str) -> None:
    """Recall of a class against its false alarms, as fractions of the windows."""
    figure = Figure(figsize=(5, 4.5), layout="constrained")
    axes = figure.subplots()
    axes.plot(curve.false_alarms, curve.recall)
    axes.plot([0, 1], [0, 1], linestyle=":", color="grey")
    axes.set_xlabel("false alarms (fraction of the other windows)")
    axes.set_ylabel(f"recall of '{label}'")
    axes.set_title(f"area {curve.auc:.3f}")
    figure.savefig(path, dpi=120)


def plot_alarm(path: Path, scores: Mapping[str, Any]) -> None:
    """Recall of the falls over false alarms per hour, by ``alarm_scores`` that have falls.

    Each point is a value of ``fall_on``.
    """
    figure = Figure(figsize=(6, 4.5), layout="constrained")
    axes = figure.subplots()
    confirmed = scores["confirmed"]
    curves = [("alarm", scores), (f"confirmed by lying, of {confirmed['falls']}", confirmed)]
    for name, curve in curves if confirmed["falls"] else curves[:1]:
        axes.plot(curve["false_alarms_per_hour"], curve["recall"], marker="o", label=name)
        points = zip(
            curve["false_alarms_per_hour"], curve["recall"], scores["fall_on"], strict=True
        )
        for x, y, fall_on in points:
            axes.annotate(f"{fall_on:.2f}", (x, y), textcoords="offset points", xytext=(4, -10))
    axes.legend(loc="lower right")
    axes.set_xlabel("false alarms per hour")
    axes.set_ylabel("recall of falls")
    axes.set_ylim(0, 1.05)
    axes.set_title(f"{scores['falls']} falls in {scores['minutes']:.1f} min, by fall_on")
    axes.grid(alpha=0.4)
    figure.savefig(path, dpi=120)


def plot_per_class(path: Path, runs: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> None:
    """Precision, recall and F-score of each class, side by side for each run.

    ``runs`` are {RUN: per class scores}; an undefined score has no bar.
    """
    class_names = list(next(iter(runs.values())))
    size = (max(6.0, 0.35 * len(runs) * len(class_names) + 3), 7.5)
    figure = Figure(figsize=size, layout="constrained")

    # Rows of bars, one for each measure.
    for axes, measure in zip(figure.subplots(len(MEASURES), 1, sharex=True), MEASURES, strict=True):
        heights = {
            run: [scores[name][measure] for name in class_names] for run, scores in runs.items()
        }
        _bars(axes, heights, class_names)
        axes.set_ylabel("F-score" if measure == "f1" else measure)

    legend = axes.get_legend_handles_labels()
    figure.legend(*legend, loc="outside upper center", ncols=min(len(runs), 8))
    figure.savefig(path, dpi=120)


def _bars(
    axes: Axes, heights: Mapping[str, Sequence[float | None]], class_names: Sequence[str]
) -> None:
    """Groups of bars, one group for each class, with a bar for each run."""
    width = 0.8 / len(heights)
    for index, (run, values) in enumerate(heights.items()):
        left = np.arange(len(class_names)) + (index - (len(heights) - 1) / 2) * width
        drawn = [np.nan if value is None else value for value in values]
        axes.bar(left, drawn, width, label=run)

    axes.set_xticks(range(len(class_names)), class_names)
    axes.set_ylim(0, 1)
    axes.grid(axis="y", alpha=0.4)
