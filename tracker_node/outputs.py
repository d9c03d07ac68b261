# SPDX-License-Identifier: Apache-2.0
"""Files that the commands of this package write."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def prepare_file(path: Path) -> None:
    """Make the folder of an output file and see that the file can be written, before work is spent on it. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.open("a", encoding="utf-8").close()


def write_json(path: Path, report: dict[str, Any]) -> None:
    """Write a report for people and programs to read."""
    path.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
