# SPDX-License-Identifier: Apache-2.0
"""Lines of the text files of tracking benchmarks."""

from __future__ import annotations

from pathlib import Path

from perception_kit.budgets import regular


def numbered_lines(path: Path, error_type: type[ValueError]) -> list[tuple[int, str]]:
    """(number, text) of the lines that are not empty, numbered from 1.

    Raises ``error_type``, with the path, for a file that cannot be read as text.
    """
    try:
        lines = regular(path).read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise error_type(f"{path} cannot be read as text: {error}") from error
    return [(number, line) for number, line in enumerate(lines, start=1) if line.strip()]
