# SPDX-License-Identifier: Apache-2.0
"""``compare.html``: two replays of a bag side by side."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import plotly.graph_objects as go

from perception_kit.evaluation.run import ReplayRun
from perception_kit.report.compare import Change, Comparison, FrameChange
from perception_kit.report.html import assemble_page, class_cell, panel, plot, table
from perception_kit.report.pictures import encode_pictures
from perception_kit.report.problems import badness
from perception_kit.report.style import BAD, GOOD, finish, legend

_RUN_COLORS = {"first": "#8b949e", "second": "#58a6ff"}
_VERDICT_COLORS = {"better": GOOD, "worse": BAD}


def comparison_page(comparison: Comparison) -> str:
    """The page as HTML."""
    first, second = comparison.first, comparison.second
    classes = [
        change for change in comparison.changes if change.of and change.verdict in _VERDICT_COLORS
    ]
    figures = {"mistakes": _mistakes(first, second)} | (
        {"classes": _class_changes(classes)} if classes else {}
    )
    same_bag = (
        "" if first.bag_name == second.bag_name else f" (another bag: {escape(second.bag_name)})"
    )
    sections = [
        f"<h1>{escape(first.bag_name)}: two replays</h1>",
        (
            f'<p class="about">first: {escape(str(first.folder))}<br>second:'
            f" {escape(str(second.folder))}{same_bag}</p>"
        ),
        panel(
            "Scores",
            _score_table(
                [change for change in comparison.changes if not change.of], with_class=False
            ),
        ),
        panel("What they ran with, where it differs", _cause_table(comparison)),
        panel(f"Mistakes by frame: {', '.join(_RUN_COLORS)}", plot("mistakes")),
        (
            panel("What changed by class, as a share of the larger value", plot("classes"))
            if classes
            else ""
        ),
        panel("Frames that differ most: first left, second right", _frames(comparison)),
        panel(
            "Scores by class",
            _score_table([change for change in comparison.changes if change.of], with_class=True),
        ),
    ]
    return assemble_page(
        f"{first.bag_name}: {first.folder.name} and {second.folder.name}",
        "".join(sections),
        {},
        figures,
    )


def _score_table(changes: Sequence[Change], with_class: bool) -> str:
    header = [*(["class"] if with_class else []), "part", "score", "first", "second", "difference"]
    rows = []
    for change in changes:
        verdict = (
            change.verdict if change.verdict in _VERDICT_COLORS else ""
        )  # in words, too: not everybody tells red from green
        difference = f'<span class="{verdict}">{escape(change.difference_text)} {verdict}</span>'
        texts = [
            escape(text)
            for text in (
                change.first.part,
                change.first.name,
                change.first.text,
                change.second.text,
            )
        ]
        rows.append([*([class_cell(change.of)] if with_class else []), *texts, difference])
    return table(header, rows, text_columns=header.index("first"))


def _cause_table(comparison: Comparison) -> str:
    if not comparison.causes:
        return "<p>Nothing differs.</p>"
    return table(
        ["", "first", "second"],
        [[escape(text) for text in cause] for cause in comparison.causes],
        text_columns=3,
    )


def _mistakes(first: ReplayRun, second: ReplayRun) -> go.Figure:
    figure = go.Figure()
    for run, (name, color) in zip((first, second), _RUN_COLORS.items(), strict=True):
        values = [badness(frame) for frame in run.frames]
        line = {"color": color, "width": 1.5, "shape": "hv"}
        hover = f"{name}: %{{y}} at %{{x:.2f}} s<extra></extra>"
        figure.add_trace(
            go.Scatter(
                x=run.seconds, y=values, mode="lines", line=line, name=name, hovertemplate=hover
            )
        )
    figure.update_yaxes(title_text="mistakes", rangemode="tozero")
    figure.update_xaxes(title_text="seconds")
    return finish(
        figure,
        260,
        showlegend=False,
        title={"text": legend(_RUN_COLORS), "font": {"size": 13}, "x": 0.05},
    )


def _class_changes(changes: Sequence[Change]) -> go.Figure:
    """A bar for each score that changed; its length is the change relative to the larger of the two
    values.
    """
    names = [
        f"{change.of}: {change.first.name} {change.first.text} → {change.second.text}"
        for change in changes
    ]
    largest = [max(abs(change.first.value), abs(change.second.value)) for change in changes]
    gains = [
        change.first.better * change.difference / size
        for change, size in zip(changes, largest, strict=True)
    ]
    figure = go.Figure(
        go.Bar(
            x=gains,
            y=names,
            orientation="h",
            marker={"color": [_VERDICT_COLORS[change.verdict] for change in changes]},
            hovertemplate="%{y}<extra></extra>",
        )
    )
    figure.update_yaxes(autorange="reversed", type="category")
    figure.update_xaxes(title_text="worse ← → better", tickformat=".0%")
    return finish(figure, 110 + 22 * len(changes), showlegend=False)


def _frames(comparison: Comparison) -> str:
    if not comparison.frames:
        return "<p>No frame differs.</p>"
    pictures = [
        encode_pictures(
            run.video, run.frames, (), [getattr(frame, index) for frame in comparison.frames]
        )
        for run, index in ((comparison.first, "first_index"), (comparison.second, "second_index"))
    ]
    return "".join(_pair(frame, *pictures) for frame in comparison.frames)


def _pair(frame: FrameChange, first: dict[int, str], second: dict[int, str]) -> str:
    verdict = "worse" if frame.worse_by > 0 else "better" if frame.worse_by < 0 else ""
    number = f"{abs(frame.worse_by):.0f} mistake{'' if abs(frame.worse_by) == 1 else 's'}"
    words = (
        f"{number} {'more' if frame.worse_by > 0 else 'fewer'}"
        if frame.worse_by
        else "other mistakes"
    )
    sides = (
        (frame.first_index, first, frame.first_problems),
        (frame.second_index, second, frame.second_problems),
    )
    columns = "".join(
        f"<div>{_picture(pictures.get(index))}{_list(problems)}</div>"
        for index, pictures, problems in sides
    )
    title = (
        f'<div class="why"><b>frame {frame.number}, {frame.seconds:.2f} s</b>: <span'
        f' class="{verdict}">{words}</span></div>'
    )
    return f'<div class="pair">{title}{columns}</div>'


def _picture(data: str | None) -> str:
    return (
        f'<img style="width:100%" alt="" src="data:image/jpeg;base64,{data}">'
        if data
        else "<p>no picture</p>"
    )


def _list(problems: Sequence[str]) -> str:
    return f"<ul>{''.join(f'<li>{escape(problem)}</li>' for problem in problems) or '<li>nothing wrong</li>'}</ul>"
