# SPDX-License-Identifier: Apache-2.0
"""Latency of searches beside other stores: ``python -m bench.search_speed``.

The same tags are in the library (LanceDB), in SQLite (B-tree, FTS5, vectors as a matrix in memory),
in DuckDB (columns, vectors by array_cosine_similarity), in PostgreSQL with pgvector where that is
installed, and in plain arrays that are scanned. Asked in turns are the ten best of a label within a
time, the ten best texts of a word, and the ten nearest descriptors. Recall is that of the nearest
against the exact ones.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import mkdtemp
from time import perf_counter
from typing import Any

import numpy as np

from bench.search_stores import STORES, TOP, NotThereError
from bench.search_tags import Tags
from bench.timing import add_json_option, write_figures
from perception_kit.arguments import bounded_int

SIZES = (10_000, 100_000, 1_000_000)


def _timed(times: list[float], find: Callable[..., list[str]], *query: Any) -> list[str]:
    started = perf_counter()
    found = find(*query)
    times.append(1e3 * (perf_counter() - started))
    return found


def measure(count: int, repetitions: int, stores: Sequence[Any]) -> dict[str, dict[str, float]]:
    """Milliseconds of each store: p50 and p95 of each kind of query, seconds to fill it."""
    tags = Tags(count)
    queries = tags.queries(repetitions + 1)
    figures: dict[str, dict[str, float]] = {}
    folder = Path(mkdtemp(prefix="search_speed_"))
    try:
        opened = {}
        for kind in stores:
            started = perf_counter()
            try:
                opened[kind.name] = kind(tags, folder)
            except NotThereError as error:
                print(f"{kind.name} is left out: {error}", file=sys.stderr)
                continue
            figures[kind.name] = {"fill_s": perf_counter() - started}

        times: dict[str, dict[str, list[float]]] = {name: {} for name in opened}
        recall: dict[str, list[float]] = {name: [] for name in opened}
        for number, (label, since, word, vector) in enumerate(queries):
            exact = {str(i) for i in np.argpartition(-(tags.descriptor @ vector), TOP)[:TOP]}
            for name, store in opened.items():
                kept = times[name] if number else {}  # the first warms up
                _timed(kept.setdefault("label", []), store.by_label, label, since)
                _timed(kept.setdefault("text", []), store.by_text, word)
                found = _timed(kept.setdefault("vector", []), store.by_vector, vector)
                recall[name].append(len(exact & set(found)) / TOP)
    finally:
        shutil.rmtree(folder)

    for name, asked in times.items():
        for question, values in asked.items():
            figures[name] |= {
                f"{question}_p50_ms": float(np.percentile(values, 50)),
                f"{question}_p95_ms": float(np.percentile(values, 95)),
            }
        figures[name]["vector_recall"] = float(np.mean(recall[name]))
    return figures


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a table for each size."""
    parser = argparse.ArgumentParser(prog="python -m bench.search_speed", description=__doc__)
    parser.add_argument("--sizes", type=bounded_int(1000), nargs="+", default=SIZES)
    parser.add_argument("--repetitions", type=bounded_int(1), default=20)
    add_json_option(parser)
    options = parser.parse_args(arguments)

    figures = {}
    for size in options.sizes:
        figures[str(size)] = measure(size, options.repetitions, STORES)
        print(f"{size} tags, ms (p50 / p95)")
        for name, values in figures[str(size)].items():
            row = "  ".join(
                f"{kind} {values[f'{kind}_p50_ms']:8.1f} / {values[f'{kind}_p95_ms']:8.1f}"
                for kind in ("label", "text", "vector")
            )
            recall, fill = values["vector_recall"], values["fill_s"]
            print(f"  {name:24} {row}  recall {recall:.2f}  filled in {fill:.1f} s", flush=True)
    write_figures(options.json, figures)
    return 0


if __name__ == "__main__":
    sys.exit(main())
