# SPDX-License-Identifier: Apache-2.0
"""Everything over time in one figure, whose rows move together.

Each point's ``customdata`` is the index of its frame.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from perception_kit.evaluation.frame_records import ObjectRecord
from perception_kit.evaluation.run import ReplayRun
from perception_kit.metrics.pose import RECALL_DIAMETER_FRACTION
from perception_kit.report.lanes import Lanes, action_lanes, identity_lanes, track_lanes
from perception_kit.report.style import (
    OBJECT_COLORS,
    STAGE_COLORS,
    WARN,
    finish,
    legend,
    name_color,
)

_WORST_SHOWN = 0.5  # diameters; larger pose errors, and missing poses, lie on this line
_LANE_PIXELS, _GAP_PIXELS, _PLOT_PIXELS, _MARGIN_PIXELS = 18, 44, 120, 80
_POSE_PIXELS = _PLOT_PIXELS + 30
_MANY_POINTS = 20_000  # more than these are drawn by WebGL


@dataclass(frozen=True)
class _Row:
    """A row of the figure, ``draw(figure, row)`` draws it."""

    title: str
    pixels: int
    draw: Callable[[go.Figure, int], None]


@dataclass(frozen=True)
class _Line:
    """One value for each of ``frames`` (by index); ``shape`` is plotly's."""

    name: str
    color: str
    frames: Sequence[int]
    values: Sequence[float]
    shape: str = "hv"


def timeline_figure(run: ReplayRun) -> go.Figure:
    """Found objects, pose errors, tracks, actions and latencies, as far as there are any."""
    rows = [*_object_rows(run), *_track_rows(run), *_action_rows(run), _latency_row(run)]
    return _stack(rows, run.seconds[-1])


def _object_rows(run: ReplayRun) -> list[_Row]:
    """Objects and their pose errors; where there is no ground truth, the detections."""
    if not any(frame.objects is not None for frame in run.frames):
        detected = _colors({item.class_name for frame in run.frames for item in frame.detections})
        draw = partial(_draw_detections, run=run, names=detected)
        return [_Row(f"detections: {legend(detected)}", _PLOT_PIXELS, draw)]

    title = f"objects: {legend(OBJECT_COLORS)}"
    rows = [_Row(title, _PLOT_PIXELS, partial(_draw_objects, run=run))]

    measured = _colors({record.class_name for _, record in _measured_objects(run)})
    if measured:
        title = f"pose error, diameters (cut at {_WORST_SHOWN:g}), × none: {legend(measured)}"
        rows.append(_Row(title, _POSE_PIXELS, partial(_draw_poses, run=run, names=measured)))
    return rows


def _track_rows(run: ReplayRun) -> list[_Row]:
    has_ground_truth = any(frame.identities is not None for frame in run.frames)
    lanes = identity_lanes(run) if has_ground_truth else track_lanes(run)
    title = (
        "tracks of the true objects: grey is none, ✕ identity switch, ○ lost"
        if has_ground_truth
        else "tracks"
    )
    return [_lanes_row(title, lanes)] if lanes.names else []


def _action_rows(run: ReplayRun) -> list[_Row]:
    names = {
        name
        for frame in run.frames
        for name in (*frame.scores, frame.label, frame.true_label)
        if name
    }
    if not names:
        return []

    on = ", on the true action" if any(frame.true_label for frame in run.frames) else ""
    title = f"action scores{on}: {legend(_colors(names))}"
    scores = _Row(title, _PLOT_PIXELS, partial(_draw_scores, run=run))
    return [_lanes_row("action", action_lanes(run)), scores]


def _latency_row(run: ReplayRun) -> _Row:
    stages = {
        stage: color
        for stage, color in STAGE_COLORS.items()
        if any(stage in frame.latency_ms for frame in run.frames)
    }
    stages.pop("total", None)  # the latest of the others

    draw = partial(_draw_latencies, run=run, stages=stages)
    return _Row(f"latency, ms: {legend(stages)}", _PLOT_PIXELS, draw)


def _lanes_row(title: str, lanes: Lanes) -> _Row:
    return _Row(title, _LANE_PIXELS * max(2, len(lanes.names)), lanes.draw)


def _colors(names: Iterable[str]) -> dict[str, str]:
    return {name: name_color(name) for name in sorted(names)}


def _measured_objects(run: ReplayRun) -> list[tuple[int, ObjectRecord]]:
    """Objects whose pose error can be measured, with the index of their frame."""
    return [
        (index, record)
        for index, frame in enumerate(run.frames)
        for record in frame.objects or []
        if record.diameter is not None
    ]


def _stack(rows: Sequence[_Row], duration_s: float) -> go.Figure:
    height = sum(row.pixels for row in rows) + _GAP_PIXELS * (len(rows) - 1)
    figure = make_subplots(
        rows=len(rows),
        shared_xaxes=True,
        vertical_spacing=_GAP_PIXELS / height if len(rows) > 1 else 0,
        row_heights=[row.pixels for row in rows],
        subplot_titles=[row.title for row in rows],
    )
    figure.update_annotations(x=0, xanchor="left", font_size=13)

    for number, row in enumerate(rows, start=1):
        row.draw(figure, number)

    figure.update_xaxes(range=[-0.01 * duration_s, 1.01 * duration_s] if duration_s else None)
    figure.update_xaxes(title_text="seconds", row=len(rows), col=1)
    return finish(
        figure, height + _MARGIN_PIXELS, hovermode="closest", hoverdistance=-1, showlegend=False
    )


