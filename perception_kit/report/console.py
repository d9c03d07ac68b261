# SPDX-License-Identifier: Apache-2.0
"""The short table that a replay ends with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

_NOT_KNOWN = "–"


def print_report(
    metrics: dict[str, Any], details: dict[str, Any], files: Sequence[tuple[str, str]]
) -> None:
    """Scores, latencies, the notes of ``details`` and the ``files`` to look at (path, what it is)."""
    console = Console(highlight=False, soft_wrap=True)
    console.print(_scores(metrics, details))
    console.print(_latencies(metrics["latency_ms"]))
    for note in details["notes"]:
        console.print(f"[bold yellow]Note:[/] {escape(note)}")
    width = max(len(path) for path, _ in files)
    console.print("Look at:")
    for path, what in files:
        console.print(f"  {escape(path):<{width}}  {what}")


def _scores(metrics: dict[str, Any], details: dict[str, Any]) -> Table:
    """A row for each score; a dash where there is no truth."""
    frames, instances, actions = (
        metrics["frames"],
        metrics["instances"] or {},
        metrics["actions"] or {},
    )
    falls = details.get("actions", {})
    segmentation, pose, tracking = (
        metrics[part] or {} for part in ("segmentation", "pose", "tracking")
    )
    rows = [
        ("frames", "in the bag", "{}", frames["input"]),
        ("", "with all results", "{}", frames["processed"]),
        ("", "dropped by a live run on this machine (estimate)", "{}", details["live_drops"]),
        (
            "",
            "dropped by the clock: not answered by all nodes",
            "{}",
            frames["dropped"] if metrics.get("realtime") else None,
        ),
        ("instances", "visible", "{}", instances.get("total")),
        ("", "found: right class, mask IoU 0.5", "{}", instances.get("found")),
        ("segmentation", "mask mAP", "{:.3f}", segmentation.get("map")),
        ("", "mask mAP at IoU 0.5", "{:.3f}", segmentation.get("map50")),
        (
            "pose",
            "ADD(-S) below a tenth of the diameter, a miss counts",
            "{:.1%}",
            pose.get("recall_0.1d"),
        ),
        ("", "ADD-S AUC up to 0.1 m, a miss counts", "{:.3f}", pose.get("adds_auc")),
        (
            "",
            "ADD-S of the found, median",
            "{:.4f} m",
            details.get("pose", {}).get("posed_adds_median_m"),
        ),
        ("tracking", "MOTA", "{:.3f}", tracking.get("mota")),
        ("", "IDF1", "{:.3f}", tracking.get("idf1")),
        ("", "HOTA", "{:.3f}", tracking.get("hota")),
        ("", "identity switches", "{}", tracking.get("id_switches")),
        ("", "fragments", "{}", tracking.get("fragments")),
        ("actions", "frames with the right action", "{:.1%}", actions.get("frame_accuracy")),
        ("", "delay of the fall alarm", "{:.2f} s", actions.get("fall_delay_s")),
        ("", "missed falls", "{}", falls.get("falls_missed")),
        ("", "false fall alarms", "{}", falls.get("false_fall_alarms")),
    ]
    table = Table(title="What the nodes made of the bag", title_justify="left")
    table.add_column("part")
    table.add_column("measure")
    table.add_column("value", justify="right")
    for part, measure, form, value in rows:
        table.add_row(part, measure, _NOT_KNOWN if value is None else form.format(value))
    return table


def _latencies(latency_ms: dict[str, dict[str, float]]) -> Table:
    title = (
        "Milliseconds from publishing a frame to its result (the first frame, at which nodes warm"
        " up, included)"
    )
    table = Table(title=title, title_justify="left")
    for column in ("stage", "median", "95 %", "max"):
        table.add_column(column, justify="left" if column == "stage" else "right")
    for stage, values in latency_ms.items():
        table.add_row(stage, *(f"{values[key]:.0f}" for key in ("p50", "p95", "max")))
    return table
