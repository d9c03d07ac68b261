# SPDX-License-Identifier: Apache-2.0
"""Coloured bars on named lanes over time: who was tracked, and who did what."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby

import numpy as np
import plotly.graph_objects as go

from perception_kit.evaluation.run import ReplayRun
from perception_kit.report.style import TRACK_COLORS, name_color

_MARKS = (("switch", "x-thin", "identity switch"), ("fragment", "circle-open", "lost for a while"))
_NOT_TRACKED = "#3d444d"


@dataclass
class Lanes:
    """Bars, by colour, of frames of ``run`` (by index) on the lanes ``names``; ``marks`` are single
    frames: (lane, frame, kind).
    """

    run: ReplayRun
    names: list[str]
    points: defaultdict[str, list[tuple[float | None, str | None, int | None, str]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    marks: list[tuple[str, int, str]] = field(default_factory=list)

    def bar(self, lane: str, frames: Sequence[int], color: str, text: str) -> None:
        """One bar over ``frames``."""
        self.points[color] += [(self.run.seconds[index], lane, index, text) for index in frames]
        self.points[color].append((None, None, None, ""))  # no line to the next bar

    def draw(self, figure: go.Figure, row: int) -> None:
        """Draw everything into a row of the figure."""
        for color, points in self.points.items():
            time, lane, index, text = zip(*points, strict=True)
            line = {"color": color, "width": 10}
            marker = {
                "color": color,
                "size": 8,
                "symbol": "square",
            }  # a bar of one frame has no line
            hover = "%{y}<br>%{text}<br>%{x:.2f} s<extra></extra>"
            trace = go.Scatter(
                x=time,
                y=lane,
                customdata=index,
                text=text,
                mode="lines+markers",
                line=line,
                marker=marker,
            )
            figure.add_trace(trace.update(hovertemplate=hover, showlegend=False), row=row, col=1)
        for kind, symbol, name in _MARKS:
            self._draw_marks(
                figure, row, [mark for mark in self.marks if mark[2] == kind], symbol, name
            )
        lowest_first = self.names[::-1]
        figure.update_yaxes(
            type="category",
            categoryorder="array",
            categoryarray=lowest_first,
            range=[-0.7, len(self.names) - 0.3],
            row=row,
            col=1,
        )

    def _draw_marks(
        self,
        figure: go.Figure,
        row: int,
        marks: Sequence[tuple[str, int, str]],
        symbol: str,
        name: str,
    ) -> None:
        trace = go.Scatter(
            x=[self.run.seconds[index] for _, index, _ in marks],
            y=[lane for lane, _, _ in marks],
            customdata=[index for _, index, _ in marks],
            mode="markers",
            marker={
                "symbol": symbol,
                "size": 9,
                "line": {"color": "#ffffff", "width": 2},
                "color": "#ffffff",
            },
            name=name,
            showlegend=False,
            hovertemplate=f"{name}<br>%{{y}}<br>%{{x:.2f}} s<extra></extra>",
        )
        figure.add_trace(trace, row=row, col=1)


def identity_lanes(run: ReplayRun) -> Lanes:
    """A lane for each true identity, a colour for each track that follows it; switches and
    fragments are marked.
    """
    history: defaultdict[tuple[str, int], list[tuple[int, int | None]]] = defaultdict(list)
    lanes = Lanes(run, [])
    for index, frame in enumerate(run.frames):
        for one in frame.identities or []:
            history[one.class_name, one.id].append((index, one.track))
            lanes.marks += [
                (_lane(one.class_name, one.id), index, kind)
                for kind, _, _ in _MARKS
                if getattr(one, kind)
            ]
    for key, steps in sorted(history.items()):
        lanes.names.append(_lane(*key))
        lanes.bar(_lane(*key), [index for index, _ in steps], _NOT_TRACKED, "not tracked")
        for track, part in groupby(steps, key=lambda step: step[1]):
            if track is not None:
                lanes.bar(
                    _lane(*key), [index for index, _ in part], _track_color(track), f"track {track}"
                )
    return lanes


def track_lanes(run: ReplayRun) -> Lanes:
    """A lane for each confirmed track, in the colour of its class, for recordings without truth."""
    seen: defaultdict[tuple[str, int], list[int]] = defaultdict(list)
    for index, frame in enumerate(run.frames):
        for track in frame.tracks:
            seen[track.class_name, track.id].append(index)
    lanes = Lanes(run, [_lane(*key) for key in sorted(seen)])
    for key, frames in sorted(seen.items()):
        for stretch in np.split(frames, np.flatnonzero(np.diff(frames) > 1) + 1):
            lanes.bar(_lane(*key), stretch.tolist(), name_color(key[0]), f"track {key[1]}")
    return lanes


def action_lanes(run: ReplayRun) -> Lanes:
    """The true action over the recognised one; the colours are those of the actions."""
    sources = {"recognised": [frame.label for frame in run.frames]}
    if any(frame.true_label for frame in run.frames):
        sources = {"true": [frame.true_label or "" for frame in run.frames], **sources}
    lanes = Lanes(run, list(sources))
    for lane, labels in sources.items():
        for label, part in groupby(range(len(labels)), key=labels.__getitem__):
            if label:
                lanes.bar(lane, list(part), name_color(label), label)
    return lanes


def _lane(class_name: str, number: int) -> str:
    return f"{class_name} {number}"


def _track_color(track: int) -> str:
    return TRACK_COLORS[track % len(TRACK_COLORS)]
