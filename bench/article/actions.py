# SPDX-License-Identifier: Apache-2.0
"""The part of the article on action recognition: its runs, and the best three on other videos."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from bench.article.page import markdown_table
from bench.article.steps import Part, Step, read_figures

_RUNS = tuple(f"T{number}" for number in range(1, 9))
_BEST = 3
_TRAINED_ON = ("urfd", "gmdcsa24", "surveillance", "track_sprint", "clips", "up_fall")
_ELSEWHERE = "singles"
_MEASURES = ("precision", "recall", "f1")
_CHART = "article_actions.png"


def _actions(out: Path) -> str:
    """The runs on held-out people, and those of the highest mean F-score on other videos."""
    with (out / "runs/comparison.csv").open(newline="") as file:
        header, *rows = csv.reader(file)
    f1_columns = [column for column, name in enumerate(header) if name.endswith(" f1")]

    def mean_f1(row: list[str]) -> float:
        return float(np.mean([float(row[column] or 0) for column in f1_columns]))

    best = sorted(sorted(rows, key=mean_f1, reverse=True)[:_BEST])
    elsewhere = [
        [run, label, str(score["support"]), *(_figure(score[measure]) for measure in _MEASURES)]
        for run in (row[0] for row in best)
        for label, score in read_figures(out / f"elsewhere_{run}/metrics.json")["per_class"].items()
    ]
    return "\n\n".join(
        [
            "Held-out people:",
            f"![Precision, recall and F-score of each class in each run](pictures/{_CHART})",
            markdown_table(header, rows),
            "The three runs of the highest mean F-score on videos from elsewhere:",
            markdown_table(["run", "class", "clips", *_MEASURES], elsewhere),
        ]
    )


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


_DATA = " ".join(f"--data PEOPLE/{name}" for name in _TRAINED_ON)

PARTS = {
    "actions": Part(
        ("PEOPLE",),
        (
            Step(
                "runs", f"perception train sweep config/article_sweep.yaml {_DATA} --out OUT/runs"
            ),
            *(
                Step(
                    f"elsewhere_{run}",
                    f"perception evaluate actions --data PEOPLE/{_ELSEWHERE} --per-person"
                    f" --model OUT/runs/{run}/model.safetensors --out OUT/elsewhere_{run}",
                )
                for run in _RUNS
            ),
        ),
        _actions,
        {_CHART: "runs/comparison.png"},
    ),
}
