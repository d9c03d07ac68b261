# SPDX-License-Identifier: Apache-2.0
"""The short table that a replay ends with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

_NOT_KNOWN = "–"


def print_report(metrics: dict[str, Any], notes: Sequence[str], files: Sequence[tuple[str, str]]) -> None:
    """Scores, latencies, ``notes`` and the ``files`` to look at (path, what it is)."""
    console = Console(highlight=False, soft_wrap=True)
    console.print(_scores(metrics))
    console.print(_latencies(metrics["latency_ms"]))
    for note in notes:
        console.print(f"[bold yellow]Note:[/] {note}")
    width = max(len(path) for path, _ in files)
    console.print("Look at:")
    for path, what in files:
        console.print(f"  {path:<{width}}  {what}")


def _scores(metrics: dict[str, Any]) -> Table:
    table = Table(title="What the nodes made of the bag", title_justify="left")
    for column in ("part", "measure", "value"):
        table.add_column(column, justify="right" if column == "value" else "left")
    frames = metrics["frames"]
    table.add_row("frames", "processed / input", f"{frames['processed']} / {frames['input']}")
    instances = metrics["instances"]
    found = f"{instances['found']} / {instances['total']}" if instances else _NOT_KNOWN
    table.add_row("instances", "found / visible (mask IoU 0.5)", found)
    rows = [
        ("segmentation", "mask mAP", "map", "{:.3f}"),
        ("", "mask mAP at IoU 0.5", "map50", "{:.3f}"),
        ("pose", "ADD(-S) below 0.1 diameter", "recall_0.1d", "{:.1%}"),
        ("", "ADD-S AUC", "adds_auc", "{:.3f}"),
        ("tracking", "MOTA", "mota", "{:.3f}"),
        ("", "IDF1", "idf1", "{:.3f}"),
        ("", "HOTA", "hota", "{:.3f}"),
        ("", "identity switches", "id_switches", "{}"),
        ("", "fragments", "fragments", "{}"),
        ("actions", "frames right", "frame_accuracy", "{:.1%}"),
        ("", "delay of fall alarm", "fall_delay_s", "{:.2f} s"),
    ]
    part = ""
    for name, measure, key, form in rows:
        part = name or part
        value = (metrics[part] or {}).get(key)
        table.add_row(name, measure, _NOT_KNOWN if value is None else form.format(value))
    return table


def _latencies(latency_ms: dict[str, dict[str, float]]) -> Table:
    table = Table(title="Milliseconds from publishing a frame to its result (the first, slowest frame included)", title_justify="left")
    for column in ("stage", "median", "95 %", "max"):
        table.add_column(column, justify="left" if column == "stage" else "right")
    for stage, values in latency_ms.items():
        table.add_row(stage, *(f"{values[key]:.0f}" for key in ("p50", "p95", "max")))
    return table
