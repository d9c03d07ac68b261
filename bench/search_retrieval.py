# SPDX-License-Identifier: Apache-2.0
"""Recall and precision of searches in rendered recordings: ``python -m bench.search_retrieval``.

Renders recordings of the test split with planted logos, runs the three nodes over them, indexes
all, and asks for every label, action and logo by word, for objects by a picture, and for pairs. A
moment is right where it overlaps a true appearance in time; boxes are not compared. An object's
picture is cut out of the recording that shows it largest, which is left out of the answer then.
``--out`` keeps recordings and results: a run goes on there.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tqdm import tqdm

from bench.search_library import LOGOS, read_plantings, write_logos, write_recording
from bench.search_scores import SLACK_NS, Score, Span, overlap
from bench.search_truth import ACTION_SLACK_NS, ACTIONS, Truth, nodes_results, read_truth
from bench.timing import add_json_option, write_figures
from perception_kit.arguments import bounded_int
from perception_kit.types import FrameResults
from video_search import Library, Moment, Query
from video_search.images import image_query
from video_search.index import main as index
from video_search.models import Models, missing_nodes, run_models

# The settings of patterns were chosen on others.
FIRST_SEED = 2000
_ALL = 1000


class Evaluation:
    """Asks one library for all that its recordings truly show."""

    def __init__(
        self, library: Library, truths: Sequence[Truth], found: Sequence[dict[int, FrameResults]]
    ) -> None:
        self._library, self._truths, self._found = library, truths, found
        self._sources = {Path(source.uri).name: source.id for source in library.sources()}
        self.labels = sorted({name for truth in truths for name in truth.labels})
        self.scores: dict[str, Score] = {}

    def spans(self, label: str) -> dict[str, list[Span]]:
        """When a label is truly there in each recording."""
        return {truth.bag.name: truth.spans(label) for truth in self._truths}

    def detected(self, label: str) -> dict[str, list[Span]]:
        """Those of them in which the nodes have found it."""
        pairs = zip(self._truths, self._found, strict=True)
        return {truth.bag.name: truth.detected(label, found) for truth, found in pairs}

    def planted(self, name: str) -> dict[str, list[Span]]:
        """When a logo is there in each recording."""
        return {
            truth.bag.name: [
                (entry.start_ns, entry.end_ns)
                for entry in read_plantings(truth.bag)
                if entry.label == name
            ]
            for truth in self._truths
        }

    def _count(
        self,
        name: str,
        moments: Sequence[Moment],
        spans: dict[str, list[Span]],
        slack_ns: int = SLACK_NS,
    ) -> None:
        self.scores.setdefault(name, Score()).add(moments, spans, slack_ns)

    def _asked(self, query: Query) -> list[Moment]:
        return self._library.find(replace(query, limit=_ALL)).moments

    def words(self) -> None:
        """Objects, people and actions by their names."""
        for label in self.labels:
            is_action = label in ACTIONS
            kind, name = ("action", "actions") if is_action else ("track", "objects")
            slack_ns = ACTION_SLACK_NS if is_action else SLACK_NS
            moments = self._asked(Query(label, kinds=(kind,)))
            self._count(name, moments, self.spans(label), slack_ns)
            self._count(f"{name} detected", moments, self.detected(label), slack_ns)

    def logos(self) -> None:
        """Logos by name, and with a person."""
        people = self.spans("person")
        for name in LOGOS:
            planted = self.planted(name)
            self._count("logos", self._asked(Query(name)), planted)
            moments = self._asked(Query(f"{name} with person"))
            self._count("logo and person", moments, overlap(planted, people))

    def pictures(self) -> None:
        """Objects by a picture, and a picture with a word: that object while a person is there."""
        people = self.spans("person")
        for label in (label for label in self.labels if label not in ACTIONS | {"person"}):
            pictures = [(truth, truth.picture(label)) for truth in self._truths]
            shown = [(truth, rgb) for truth, rgb in pictures if rgb is not None]
            if not shown:
                continue
            pictured, rgb = max(shown, key=lambda entry: entry[1].size)
            others = {k: v for k, v in self._sources.items() if k != pictured.bag.name}
            spans = {bag: times for bag, times in self.spans(label).items() if bag in others}
            query = image_query(rgb, Query(kinds=("track",), sources=tuple(others.values())))
            self._count("pictures", self._asked(query), spans)
            moments = self._asked(replace(query, text="person"))
            self._count("picture and person", moments, overlap(spans, people))


def main(arguments: Sequence[str] | None = None) -> int:
    """Render, run, index, ask and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.search_retrieval", description=__doc__)
    parser.add_argument("--recordings", type=bounded_int(1), default=40)
    parser.add_argument("--out", type=Path, default=Path("out/search_retrieval"))
    add_json_option(parser)
    options = parser.parse_args(arguments)

    out, models = options.out, Models.demo()
    bags, results = [], []
    write_logos(out / "logos")
    for seed in tqdm(range(FIRST_SEED, FIRST_SEED + options.recordings), desc="recordings"):
        bag, result = out / "recordings" / f"r{seed}", out / "results" / f"r{seed}"
        if not bag.exists():
            write_recording(bag, seed)
        if not (result / "metrics.json").exists() or missing_nodes(result):
            run_models(bag.absolute(), models, result)
        bags.append(bag)
        results.append(result)

    patterns = ["--patterns", str(out / "logos")]
    if index([str(out / "library"), *map(str, results), *patterns]):
        return 1
    truths = [read_truth(bag) for bag in bags]
    asked = Evaluation(
        Library.open(out / "library"), truths, [nodes_results(result) for result in results]
    )
    asked.words()
    asked.logos()
    asked.pictures()

    figures = {name: score.figures() for name, score in asked.scores.items()}
    columns = ("recall", "precision", "recall_at_precision", "precision_at_10", "appearances")
    print(f"{'':20}" + "".join(f"{column:>20}" for column in columns))
    for name, values in figures.items():
        print(f"{name:20}" + "".join(f"{values[column]:20.3f}" for column in columns))
    write_figures(options.json, {"recordings": options.recordings, **figures})
    return 0


if __name__ == "__main__":
    sys.exit(main())
