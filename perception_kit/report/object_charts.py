# SPDX-License-Identifier: Apache-2.0
"""Figures of objects: errors of their poses, and precision of their masks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from perception_kit.evaluation.frame_records import ObjectRecord
from perception_kit.metrics.pose import AUC_MAX_ERROR, RECALL_DIAMETER_FRACTION, recall
from perception_kit.report.style import CHART_HEIGHT, NEUTRAL, WARN, finish, name_color

_POINTS = 101  # of a curve
_DIAMETERS, _MILLIMETERS, _DEGREES = 0.5, 50.0, 30.0  # where axes are cut
_RECALLS = np.linspace(0, 1, 101)  # COCO's

Error = Callable[[ObjectRecord], float | None]


def pose_figures(objects: Sequence[ObjectRecord]) -> dict[str, go.Figure]:
    """Figures of the errors of poses, by title; objects whose pose is not measured are left out."""
    measured = [record for record in objects if record.diameter is not None]
    figures = {
        "Pose: fraction of objects below a threshold, a miss counts": _recall_figure(
            measured,
            {
                f"ADD(-S), diameters<br>(cut at {_DIAMETERS:g})": (_in_diameters, _DIAMETERS),
                f"ADD-S, m<br>(cut at {AUC_MAX_ERROR:g})": (_adds, AUC_MAX_ERROR),
            },
            marked=RECALL_DIAMETER_FRACTION,
        )
    }
    if any(record.rotation is not None for record in measured):
        figures["Pose: rotation and translation apart, up to symmetries, a miss counts"] = (
            _recall_figure(
                measured,
                {
                    f"rotation, degrees<br>(cut at {_DEGREES:g})": (_rotation, _DEGREES),
                    f"translation, mm<br>(cut at {_MILLIMETERS:g})": (_translation, _MILLIMETERS),
                },
            )
        )
    return figures


def segmentation_figures(
    per_class: Mapping[str, Mapping[str, float | None]], curves: Mapping[str, Sequence[float]]
) -> dict[str, go.Figure]:
    """Figures of the masks, by title.

    ``per_class`` has ``map`` and ``map50`` of each class, ``curves`` its precisions at the recalls
    0, 0.01, … 1.
    """
    figures = {"Segmentation: mask average precision": _average_precision(per_class)}
    if curves:
        figures["Segmentation: precision over recall at mask IoU 0.5"] = _precision_recall(curves)
    return figures


def bop_figure(per_class: Mapping[str, Mapping[str, Any]]) -> go.Figure:
    """Bars of BOP's average recalls for each class."""
    names = sorted(per_class)
    figure = go.Figure()
    keys = {"ar_vsd": "VSD", "ar_mssd": "MSSD", "ar_mspd": "MSPD", "ar": "AR"}
    for opacity, (key, title) in zip((0.25, 0.4, 0.55, 1.0), keys.items(), strict=True):
        bars = go.Bar(
            x=names,
            y=[per_class[name][key] for name in names],
            name=title,
            marker={"color": [name_color(name, opacity) for name in names]},
            hovertemplate=f"%{{x}}: %{{y:.3f}} ({title})<extra></extra>",
        )
        figure.add_trace(bars)
    figure.update_yaxes(range=[0, 1.02])
    return finish(figure, CHART_HEIGHT, barmode="group", showlegend=False)


def _recall_figure(
    objects: Sequence[ObjectRecord],
    errors: Mapping[str, tuple[Error, float]],
    marked: float | None = None,
) -> go.Figure:
    """Recall over the threshold of two errors, by their axis titles with the largest threshold.

    A curve in each plot for every class, and for all. ``marked`` is a threshold of the first.
    """
    figure = make_subplots(1, 2, shared_yaxes=True, horizontal_spacing=0.05)
    for name in [*sorted({record.class_name for record in objects}), "all"]:
        chosen = [record for record in objects if name in (record.class_name, "all")]
        for column, (error_of, largest) in enumerate(errors.values(), start=1):
            values = [_or_infinite(error_of(record)) for record in chosen]
            curve = _recall_curve(name, values, np.linspace(0, largest, _POINTS))
            figure.add_trace(curve.update(showlegend=column == 1), row=1, col=column)

    if marked is not None:
        figure.add_vline(marked, line={"color": WARN, "dash": "dot", "width": 1}, row=1, col=1)
    for column, title in enumerate(errors, start=1):
        figure.update_xaxes(title_text=title, row=1, col=column)
    figure.update_yaxes(range=[0, 1.02], tickformat=".0%")
    return finish(figure, CHART_HEIGHT)


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


def _or_infinite(error: float | None) -> float:
    return np.inf if error is None else error


def _in_diameters(record: ObjectRecord) -> float | None:
    return record.error_in_diameters


def _adds(record: ObjectRecord) -> float | None:
    return record.adds


def _rotation(record: ObjectRecord) -> float | None:
    return record.rotation


def _translation(record: ObjectRecord) -> float | None:
    return None if record.translation is None else 1e3 * record.translation


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
    return finish(figure, CHART_HEIGHT, barmode="group", showlegend=False)


def _precision_recall(curves: Mapping[str, Sequence[float]]) -> go.Figure:
    figure = go.Figure()
    for name in sorted(curves):
        curve = go.Scatter(
            x=_RECALLS,
            y=curves[name],
            mode="lines",
            line={"color": name_color(name), "width": 2, "shape": "hv"},
            name=name,
            hovertemplate=f"{name}: precision %{{y:.1%}} at recall %{{x:.0%}}<extra></extra>",
        )
        figure.add_trace(curve)
    figure.update_xaxes(title_text="recall", range=[0, 1.02], tickformat=".0%")
    figure.update_yaxes(title_text="precision", range=[0, 1.04], tickformat=".0%")
    return finish(figure, CHART_HEIGHT)
