# SPDX-License-Identifier: Apache-2.0
"""Recall and precision of searches in rendered recordings: ``python -m bench.search_retrieval``.

Renders recordings of the test split with planted logos, runs the three nodes over them, indexes
all, and asks for every label, action and logo, for objects by the descriptor of a tag of one (which
is itself an answer), and for pairs. A moment is right where it overlaps a true appearance in time;
boxes are not compared. Recall counts true appearances that some moment overlaps. ``--out`` keeps
recordings and results: a run goes on there.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from bench.search_library import (
    LOGOS,
    Planting,
    read_plantings,
    write_logos,
    write_recording,
)
from bench.timing import add_json_option, write_figures
from perception_kit.arguments import bounded_int
from perception_kit.bags.bag import read_messages
from perception_kit.stamps import stamp_to_ns
from video_search import Library, Moment, Query
from video_search.index import main as index
from video_search.models import Models, missing_nodes, run_models

# The settings of patterns were chosen on lower seeds.
FIRST_SEED = 600
# Of what is seen less, a person would say that it is hidden; shorter than this it is a glimpse.
MIN_VISIBLE, MIN_LENGTH_NS = 0.3, 500_000_000
SLACK_NS = 300_000_000
# An action is decided after a clip of it, and a moment is right this long after its end.
ACTION_SLACK_NS = 1_200_000_000
_TRUE_DETECTIONS, _TRUE_ACTIONS = "/ground_truth/detections", "/ground_truth/actions"
Spans = dict[tuple[str, str], list[tuple[int, int]]]


@dataclass
class Score:
    """Counts over all queries of one kind."""

    found: int = 0
    true: int = 0
    right: int = 0
    answered: int = 0
    right_at_10: int = 0
    answered_at_10: int = 0

    def figures(self) -> dict[str, float]:
        """Recall, precision, and precision of the first ten."""
        return {
            "recall": self.found / max(1, self.true),
            "precision": self.right / max(1, self.answered),
            "precision_at_10": self.right_at_10 / max(1, self.answered_at_10),
            "appearances": self.true,
        }


def true_spans(bags: Sequence[Path]) -> Spans:
    """When each label of objects, people and actions is truly there, by recording and label."""
    spans: Spans = {}
    for bag in bags:
        stamps: dict[str, list[int]] = {}
        every: list[int] = []
        for item in read_messages(bag, (_TRUE_DETECTIONS, _TRUE_ACTIONS)):
            stamp_ns = stamp_to_ns(item.message.header.stamp)
            if item.topic == _TRUE_DETECTIONS:
                every.append(stamp_ns)
                seen = {d.class_name for d in item.message.detections if d.score >= MIN_VISIBLE}
            else:
                seen = {action.label for action in item.message.actions}
            for label in seen - {"", "other"}:
                stamps.setdefault(label, []).append(stamp_ns)
        interval = every[1] - every[0] if len(every) > 1 else 0
        for label, times in stamps.items():
            runs = _runs(times, 2 * interval)
            spans[bag.name, label] = [run for run in runs if run[1] - run[0] >= MIN_LENGTH_NS]
    return spans


def _runs(times: list[int], gap_ns: int) -> list[tuple[int, int]]:
    runs: list[tuple[int, int]] = []
    for time in times:
        if runs and time - runs[-1][1] <= gap_ns:
            runs[-1] = runs[-1][0], time
        else:
            runs.append((time, time))
    return runs


def score_query(
    score: Score,
    moments: Sequence[Moment],
    spans: dict[str, list[tuple[int, int]]],
    slack_ns: int = SLACK_NS,
) -> None:
    """Count one answer against the true spans of each recording."""

    def overlaps(moment: Moment, span: tuple[int, int]) -> bool:
        return moment.start_ns <= span[1] + slack_ns and moment.end_ns >= span[0] - slack_ns

    right = [
        any(overlaps(moment, span) for span in spans.get(Path(moment.source.uri).name, ()))
        for moment in moments
    ]
    score.right += sum(right)
    score.answered += len(right)
    score.right_at_10 += sum(right[:10])
    score.answered_at_10 += len(right[:10])
    for recording, true in spans.items():
        mine = [moment for moment in moments if Path(moment.source.uri).name == recording]
        score.true += len(true)
        score.found += sum(any(overlaps(moment, span) for moment in mine) for span in true)


def evaluate(library: Library, bags: Sequence[Path]) -> dict[str, dict[str, float]]:
    """The scores of each kind of query."""
    spans = true_spans(bags)
    plantings = {bag.name: read_plantings(bag) for bag in bags}
    labels = sorted({label for _, label in spans})
    scores = {name: Score() for name in ("objects", "actions", "logos", "pairs", "pictures")}

    def of(label: str) -> dict[str, list[tuple[int, int]]]:
        return {bag.name: spans.get((bag.name, label), []) for bag in bags}

    def asked(text: str, **filters: object) -> list[Moment]:
        return library.find(Query(text, limit=1000, **filters)).moments  # type: ignore[arg-type]

    actions = {"falling", "lying", "running", "walking"}
    for label in labels:
        is_action = label in actions
        moments = asked(label, kinds=("action",) if is_action else ("track",))
        slack_ns = ACTION_SLACK_NS if is_action else SLACK_NS
        score_query(scores["actions" if is_action else "objects"], moments, of(label), slack_ns)
    for logo in LOGOS:
        score_query(scores["logos"], asked(logo), _planted(plantings, logo))
        pairs = _overlap(_planted(plantings, logo), of("person"))
        score_query(scores["pairs"], asked(f"{logo} with person"), pairs)

    # What looks like the best track of each object.
    for label in (label for label in labels if label not in actions | {"person"}):
        first = asked(label, kinds=("track",))[:1]
        tag = next(library.tags(f"id = '{first[0].tags[0].id}'")) if first else None
        if tag is not None and tag.descriptor is not None:
            query = Query(descriptor=tag.descriptor, space=tag.space, kinds=("track",), limit=10)
            score_query(scores["pictures"], library.find(query).moments, of(label))
    return {name: score.figures() for name, score in scores.items()}


def _planted(plantings: dict[str, list[Planting]], label: str) -> dict[str, list[tuple[int, int]]]:
    return {
        recording: [(entry.start_ns, entry.end_ns) for entry in entries if entry.label == label]
        for recording, entries in plantings.items()
    }


def _overlap(
    first: dict[str, list[tuple[int, int]]], second: dict[str, list[tuple[int, int]]]
) -> dict[str, list[tuple[int, int]]]:
    return {
        recording: [
            (max(a[0], b[0]), min(a[1], b[1]))
            for a in spans
            for b in second[recording]
            if min(a[1], b[1]) > max(a[0], b[0])
        ]
        for recording, spans in first.items()
    }


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
    figures = evaluate(Library.open(out / "library"), bags)
    print(f"{'':10} {'recall':>8} {'precision':>10} {'at 10':>8} {'true':>6}")
    for name, values in figures.items():
        print(
            f"{name:10} {values['recall']:8.3f} {values['precision']:10.3f}"
            f" {values['precision_at_10']:8.3f} {values['appearances']:6.0f}"
        )
    write_figures(options.json, {"recordings": options.recordings, **figures})
    return 0


if __name__ == "__main__":
    sys.exit(main())
