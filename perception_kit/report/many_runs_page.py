# SPDX-License-Identifier: Apache-2.0
"""``compare.html`` of more than two replays of a bag: each beside the first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from perception_kit.evaluation.run import ReplayRun
from perception_kit.evaluation.scores import NOT_KNOWN, Score
from perception_kit.report.comparison import Change, Comparison
from perception_kit.report.comparison_page import balance, difference, mistakes_figure
from perception_kit.report.html import assemble_page, class_cell, page_header, panel, plot, table
from perception_kit.report.style import TRACK_COLORS


def many_runs_page(comparisons: Sequence[Comparison]) -> str:
    """The page as HTML. All ``comparisons`` are with the same first run."""
    runs = named_runs(comparisons)
    colors = {name: TRACK_COLORS[index % len(TRACK_COLORS)] for index, name in enumerate(runs)}
    bag = comparisons[0].first.bag_name
    about = [f"{escape(name)}: {escape(str(run.folder))}" for name, run in runs.items()]
    totals = (
        [change for change in comparison.changes if not change.of] for comparison in comparisons
    )
    balances = (
        f"{name}: {balance(changes)}" for name, changes in zip(list(runs)[1:], totals, strict=True)
    )
    sections = [
        page_header(
            f"{bag}: {len(runs)} replays",
            [*about, "Differences are to the first."],
            "; ".join(balances),
        ),
        panel("Scores", _score_table(comparisons, list(runs), by_class=False)),
        panel("What they ran with, where it differs", _cause_table(comparisons, list(runs))),
        panel("Mistakes by frame", plot("mistakes")),
        panel("Scores by class", _score_table(comparisons, list(runs), by_class=True)),
    ]
    title = f"{bag}: {', '.join(runs)}"
    figures = {"mistakes": mistakes_figure(runs, colors)}
    return assemble_page(title, "".join(sections), {}, figures)


def named_runs(comparisons: Sequence[Comparison]) -> dict[str, ReplayRun]:
    """The runs by the names of their folders, or by the whole paths where names are the same."""
    runs = [comparisons[0].first, *(comparison.second for comparison in comparisons)]
    names = [run.folder.name for run in runs]
    if len(set(names)) < len(names):
        names = [str(run.folder) for run in runs]
    return dict(zip(names, runs, strict=True))


def _score_table(comparisons: Sequence[Comparison], names: Sequence[str], by_class: bool) -> str:
    """A row for each score, a column for each run."""
    changes = [_by_score(comparison) for comparison in comparisons]
    first_scores: dict[tuple[str, str, str], Score] = {}
    for found in changes:
        first_scores |= {key: change.first for key, change in found.items()}

    rows = []
    for key, score in first_scores.items():
        of, part, name = key
        if bool(of) != by_class:
            continue
        cells = [_cell(found.get(key)) for found in changes]
        texts = [escape(part), escape(name), escape(score.text)]
        rows.append([*([class_cell(of)] if by_class else []), *texts, *cells])

    header = [*(["class"] if by_class else []), "part", "score", *map(escape, names)]
    return table(header, rows, text_columns=len(header) - len(names))


def _by_score(comparison: Comparison) -> Mapping[tuple[str, str, str], Change]:
    """The changes by class, part and name."""
    return {
        (change.of, change.first.part, change.first.name): change for change in comparison.changes
    }


def _cell(change: Change | None) -> str:
    return NOT_KNOWN if change is None else f"{escape(change.second.text)}<br>{difference(change)}"


def _cause_table(comparisons: Sequence[Comparison], names: Sequence[str]) -> str:
    """A row for each setting that differs anywhere; where a run differs not, it has the first's."""
    firsts: dict[str, str] = {}
    for comparison in comparisons:
        firsts |= {name: first for name, first, _ in comparison.causes}
    if not firsts:
        return "<p>Nothing differs.</p>"

    others = [{name: second for name, _, second in comparison.causes} for comparison in comparisons]
    rows = [
        [escape(text) for text in (name, first, *(other.get(name, first) for other in others))]
        for name, first in firsts.items()
    ]
    return table(["", *map(escape, names)], rows, text_columns=len(names) + 1)
