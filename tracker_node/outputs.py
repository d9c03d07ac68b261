# SPDX-License-Identifier: Apache-2.0
"""What the commands of this package write: files, and on standard error what they left out."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm


def prepare_file(path: Path) -> None:
    """Make the folder of an output file and see that the file can be written, before work is spent
    on it. Raises OSError.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    path.open("a", encoding="utf-8").close()


def write_json(path: Path, report: dict[str, Any]) -> None:
    """Write a report for people and programs to read."""
    path.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def report_skipped(frame: str, rejected: Sequence[tuple[int, str]]) -> None:
    """Say on standard error which detections (index, reason) of a frame a tracker could not use."""
    for index, reason in rejected:
        tqdm.write(f"{frame}: detection {index + 1} is skipped: {reason}", file=sys.stderr)
