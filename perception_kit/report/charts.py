# SPDX-License-Identifier: Apache-2.0
"""Figures of a whole replay: pose recall, average precision, action confusion and latencies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from perception_kit.evaluation.frame_records import ObjectRecord
from perception_kit.evaluation.run import ReplayRun
from perception_kit.metrics.pose import AUC_MAX_ERROR, RECALL_DIAMETER_FRACTION, recall
from perception_kit.report.style import GRID, NEUTRAL, STAGE_COLORS, WARN, finish, name_color

_DIAMETERS = np.linspace(0, 0.5, 101)
_METERS = np.linspace(0, AUC_MAX_ERROR, 101)
_BINS = 30
_HEIGHT = 360  # pixels


def chart_figures(run: ReplayRun) -> dict[str, go.Figure]:
    """Figures by the title of their panel; those without scores are left out."""
    details = run.details
    figures: dict[str, go.Figure] = {}
    if "pose" in details:
        figures["Pose: fraction of objects below a threshold, a miss counts"] = _pose_recall(run)
    if "segmentation" in details:
        figures["Segmentation: mask average precision"] = _average_precision(
            details["segmentation"]["per_class"]
        )
    if "actions" in details:
        figures["Actions: confusion, frames"] = _confusion(details["actions"])
    figures["Latency from publishing a frame to its result"] = _latency(run)
    return figures


def _pose_recall(run: ReplayRun) -> go.Figure:
    """Recall over the threshold: of ADD(-S) in diameters, and of ADD-S in metres.

    The area below the second curve is the AUC.
    """
    objects = [
        record
        for frame in run.frames
        for record in frame.objects or []
        if record.diameter is not None
    ]
    figure = make_subplots(1, 2, shared_yaxes=True, horizontal_spacing=0.05)

    # A curve in each plot for every class, and for all.
    for name in [*sorted({record.class_name for record in objects}), "all"]:
        chosen = [record for record in objects if name in (record.class_name, "all")]
        curves = ((_in_diameters(chosen), _DIAMETERS), (_adds(chosen), _METERS))
        for column, (errors, thresholds) in enumerate(curves, start=1):
            curve = _recall_curve(name, errors, thresholds)
            figure.add_trace(curve.update(showlegend=column == 1), row=1, col=column)

    figure.add_vline(
        RECALL_DIAMETER_FRACTION, line={"color": WARN, "dash": "dot", "width": 1}, row=1, col=1
    )
    figure.update_xaxes(title_text="ADD(-S), diameters", row=1, col=1)
    figure.update_xaxes(title_text="ADD-S, m", row=1, col=2)
    figure.update_yaxes(range=[0, 1.02], tickformat=".0%")
    return finish(figure, _HEIGHT)


def _recall_curve(name: str, errors: Sequence[float], thresholds: np.ndarray) -> go.Scatter:
    is_total = name == "all"
    return go.Scatter(
        x=thresholds,
        y=[recall(errors, threshold) for threshold in thresholds],
        mode="lines",
        line={
            "color": NEUTRAL if is_total else name_color(name),
            "width": 3 if is_total else 1.5,
        },
        name=name,
        legendgroup=name,
        hovertemplate=f"{name}: %{{y:.1%}} below %{{x:.3f}}<extra></extra>",
    )


def _in_diameters(objects: Sequence[ObjectRecord]) -> list[float]:
    relative = [record.error_in_diameters for record in objects]
    return [np.inf if error is None else error for error in relative]


def _adds(objects: Sequence[ObjectRecord]) -> list[float]:
    return [np.inf if record.adds is None else record.adds for record in objects]


def _average_precision(per_class: Mapping[str, Mapping[str, float | None]]) -> go.Figure:
    """Two bars for each class."""
    names = sorted(per_class)
    figure = go.Figure()
    for key, title, opacity in (("map50", "IoU 0.5", 0.45), ("map", "all IoU", 1.0)):
        values = [per_class[name][key] for name in names]
        bars = go.Bar(
            x=names,
            y=values,
            name=title,
            marker={"color": [name_color(name, opacity) for name in names]},
            text=["" if value is None else f"{value:.2f}" for value in values],
            textposition="outside",
            hovertemplate=f"%{{x}}: %{{y:.3f}} ({title})<extra></extra>",
        )
        figure.add_trace(bars)

    figure.update_yaxes(range=[0, 1.12])
    return finish(figure, _HEIGHT, barmode="group", showlegend=False)


def _confusion(actions: Mapping[str, Any]) -> go.Figure:
    """Colors are fractions of the true class (the recall on the diagonal), numbers are frames."""
    counts = np.array(actions["confusion"])
    names = actions["class_names"]
    occurs = counts.sum(axis=1) > 0
    fraction = counts[occurs] / counts[occurs].sum(axis=1, keepdims=True)

    heatmap = go.Heatmap(
        z=fraction,
        x=[*names, "none"],
        y=[name for name, is_row in zip(names, occurs, strict=True) if is_row],
        text=counts[occurs],
        texttemplate="%{text}",
        colorscale=[[0, "#161b22"], [1, "#1f6feb"]],
        zmin=0,
        zmax=1,
        showscale=False,
        hovertemplate="true %{y}, recognised %{x}: %{text} frames (%{z:.0%})<extra></extra>",
    )
    figure = go.Figure(heatmap)
    figure.update_xaxes(title_text="recognised", showgrid=False)
    figure.update_yaxes(title_text="true", autorange="reversed", showgrid=False)
    return finish(figure, _HEIGHT)


def _latency(run: ReplayRun) -> go.Figure:
    """A histogram for each stage, with the median and the 95th percentile."""
    samples = {
        stage: [frame.latency_ms[stage] for frame in run.frames if stage in frame.latency_ms]
        for stage in STAGE_COLORS
    }
    samples = {stage: values for stage, values in samples.items() if values}
    if not samples:
        return finish(go.Figure(), 120)

    # One frame in a hundred, such as the first, at which the nodes warm up, would squeeze all
    # others into one bin.
    longest = float(np.percentile([value for values in samples.values() for value in values], 99))

    figure = make_subplots(len(samples), 1, shared_xaxes=True, vertical_spacing=0.03)
    for row, (stage, values) in enumerate(samples.items(), start=1):
        figure.add_trace(_histogram(stage, values, longest), row=row, col=1)
        for percent, dash in ((50, "solid"), (95, "dot")):
            line = {"color": NEUTRAL, "dash": dash, "width": 1}
            figure.add_vline(float(np.percentile(values, percent)), line=line, row=row, col=1)
        figure.update_yaxes(
            title_text=stage,
            title_font_size=11,
            showticklabels=False,
            gridcolor=GRID,
            row=row,
            col=1,
        )

    title = "ms; line: median, dots: 95 %, slower ones are in the last bar"
    figure.update_xaxes(title_text=title, row=len(samples), col=1)
    return finish(figure, 80 + 68 * len(samples), showlegend=False)


def _histogram(stage: str, values: Sequence[float], longest: float) -> go.Histogram:
    return go.Histogram(
        x=np.minimum(values, longest * (1 - 1e-9)),
        xbins={"start": 0, "end": longest, "size": longest / _BINS},
        marker={"color": STAGE_COLORS[stage]},
        hovertemplate=f"{stage}: %{{y}} frames, %{{x}} ms<extra></extra>",
    )
