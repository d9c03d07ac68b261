# SPDX-License-Identifier: Apache-2.0
"""``compare.html``: two replays of a bag side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

import plotly.graph_objects as go

from perception_kit.evaluation.run import ReplayRun
from perception_kit.report.comparison import Change, Comparison, FrameChange
from perception_kit.report.html import assemble_page, class_cell, page_header, panel, plot, table
from perception_kit.report.pictures import encode_pictures
from perception_kit.report.problems import badness
from perception_kit.report.style import BAD, GOOD, finish, legend

_RUN_COLORS = {"first": "#8b949e", "second": "#58a6ff"}
_VERDICT_COLORS = {"better": GOOD, "worse": BAD}


def comparison_page(comparison: Comparison) -> str:
    """The page as HTML."""
    first, second = comparison.first, comparison.second
    totals = [change for change in comparison.changes if not change.of]
    by_class = [change for change in comparison.changes if change.of]
    changed = [change for change in by_class if change.verdict in _VERDICT_COLORS]

    figures = {"mistakes": mistakes_figure({"first": first, "second": second}, _RUN_COLORS)}
    if changed:
        figures["classes"] = _class_changes(changed)

    sections = [
        _header(first, second, totals),
        panel("Scores", _score_table(totals, with_class=False)),
        panel("What they ran with, where it differs", _cause_table(comparison)),
        panel(f"Mistakes by frame: {', '.join(_RUN_COLORS)}", plot("mistakes")),
    ]
    if changed:
        title = "What changed by class, as a fraction of the larger value"
        sections.append(panel(title, plot("classes")))
    sections += [
        panel("Frames that differ most: first left, second right", _frames(comparison)),
        panel("Scores by class", _score_table(by_class, with_class=True)),
    ]
    title = f"{first.bag_name}: {first.folder.name} and {second.folder.name}"
    return assemble_page(title, "".join(sections), {}, figures)


def _header(first: ReplayRun, second: ReplayRun, totals: Sequence[Change]) -> str:
    folders = [escape(str(run.folder)) for run in (first, second)]
    is_same = first.bag_name == second.bag_name
    another_bag = "" if is_same else f" (another bag: {escape(second.bag_name)})"
    about = [f"first: {folders[0]}", f"second: {folders[1]}{another_bag}"]
    return page_header(f"{first.bag_name}: two replays", about, f"second: {balance(totals)}")


def balance(totals: Sequence[Change]) -> str:
    """How many scores are better and how many worse, in words."""
    better, worse = (
        sum(change.verdict == verdict for change in totals) for verdict in _VERDICT_COLORS
    )
    return f"{better} better, {worse} worse, {len(totals) - better - worse} the same"


def _score_table(changes: Sequence[Change], with_class: bool) -> str:
    header = [*(["class"] if with_class else []), "part", "score", "first", "second", "difference"]
    rows = []
    for change in changes:
        first, second = change.first, change.second
        texts = [escape(text) for text in (first.part, first.name, first.text, second.text)]
        rows.append([*([class_cell(change.of)] if with_class else []), *texts, difference(change)])

    return table(header, rows, text_columns=header.index("first"))


def difference(change: Change) -> str:
    """The difference in the color of its verdict, which it also names: red and green alone would
    not tell everybody."""
    verdict = change.verdict if change.verdict in _VERDICT_COLORS else ""
    return f'<span class="{verdict}">{escape(change.difference_text)} {verdict}</span>'


def _cause_table(comparison: Comparison) -> str:
    if not comparison.causes:
        return "<p>Nothing differs.</p>"
    rows = [[escape(text) for text in cause] for cause in comparison.causes]
    return table(["", "first", "second"], rows, text_columns=3)


def mistakes_figure(runs: Mapping[str, ReplayRun], colors: Mapping[str, str]) -> go.Figure:
    """A line for each run, by its name in the legend."""
    figure = go.Figure()
    for name, run in runs.items():
        line = go.Scatter(
            x=run.seconds,
            y=[badness(frame) for frame in run.frames],
            mode="lines",
            line={"color": colors[name], "width": 1.5, "shape": "hv"},
            hovertemplate=f"{escape(name)}: %{{y:.0f}} mistakes at %{{x:.2f}} s<extra></extra>",
        )
        figure.add_trace(line)

    figure.update_yaxes(title_text="mistakes", rangemode="tozero")
    figure.update_xaxes(title_text="seconds")
    title = {"text": legend(colors), "font": {"size": 13}, "x": 0.05}
    return finish(figure, 260, showlegend=False, title=title)


def _class_changes(changes: Sequence[Change]) -> go.Figure:
    """A bar for each score that changed, as long as its relative gain."""
    names = [
        f"{change.of}: {change.first.name} {change.first.text} → {change.second.text}"
        for change in changes
    ]
    bars = go.Bar(
        x=[change.gain for change in changes],
        y=names,
        orientation="h",
        marker={"color": [_VERDICT_COLORS[change.verdict] for change in changes]},
        hovertemplate="%{y}<extra></extra>",
    )

    figure = go.Figure(bars)
    figure.update_yaxes(autorange="reversed", type="category")
    figure.update_xaxes(title_text="worse ← → better", tickformat=".0%")
    return finish(figure, 110 + 22 * len(changes), showlegend=False)


def _frames(comparison: Comparison) -> str:
    if not comparison.frames:
        return "<p>No frame differs.</p>"

    first, second = comparison.first, comparison.second
    first_pictures = encode_pictures(
        first.video, first.frames, (), [frame.first_index for frame in comparison.frames]
    )
    second_pictures = encode_pictures(
        second.video, second.frames, (), [frame.second_index for frame in comparison.frames]
    )
    return "".join(_pair(frame, first_pictures, second_pictures) for frame in comparison.frames)


def _pair(frame: FrameChange, first: Mapping[int, str], second: Mapping[int, str]) -> str:
    """The pictures and problems of a frame in both runs."""
    verdict = "worse" if frame.worse_by > 0 else "better" if frame.worse_by < 0 else ""
    title = (
        f'<div class="why"><b>frame {frame.number}, {frame.seconds:.2f} s</b>:'
        f' <span class="{verdict}">{_describe_difference(frame.worse_by)}</span></div>'
    )

    left = _picture(first.get(frame.first_index)) + _list(frame.first_problems)
    right = _picture(second.get(frame.second_index)) + _list(frame.second_problems)
    return f'<div class="pair">{title}<div>{left}</div><div>{right}</div></div>'


def _describe_difference(worse_by: float) -> str:
    if not worse_by:
        return "other mistakes"
    number = abs(worse_by)
    mistakes = f"{number:.0f} mistake{'' if number == 1 else 's'}"
    return f"{mistakes} {'more' if worse_by > 0 else 'fewer'}"


def _picture(data: str | None) -> str:
    if data is None:
        return "<p>no picture</p>"
    return f'<img style="width:100%" alt="" src="data:image/jpeg;base64,{data}">'


def _list(problems: Sequence[str]) -> str:
    items = "".join(f"<li>{escape(problem)}</li>" for problem in problems)
    return f"<ul>{items or '<li>nothing wrong</li>'}</ul>"
