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
NAME_PIXELS = 36, 14  # of the name of a point


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

    Each point is a value of ``fall_on``. A plot of its own has the alarms that lying confirms.
    """
    confirmed = scores["confirmed"]
    curves = {f"alarm is on, of {scores['falls']} falls": scores}
    if confirmed["falls"]:
        curves[f"lying confirms it, of {confirmed['falls']} falls"] = confirmed
    figure = Figure(figsize=(5.5 * len(curves), 4.5), layout="constrained")
    all_axes = figure.subplots(1, len(curves), squeeze=False, sharey=True)[0]
    for axes, (title, curve) in zip(all_axes, curves.items(), strict=True):
        axes.plot(curve["false_alarms_per_hour"], curve["recall"], marker="o")
        axes.set_xlim(0, max(1.0, axes.get_xlim()[1]))
        axes.set_ylim(0, 1.05)
        axes.set_title(title)
        axes.set_xlabel("false alarms per hour")
        axes.grid(alpha=0.4)
    all_axes[0].set_ylabel("recall of falls")
    figure.suptitle(f"{scores['minutes']:.1f} min of video, by fall_on")

    figure.draw_without_rendering()  # the layout says where the points are
    for axes, curve in zip(all_axes, curves.values(), strict=True):
        _name_points(axes, curve, scores["fall_on"])
    figure.savefig(path, dpi=120)


def _name_points(axes: Axes, curve: Mapping[str, Any], names: Sequence[float]) -> None:
    """Write names beside the points of a curve, but not over one another."""
    points = np.array([curve["false_alarms_per_hour"], curve["recall"]], float).T
    named: list[np.ndarray] = []
    for point, pixel, name in zip(points, axes.transData.transform(points), names, strict=True):
        if all((abs(pixel - other) > NAME_PIXELS).any() for other in named):
            named.append(pixel)
            axes.annotate(f"{name:.2f}", point, textcoords="offset points", xytext=(4, -10))


def plot_per_class(path: Path, runs: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> None:
    """Precision, recall and F-score of each class, side by side for each run.

    ``runs`` are {RUN: per class scores}; an undefined score has no bar.
    """
    clips = {name: scores["support"] for name, scores in next(iter(runs.values())).items()}
    class_names = [name if count else f"{name}\n(no clips)" for name, count in clips.items()]
    size = (max(6.0, 0.35 * len(runs) * len(class_names) + 3), 7.5)
    figure = Figure(figsize=size, layout="constrained")

    # Rows of bars, one for each measure.
    for axes, measure in zip(figure.subplots(len(MEASURES), 1, sharex=True), MEASURES, strict=True):
        heights = {run: [scores[name][measure] for name in clips] for run, scores in runs.items()}
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
