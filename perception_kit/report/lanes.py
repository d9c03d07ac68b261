# SPDX-License-Identifier: Apache-2.0
"""Colored bars on named lanes over time: tracks of identities, and actions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go

from perception_kit.evaluation.run import ReplayRun
from perception_kit.report.style import TRACK_COLORS, name_color

# Kind of identity event, its symbol and its name.
_MARKS = (("switch", "x-thin", "identity switch"), ("fragment", "circle-open", "lost for a while"))
_NOT_TRACKED = "#3d444d"


class Mark(NamedTuple):
    """A single frame (by index) that is marked on a lane."""

    lane: str
    frame: int
    kind: str


@dataclass
class Lanes:
    """Bars, by color, of frames of ``run`` (by index) on the lanes ``names``, and ``marks``.

    ``points`` are (seconds, lane, frame, text).
    """

    run: ReplayRun
    names: list[str]
    points: defaultdict[str, list[tuple[float | None, str | None, int | None, str]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    marks: list[Mark] = field(default_factory=list)

    def bar(self, lane: str, frames: Sequence[int], color: str, text: str) -> None:
        """One bar over ``frames``."""
        self.points[color] += [(self.run.seconds[index], lane, index, text) for index in frames]
        self.points[color].append((None, None, None, ""))  # no line to the next bar

    def draw(self, figure: go.Figure, row: int) -> None:
        """Draw everything into a row of the figure."""
        for color, points in self.points.items():
            seconds, lane, index, text = zip(*points, strict=True)
            bars = go.Scatter(
                x=seconds,
                y=lane,
                customdata=index,
                text=text,
                mode="lines+markers",
                line={"color": color, "width": 10},
                # A bar of one frame has no line.
                marker={"color": color, "size": 8, "symbol": "square"},
                hovertemplate="%{y}<br>%{text}<br>%{x:.2f} s<extra></extra>",
                showlegend=False,
            )
            figure.add_trace(bars, row=row, col=1)

        for kind, symbol, name in _MARKS:
            marks = [mark for mark in self.marks if mark.kind == kind]
            figure.add_trace(self._marks(marks, symbol, name), row=row, col=1)

        lowest_first = self.names[::-1]
        figure.update_yaxes(
            type="category",
            categoryorder="array",
            categoryarray=lowest_first,
            range=[-0.7, len(self.names) - 0.3],
            row=row,
            col=1,
        )

    def _marks(self, marks: Sequence[Mark], symbol: str, name: str) -> go.Scatter:
        line = {"color": "#ffffff", "width": 2}
        return go.Scatter(
            x=[self.run.seconds[mark.frame] for mark in marks],
            y=[mark.lane for mark in marks],
            customdata=[mark.frame for mark in marks],
            mode="markers",
            marker={"symbol": symbol, "size": 9, "line": line, "color": "#ffffff"},
            name=name,
            showlegend=False,
            hovertemplate=f"{name}<br>%{{y}}<br>%{{x:.2f}} s<extra></extra>",
        )


def identity_lanes(run: ReplayRun) -> Lanes:
    """A lane for each ground-truth identity, a color for each track that matches it.

    Switches and fragments are marked.
    """
    lanes = Lanes(run, [])

    # (frame, track) of each identity, and the marks.
    history: defaultdict[tuple[str, int], list[tuple[int, int | None]]] = defaultdict(list)
    for index, frame in enumerate(run.frames):
        for identity in frame.identities or []:
            lane = _lane(identity.class_name, identity.id)
            history[identity.class_name, identity.id].append((index, identity.track))
            lanes.marks += [
                Mark(lane, index, kind) for kind, _, _ in _MARKS if getattr(identity, kind)
            ]

    # A bar of the color of each track over a gray one.
    for key, steps in sorted(history.items()):
        lane = _lane(*key)
        lanes.names.append(lane)
        lanes.bar(lane, [index for index, _ in steps], _NOT_TRACKED, "not tracked")
        for track, segment in groupby(steps, key=lambda step: step[1]):
            if track is not None:
                frames = [index for index, _ in segment]
                lanes.bar(lane, frames, _track_color(track), f"track {track}")
    return lanes


def track_lanes(run: ReplayRun) -> Lanes:
    """A lane for each confirmed track in the color of its class, where there is no ground truth."""
    frames_of: defaultdict[tuple[str, int], list[int]] = defaultdict(list)
    for index, frame in enumerate(run.frames):
        for track in frame.tracks:
            frames_of[track.class_name, track.id].append(index)

    lanes = Lanes(run, [_lane(*key) for key in sorted(frames_of)])
    for key, frames in sorted(frames_of.items()):
        for segment in np.split(frames, np.flatnonzero(np.diff(frames) > 1) + 1):
            lanes.bar(_lane(*key), segment.tolist(), name_color(key[0]), f"track {key[1]}")
    return lanes


def action_lanes(run: ReplayRun) -> Lanes:
    """The true action over the recognized one, in the colors of the actions."""
    sources = {"recognised": [frame.label for frame in run.frames]}
    if any(frame.true_label for frame in run.frames):
        sources = {"true": [frame.true_label or "" for frame in run.frames], **sources}

    lanes = Lanes(run, list(sources))
    for lane, labels in sources.items():
        for label, segment in groupby(range(len(labels)), key=labels.__getitem__):
            if label:
                lanes.bar(lane, list(segment), name_color(label), label)
    return lanes


def _lane(class_name: str, number: int) -> str:
    return f"{class_name} {number}"


def _track_color(track: int) -> str:
    return TRACK_COLORS[track % len(TRACK_COLORS)]
