# SPDX-License-Identifier: Apache-2.0
"""Figures of a whole replay: pose recall curves, average precision, confusion of actions,
latencies.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from perception_kit.evaluation.frame_records import ObjectRecord
from perception_kit.evaluation.run import ReplayRun
from perception_kit.metrics.pose import AUC_MAX_ERROR, RECALL_DIAMETER_FRACTION, recall
from perception_kit.report.style import GRID, STAGE_COLORS, WARN, finish, name_color

_DIAMETERS = np.linspace(0, 0.5, 101)
_METERS = np.linspace(0, AUC_MAX_ERROR, 101)
_BINS = 30


def chart_figures(run: ReplayRun) -> dict[str, go.Figure]:
    """Figures by the title of their panel; those of parts without scores are left out."""
    details = run.details
    figures: dict[str, go.Figure] = {}
    if "pose" in details:
        figures["Pose: share of objects below a threshold, a miss counts"] = _pose_recall(run)
    if "segmentation" in details:
        figures["Segmentation: mask average precision"] = _average_precision(
            details["segmentation"]["per_class"]
        )
    if "actions" in details:
        figures["Actions: confusion, frames"] = _confusion(details["actions"])
    figures["Latency from publishing a frame to its result"] = _latency(run)
    return figures


def _pose_recall(run: ReplayRun) -> go.Figure:
    """Recall over the threshold: of ADD(-S) in diameters, and of ADD-S in metres, whose area is the
    AUC.
    """
    items = [
        item for frame in run.frames for item in frame.objects or [] if item.diameter is not None
    ]
    figure = make_subplots(1, 2, shared_yaxes=True, horizontal_spacing=0.05)
    for name in [*sorted({item.class_name for item in items}), "all"]:
        chosen = [item for item in items if name in (item.class_name, "all")]
        line = {
            "color": "#ffffff" if name == "all" else name_color(name),
            "width": 3 if name == "all" else 1.5,
        }
        for column, (errors, thresholds) in enumerate(
            ((_in_diameters(chosen), _DIAMETERS), (_adds(chosen), _METERS)), start=1
        ):
            values = [recall(errors, threshold) for threshold in thresholds]
            hover = f"{name}: %{{y:.1%}} below %{{x:.3f}}<extra></extra>"
            curve = go.Scatter(
                x=thresholds,
                y=values,
                mode="lines",
                line=line,
                name=name,
                legendgroup=name,
                hovertemplate=hover,
            )
            figure.add_trace(curve.update(showlegend=column == 1), row=1, col=column)
    figure.add_vline(
        RECALL_DIAMETER_FRACTION, line={"color": WARN, "dash": "dot", "width": 1}, row=1, col=1
    )
    figure.update_xaxes(title_text="ADD(-S), diameters", row=1, col=1)
    figure.update_xaxes(title_text="ADD-S, m", row=1, col=2)
    figure.update_yaxes(range=[0, 1.02], tickformat=".0%")
    return finish(figure, 360)


def _in_diameters(items: list[ObjectRecord]) -> list[float]:
    return [np.inf if item.error is None else item.error / item.diameter for item in items]


def _adds(items: list[ObjectRecord]) -> list[float]:
    return [np.inf if item.adds is None else item.adds for item in items]


def _average_precision(per_class: dict[str, dict[str, float | None]]) -> go.Figure:
    names = sorted(per_class)
    figure = go.Figure()
    for key, title, opacity in (("map50", "IoU 0.5", 0.45), ("map", "all IoU", 1.0)):
        values = [per_class[name][key] for name in names]
        text = ["" if value is None else f"{value:.2f}" for value in values]
        colors = [name_color(name, opacity) for name in names]
        hover = f"%{{x}}: %{{y:.3f}} ({title})<extra></extra>"
        figure.add_trace(
            go.Bar(
                x=names,
                y=values,
                name=title,
                marker={"color": colors},
                text=text,
                textposition="outside",
                hovertemplate=hover,
            )
        )
    figure.update_yaxes(range=[0, 1.12])
    return finish(figure, 360, barmode="group", showlegend=False)


def _confusion(actions: dict[str, Any]) -> go.Figure:
    """Colours are shares of the true class (the recall on the diagonal), numbers are frames."""
    counts = np.array(actions["confusion"])
    names = actions["class_names"]
    known = counts.sum(axis=1) > 0
    fraction = counts[known] / counts[known].sum(axis=1, keepdims=True)
    figure = go.Figure(
        go.Heatmap(
            z=fraction,
            x=[*names, "none"],
            y=[name for name, is_known in zip(names, known, strict=True) if is_known],
            text=counts[known],
            texttemplate="%{text}",
            colorscale=[[0, "#161b22"], [1, "#1f6feb"]],
            zmin=0,
            zmax=1,
            showscale=False,
            hovertemplate="true %{y}, recognised %{x}: %{text} frames (%{z:.0%})<extra></extra>",
        )
    )
    figure.update_xaxes(title_text="recognised", showgrid=False)
    figure.update_yaxes(title_text="true", autorange="reversed", showgrid=False)
    return finish(figure, 360)


def _latency(run: ReplayRun) -> go.Figure:
    """A histogram for each stage, with the median and the 95th percentile."""
    samples = {
        stage: [frame.latency_ms[stage] for frame in run.frames if stage in frame.latency_ms]
        for stage in STAGE_COLORS
    }
    samples = {stage: values for stage, values in samples.items() if values}
    if not samples:
        return finish(go.Figure(), 120)
    figure = make_subplots(len(samples), 1, shared_xaxes=True, vertical_spacing=0.03)
    # One frame in a hundred, such as the first, at which the nodes warm up, would squeeze all
    # others into one bin.
    longest = float(np.percentile([value for values in samples.values() for value in values], 99))
    for row, (stage, values) in enumerate(samples.items(), start=1):
        bins = {"start": 0, "end": longest, "size": longest / _BINS}
        shown = np.minimum(values, longest * (1 - 1e-9))
        hover = f"{stage}: %{{y}} frames, %{{x}} ms<extra></extra>"
        figure.add_trace(
            go.Histogram(
                x=shown, xbins=bins, marker={"color": STAGE_COLORS[stage]}, hovertemplate=hover
            ),
            row=row,
            col=1,
        )
        for percent, dash in ((50, "solid"), (95, "dot")):
            figure.add_vline(
                float(np.percentile(values, percent)),
                line={"color": "#ffffff", "dash": dash, "width": 1},
                row=row,
                col=1,
            )
        figure.update_yaxes(
            title_text=stage,
            title_font_size=11,
            showticklabels=False,
            gridcolor=GRID,
            row=row,
            col=1,
        )
    figure.update_xaxes(
        title_text="ms; line: median, dots: 95 %, slower ones are in the last bar",
        row=len(samples),
        col=1,
    )
    return finish(figure, 80 + 68 * len(samples), showlegend=False)
