# SPDX-License-Identifier: Apache-2.0
"""Everything over time in one figure, whose rows move together.

Each point's ``customdata`` is the index of its frame.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import plotly.graph_objects as go
from plotly.subplots import make_subplots

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
_MANY_POINTS = 20_000  # more than these are drawn by WebGL


@dataclass(frozen=True)
class _Row:
    title: str
    pixels: int
    draw: Callable[[go.Figure, int], None]


def timeline_figure(run: ReplayRun) -> go.Figure:
    """Found objects, pose errors, tracks, actions and latencies, as far as there is something to
    show.
    """
    rows = [*_object_rows(run), *_track_rows(run), *_action_rows(run)]
    stages = {
        stage: color
        for stage, color in STAGE_COLORS.items()
        if any(stage in frame.latency_ms for frame in run.frames)
    }
    stages.pop("total", None)  # the latest of the others
    rows.append(
        _Row(
            f"latency, ms: {legend(stages)}",
            _PLOT_PIXELS,
            lambda figure, row: _draw_latencies(figure, row, run, stages),
        )
    )
    return _stack(rows, run.seconds[-1])


def _object_rows(run: ReplayRun) -> list[_Row]:
    if not any(frame.objects is not None for frame in run.frames):
        names = _colors({item.class_name for frame in run.frames for item in frame.detections})
        return [
            _Row(
                f"detections: {legend(names)}",
                _PLOT_PIXELS,
                lambda figure, row: _draw_detections(figure, row, run, names),
            )
        ]
    rows = [
        _Row(
            f"objects: {legend(OBJECT_COLORS)}",
            _PLOT_PIXELS,
            lambda figure, row: _draw_objects(figure, row, run),
        )
    ]
    names = _colors(
        {
            item.class_name
            for frame in run.frames
            for item in frame.objects or []
            if item.diameter is not None
        }
    )
    if names:
        title = f"pose error, ADD(-S) in diameters, × none: {legend(names)}"
        rows.append(
            _Row(title, _PLOT_PIXELS + 30, lambda figure, row: _draw_poses(figure, row, run, names))
        )
    return rows


def _track_rows(run: ReplayRun) -> list[_Row]:
    has_ground_truth = any(frame.identities is not None for frame in run.frames)
    lanes = identity_lanes(run) if has_ground_truth else track_lanes(run)
    explained = (
        "tracks of the true objects: a colour is a track, grey is none, ✕ identity switch, ○ lost"
        " for a while"
    )
    return [_lanes_row(explained if has_ground_truth else "tracks", lanes)] if lanes.names else []


def _action_rows(run: ReplayRun) -> list[_Row]:
    names = {
        name
        for frame in run.frames
        for name in (*frame.scores, frame.label, frame.true_label)
        if name
    }
    if not names:
        return []
    title = f"action scores, on the colour of the true action: {legend(_colors(names))}"
    scores = _Row(title, _PLOT_PIXELS, lambda figure, row: _draw_scores(figure, row, run))
    return [_lanes_row("action", action_lanes(run)), scores]


def _colors(names: Iterable[str]) -> dict[str, str]:
    return {name: name_color(name) for name in sorted(names)}


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


def _lanes_row(title: str, lanes: Lanes) -> _Row:
    return _Row(title, _LANE_PIXELS * max(2, len(lanes.names)), lanes.draw)


def _line(
    figure: go.Figure,
    row: int,
    run: ReplayRun,
    frames: Sequence[int],
    values: Sequence[float],
    name: str,
    color: str,
    shape: str = "hv",
) -> None:
    """One value for each of ``frames``."""
    trace = go.Scattergl if len(frames) > _MANY_POINTS else go.Scatter
    time = [run.seconds[index] for index in frames]
    line = {"color": color, "width": 1.5, "shape": shape}
    hover = f"{name}: %{{y:.3~g}}<br>%{{x:.2f}} s<extra></extra>"
    figure.add_trace(
        trace(
            x=time,
            y=values,
            customdata=list(frames),
            mode="lines",
            line=line,
            name=name,
            hovertemplate=hover,
        ),
        row=row,
        col=1,
    )


def _draw_objects(figure: go.Figure, row: int, run: ReplayRun) -> None:
    known = [index for index, frame in enumerate(run.frames) if frame.objects is not None]
    frames = [run.frames[index] for index in known]
    counts = {
        "visible": [len(frame.objects) for frame in frames],
        "found": [sum(item.found for item in frame.objects) for frame in frames],
        "wrong detections": [
            sum(item.right is False for item in frame.detections) for frame in frames
        ],
    }
    for name, values in counts.items():
        _line(figure, row, run, known, values, name, OBJECT_COLORS[name])
    figure.update_yaxes(rangemode="tozero", row=row, col=1)


def _draw_detections(figure: go.Figure, row: int, run: ReplayRun, names: Mapping[str, str]) -> None:
    for name, color in names.items():
        counts = [sum(item.class_name == name for item in frame.detections) for frame in run.frames]
        _line(figure, row, run, range(len(counts)), counts, name, color)


def _draw_poses(figure: go.Figure, row: int, run: ReplayRun, names: Mapping[str, str]) -> None:
    """A point for each object; errors above ``_WORST_SHOWN`` lie on the upper edge."""
    known = [
        (index, item)
        for index, frame in enumerate(run.frames)
        for item in frame.objects or []
        if item.diameter is not None
    ]
    trace = go.Scattergl if len(known) > _MANY_POINTS else go.Scatter
    for name, color in names.items():
        points = [(index, item) for index, item in known if item.class_name == name]
        missing = [item.error is None for _, item in points]
        scatter = trace(
            x=[run.seconds[index] for index, _ in points],
            y=[
                (
                    _WORST_SHOWN
                    if item.error is None
                    else min(item.error / item.diameter, _WORST_SHOWN)
                )
                for _, item in points
            ],
            customdata=[index for index, _ in points],
            text=[
                "no pose" if item.error is None else f"{1e3 * item.error:.1f} mm"
                for _, item in points
            ],
            mode="markers",
            marker={
                "color": color,
                "size": 5,
                "symbol": ["x-thin-open" if none else "circle" for none in missing],
            },
            name=name,
            hovertemplate=f"{name}: %{{text}}<br>%{{x:.2f}} s<extra></extra>",
        )
        figure.add_trace(scatter, row=row, col=1)
    figure.add_hline(
        RECALL_DIAMETER_FRACTION, line={"color": WARN, "dash": "dot", "width": 1}, row=row, col=1
    )
    figure.update_yaxes(range=[-0.02, _WORST_SHOWN + 0.03], tickformat=".0%", row=row, col=1)


def _draw_scores(figure: go.Figure, row: int, run: ReplayRun) -> None:
    """A line for each class; the background has the colour of the true action."""
    known = [index for index, frame in enumerate(run.frames) if frame.scores]
    for name in sorted({name for index in known for name in run.frames[index].scores}):
        values = [run.frames[index].scores.get(name, 0.0) for index in known]
        _line(figure, row, run, known, values, name, name_color(name), "linear")
    labels = [frame.true_label or "" for frame in run.frames]
    ends = [*run.seconds[1:], run.seconds[-1]]
    for label, part in groupby(range(len(labels)), key=labels.__getitem__):
        frames = list(part)
        if label:
            span = run.seconds[frames[0]], ends[frames[-1]]
            figure.add_vrect(
                *span, fillcolor=name_color(label, 0.2), line_width=0, layer="below", row=row, col=1
            )
    figure.update_yaxes(range=[0, 1.02], row=row, col=1)


def _draw_latencies(figure: go.Figure, row: int, run: ReplayRun, stages: Mapping[str, str]) -> None:
    for stage, color in stages.items():
        known = [index for index, frame in enumerate(run.frames) if stage in frame.latency_ms]
        _line(
            figure,
            row,
            run,
            known,
            [run.frames[index].latency_ms[stage] for index in known],
            stage,
            color,
            "linear",
        )
    figure.update_yaxes(rangemode="tozero", row=row, col=1)
