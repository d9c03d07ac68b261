# SPDX-License-Identifier: Apache-2.0
"""The JSON that commands write to the path of ``--json``, or to standard output."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, TextIO

# Value of ``--json`` that prints to standard output.
JSON_TO_STDOUT = "-"


def prepare_file(path: Path) -> None:
    """Make the folder of an output file and see that the file can be written.

    Called before work is spent on it. Raises OSError.
    """
    if not is_stdout(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.open("a", encoding="utf-8").close()


def write_json(path: Path, report: dict[str, Any]) -> None:
    """Write a report for people and programs to read; the path ``-`` is standard output.

    Missing folders are made. Raises OSError.
    """
    text = json.dumps(report, indent=2) + "\n"
    if is_stdout(path):
        sys.stdout.write(text)
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def is_stdout(path: Path | None) -> bool:
    """Whether a path of ``--json`` stands for standard output."""
    return str(path) == JSON_TO_STDOUT


def table_stream(json_path: Path | None) -> TextIO:
    """Where tables go: standard output, or standard error while JSON takes that."""
    return sys.stderr if is_stdout(json_path) else sys.stdout
