# SPDX-License-Identifier: Apache-2.0
"""The short table that a replay ends with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from perception_kit.evaluation import scores
from perception_kit.evaluation.frame_records import FrameRecord
from perception_kit.evaluation.metrics_schema import (
    ActionScores,
    Percentiles,
    PoseScores,
    ReplayMetrics,
    SegmentationScores,
    TrackingScores,
)
from perception_kit.evaluation.run import ReplayRun
from perception_kit.evaluation.scores import Score


def print_report(run: ReplayRun, files: Sequence[tuple[str, str]]) -> None:
    """Scores, latencies, notes and the ``files`` (path, description).

    Where nothing is scored, what was found takes the place of the scores.
    """
    console = Console(highlight=False, soft_wrap=True)
    rows = _scores(run.metrics, run.details)
    if all(row.value is None for row in rows if row.part != scores.INPUT_FRAMES.part):
        rows = [*(row for row in rows if row.value is not None), *_found(run.frames)]
    console.print(_score_table(rows))
    console.print(_latency_table(run.metrics.latency_ms))

    for note in run.details["notes"]:
        console.print(f"[bold yellow]Note:[/] {escape(note)}")

    width = max(len(path) for path, _ in files)
    console.print("Look at:")
    for path, description in files:
        console.print(f"  {escape(path):<{width}}  {description}")


def _scores(metrics: ReplayMetrics, details: Mapping[str, Any]) -> list[Score]:
    """All scores, those without ground truth too."""
    segmentation = metrics.segmentation or SegmentationScores()
    pose = metrics.pose or PoseScores()
    tracking = metrics.tracking or TrackingScores()
    actions = metrics.actions or ActionScores()

    frames, instances = metrics.frames, metrics.instances
    posed, falls = details.get("pose", {}), details.get("actions", {})
    by_clock = metrics.realtime is not None
    values = {
        scores.INPUT_FRAMES: frames.input,
        scores.PROCESSED_FRAMES: frames.processed,
        scores.LIVE_DROPS: details["live_drops"],
        scores.DROPPED_FRAMES: frames.dropped if by_clock else None,
        scores.VISIBLE_COUNT: instances.total if instances is not None else None,
        scores.FOUND_COUNT: instances.found if instances is not None else None,
        scores.MASK_MAP: segmentation.map,
        scores.MASK_MAP50: segmentation.map50,
        scores.POSE_RECALL: pose.recall,
        scores.ADDS_AUC: pose.adds_auc,
        scores.ADDS_MEDIAN: posed.get(scores.ADDS_MEDIAN.key),
        scores.MOTA: tracking.mota,
        scores.IDF1: tracking.idf1,
        scores.HOTA: tracking.hota,
        scores.SWITCHES: tracking.id_switches,
        scores.FRAGMENTS: tracking.fragments,
        scores.ACTION_ACCURACY: actions.frame_accuracy,
        scores.FALL_DELAY: actions.fall_delay_s,
        scores.FALLS_MISSED: falls.get(scores.FALLS_MISSED.key),
        scores.FALSE_ALARMS: falls.get(scores.FALSE_ALARMS.key),
    }
    return [kind.on_terminal(value) for kind, value in values.items()]


def _found(frames: Sequence[FrameRecord]) -> list[Score]:
    """What the nodes found: detections, tracks and frames with an action, of each class."""
    detections = Counter(found.class_name for frame in frames for found in frame.detections)
    class_of = {track.id: track.class_name for frame in frames for track in frame.tracks}
    tracks = Counter(class_of.values())
    actions = Counter(frame.label for frame in frames if frame.label)
    counts = {"detections": detections, "tracks": tracks, "frames with an action": actions}
    return [
        Score(part, name, count, "{:.0f}", 0)
        for part, found in counts.items()
        for name, count in [("all", found.total()), *found.most_common()]
    ]


def _score_table(rows: Sequence[Score]) -> Table:
    """A row for each score; a dash where it is not known."""
    table = Table(title="What the nodes made of the bag", title_justify="left")
    table.add_column("part")
    table.add_column("measure")
    table.add_column("value", justify="right")

    part = ""
    for score in rows:
        table.add_row(score.part if score.part != part else "", escape(score.name), score.text)
        part = score.part
    return table


def _latency_table(latency_ms: Mapping[str, Percentiles]) -> Table:
    table = Table(
        title="Milliseconds from publishing a frame to its result (the first frame, at which nodes"
        " warm up, included)",
        title_justify="left",
    )
    for column in ("stage", "median", "95 %", "max"):
        table.add_column(column, justify="left" if column == "stage" else "right")

    for stage, latency in latency_ms.items():
        values = (latency.p50, latency.p95, latency.max)
        table.add_row(stage, *(f"{value:.0f}" for value in values))
    return table
