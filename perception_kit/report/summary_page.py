# SPDX-License-Identifier: Apache-2.0
"""``summary.html``: the scores of several replays in one table, with links to their reports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np

from perception_kit.evaluation.run import ReplayRun
from perception_kit.evaluation.run_folder import REPORT
from perception_kit.evaluation.scores import NOT_KNOWN, Score, main_scores
from perception_kit.report.html import assemble_page, notes, panel, table


def summary_table(runs: Mapping[str, ReplayRun]) -> tuple[list[str], list[list[str]]]:
    """Header and rows: each run's scores by its name, and their means.

    A mean is over the runs in which the score is known; one that none knows is left out.
    """
    scores = {name: main_scores(run) for name, run in runs.items()}
    columns = list(zip(*scores.values(), strict=True))
    known = [column for column in columns if any(score.value is not None for score in column)]

    header = ["bag", *(f"{column[0].part}: {column[0].name}" for column in known)]
    rows = [[name, *(column[row].text for column in known)] for row, name in enumerate(scores)]
    return header, [*rows, ["mean", *(_mean(column) for column in known)]]


def summary_page(title: str, runs: Mapping[str, ReplayRun | None]) -> str:
    """The page as HTML; a run that is None failed."""
    finished = {name: run for name, run in runs.items() if run is not None}
    failed = [
        f"the replay of {name} did not end: see {name}/replay.log"
        for name in runs
        if name not in finished
    ]
    body = f"<h1>{len(runs)} replays</h1>" + notes(failed)

    if finished:
        header, rows = summary_table(finished)
        cells = [
            [_link(name) if name in finished else f"<b>{name}</b>", *map(escape, texts)]
            for name, *texts in rows
        ]
        body += panel("Scores", table([escape(name) for name in header], cells))
    return assemble_page(title, body, {}, {})


def _link(name: str) -> str:
    return f'<a href="{escape(name)}/{REPORT}">{escape(name)}</a>'


def _mean(column: Sequence[Score]) -> str:
    values = [score.value for score in column if score.value is not None]
    return column[0].form.format(float(np.mean(values))) if values else NOT_KNOWN
