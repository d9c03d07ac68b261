# SPDX-License-Identifier: Apache-2.0
"""The scores of the runs of a sweep, side by side."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from actionrec_node.evaluation.plots import MEASURES, plot_per_class


def write_comparison(
    out: Path, runs: dict[str, dict[str, Any]], records: dict[str, dict[str, Any]]
) -> str:
    """``comparison.csv`` and ``comparison.png``: scores of each class of each run.

    They are precision, recall and F-score on held-out clips. The table also has the options in
    which the runs differ. Returns it as text for the terminal.
    """
    per_class = {name: record["held_out"]["per_class"] for name, record in records.items()}

    # The table: a row for each run.
    keys = sorted({key for options in runs.values() for key in options})
    differing = [
        key for key in keys if len({str(options.get(key)) for options in runs.values()}) > 1
    ]
    classes = list(next(iter(per_class.values())))
    header = ["run", *differing, *(f"{name} {measure}" for name in classes for measure in MEASURES)]
    rows = [
        [name, *(str(runs[name].get(key, "")) for key in differing)]
        + [
            "" if scores[label][measure] is None else f"{scores[label][measure]:.3f}"
            for label in classes
            for measure in MEASURES
        ]
        for name, scores in per_class.items()
    ]

    with (out / "comparison.csv").open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    plot_per_class(out / "comparison.png", per_class)

    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in [header, *rows]
    )