def _draw_line(figure: go.Figure, row: int, run: ReplayRun, line: _Line) -> None:
    trace = go.Scattergl if len(line.frames) > _MANY_POINTS else go.Scatter
    scatter = trace(
        x=[run.seconds[index] for index in line.frames],
        y=line.values,
        customdata=list(line.frames),
        mode="lines",
        line={"color": line.color, "width": 1.5, "shape": line.shape},
        name=line.name,
        hovertemplate=f"{line.name}: %{{y:.3~g}}<br>%{{x:.2f}} s<extra></extra>",
    )
    figure.add_trace(scatter, row=row, col=1)


def _draw_objects(figure: go.Figure, row: int, run: ReplayRun) -> None:
    """How many objects are visible and found, and how many detections are wrong."""
    frames: list[int] = []
    counts: dict[str, list[int]] = {name: [] for name in OBJECT_COLORS}
    for index, frame in enumerate(run.frames):
        if frame.objects is None:
            continue
        frames.append(index)
        counts["visible"].append(len(frame.objects))
        counts["found"].append(sum(record.found for record in frame.objects))
        wrong = sum(detection.right is False for detection in frame.detections)
        counts["wrong detections"].append(wrong)

    for name, values in counts.items():
        _draw_line(figure, row, run, _Line(name, OBJECT_COLORS[name], frames, values))
    figure.update_yaxes(rangemode="tozero", row=row, col=1)


def _draw_detections(figure: go.Figure, row: int, run: ReplayRun, names: Mapping[str, str]) -> None:
    for name, color in names.items():
        counts = [sum(item.class_name == name for item in frame.detections) for frame in run.frames]
        _draw_line(figure, row, run, _Line(name, color, range(len(counts)), counts))


def _draw_poses(figure: go.Figure, row: int, run: ReplayRun, names: Mapping[str, str]) -> None:
    """A point for each object; errors above ``_WORST_SHOWN`` lie on the upper edge."""
    measured = _measured_objects(run)
    trace = go.Scattergl if len(measured) > _MANY_POINTS else go.Scatter
    for name, color in names.items():
        points = [(index, record) for index, record in measured if record.class_name == name]
        errors = [record.error_in_diameters for _, record in points]
        scatter = trace(
            x=[run.seconds[index] for index, _ in points],
            y=[_WORST_SHOWN if error is None else min(error, _WORST_SHOWN) for error in errors],
            customdata=[index for index, _ in points],
            text=[
                "no pose" if record.error is None else f"{1e3 * record.error:.1f} mm"
                for _, record in points
            ],
            mode="markers",
            marker={
                "color": color,
                "size": 5,
                "symbol": ["x-thin-open" if error is None else "circle" for error in errors],
            },
            name=name,
            hovertemplate=f"{name}: %{{text}}<br>%{{x:.2f}} s<extra></extra>",
        )
        figure.add_trace(scatter, row=row, col=1)

    line = {"color": WARN, "dash": "dot", "width": 1}
    figure.add_hline(RECALL_DIAMETER_FRACTION, line=line, row=row, col=1)
    figure.update_yaxes(range=[-0.02, _WORST_SHOWN + 0.03], tickformat=".0%", row=row, col=1)


def _draw_scores(figure: go.Figure, row: int, run: ReplayRun) -> None:
    """A line for each class; the background has the color of the true action."""
    known = [index for index, frame in enumerate(run.frames) if frame.scores]
    for name in sorted({name for index in known for name in run.frames[index].scores}):
        values = [run.frames[index].scores.get(name, 0.0) for index in known]
        _draw_line(figure, row, run, _Line(name, name_color(name), known, values, "linear"))

    # A rectangle over each segment of one label.
    labels = [frame.true_label or "" for frame in run.frames]
    ends = [*run.seconds[1:], run.seconds[-1]]
    for label, segment in groupby(range(len(labels)), key=labels.__getitem__):
        if not label:
            continue
        frames = list(segment)
        span = run.seconds[frames[0]], ends[frames[-1]]
        fill = {"fillcolor": name_color(label, 0.2), "line_width": 0, "layer": "below"}
        figure.add_vrect(*span, **fill, row=row, col=1)
    figure.update_yaxes(range=[0, 1.02], row=row, col=1)


def _draw_latencies(figure: go.Figure, row: int, run: ReplayRun, stages: Mapping[str, str]) -> None:
    for stage, color in stages.items():
        known = [index for index, frame in enumerate(run.frames) if stage in frame.latency_ms]
        values = [run.frames[index].latency_ms[stage] for index in known]
        _draw_line(figure, row, run, _Line(stage, color, known, values, "linear"))
    figure.update_yaxes(rangemode="tozero", row=row, col=1)
