# SPDX-License-Identifier: Apache-2.0
"""Colors and layout that all figures share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import plotly.graph_objects as go

from perception_kit.colors import class_color

GRID, TEXT = "#30363f", "#c9d1d9"
NEUTRAL = "#8b949e"  # lines that are seen on dark and on light pages
GOOD, BAD, WARN = "#3fb950", "#f85149", "#d29922"
OBJECT_COLORS = {"visible": "#8b949e", "found": "#58a6ff", "wrong detections": BAD}
STAGE_COLORS = {
    "segmentation": "#58a6ff",
    "pose": "#d2a8ff",
    "tracking": "#7ee787",
    "actions": "#ffa657",
    "total": "#c9d1d9",
}
TRACK_COLORS = (
    "#58a6ff",
    "#ffa657",
    "#7ee787",
    "#d2a8ff",
    "#ff7b72",
    "#79c0ff",
    "#e3b341",
    "#f778ba",
    "#56d4dd",
    "#a5d6a7",
)

CHART_HEIGHT = 360  # pixels
_LEGEND_CHARACTERS = 44  # so many fit beside the words before them on half a page


def name_color(name: str, opacity: float = 1.0) -> str:
    """CSS color of a class or an action, the same as in the overlay."""
    red, green, blue = class_color(name)
    return f"rgba({red},{green},{blue},{opacity})"


def legend(colors: Mapping[str, str]) -> str:
    """Names in their colors, for the title of a figure; of many only those that fit."""
    words: list[str] = []
    length = 0
    for name, color in colors.items():
        length += len(name) + 2
        if words and length > _LEGEND_CHARACTERS:
            words.append("…")
            break
        words.append(f'<span style="color:{color}">{name}</span>')
    return ", ".join(words)


def finish(figure: go.Figure, height: int, **layout: Any) -> go.Figure:
    """Apply the shared look and return the figure."""
    figure.update_layout(
        template=None,
        height=height,
        margin={"l": 60, "r": 16, "t": 34, "b": 44},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"family": "system-ui, sans-serif", "size": 12, "color": TEXT},
        hoverlabel={"bgcolor": "#1c2128", "bordercolor": GRID, "font": {"color": TEXT}},
        **layout,
    )

    lines = {"gridcolor": GRID, "zerolinecolor": GRID, "linecolor": GRID}
    figure.update_xaxes(**lines, automargin=True)
    figure.update_yaxes(**lines, automargin=True)
    return figure
