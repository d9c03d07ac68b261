# SPDX-License-Identifier: Apache-2.0
"""Output of the commands of this package: JSON files, and messages on standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TextIO

from tqdm import tqdm

from perception_kit.arguments import JSON_TO_STDOUT


def prepare_file(path: Path) -> None:
    """Make the folder of an output file and see that the file can be written.

    Called before work is spent on it. Raises OSError.
    """
    if not is_stdout(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.open("a", encoding="utf-8").close()


def write_json(path: Path, report: dict[str, Any]) -> None:
    """Write a report for people and programs to read; the path ``-`` is standard output."""
    text = json.dumps(report, indent=2) + "\n"
    if is_stdout(path):
        sys.stdout.write(text)
    else:
        path.write_text(text, encoding="utf-8")


def is_stdout(path: Path | None) -> bool:
    """Whether a path of ``--json`` stands for standard output."""
    return str(path) == JSON_TO_STDOUT


def table_stream(json_path: Path | None) -> TextIO:
    """Where tables go: standard output, or standard error while JSON takes that."""
    return sys.stderr if is_stdout(json_path) else sys.stdout


def report_skipped(frame: str, rejected: Sequence[tuple[int, str]]) -> None:
    """Name on standard error the detections (index, reason) of a frame that were rejected."""
    for index, reason in rejected:
        tqdm.write(f"{frame}: detection {index + 1} is skipped: {reason}", file=sys.stderr)
