# SPDX-License-Identifier: Apache-2.0
"""Figures of a whole replay: those of its objects, action confusion and latencies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from perception_kit.evaluation.run import ReplayRun
from perception_kit.report.object_charts import pose_figures, segmentation_figures
from perception_kit.report.style import CHART_HEIGHT, GRID, NEUTRAL, STAGE_COLORS, finish

_BINS = 30


def chart_figures(run: ReplayRun) -> dict[str, go.Figure]:
    """Figures by the title of their panel; those without scores are left out."""
    details = run.details
    figures: dict[str, go.Figure] = {}
    if "pose" in details:
        figures |= pose_figures([record for frame in run.frames for record in frame.objects or []])
    if "segmentation" in details:
        figures |= segmentation_figures(
            details["segmentation"]["per_class"],
            details["segmentation"].get("precision_recall", {}),  # runs before 0.2 have none
        )
    if "actions" in details:
        figures["Actions: confusion, frames"] = _confusion(details["actions"])
    figures["Latency from publishing a frame to its result"] = _latency(run)
    return figures


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
    return finish(figure, CHART_HEIGHT)


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
