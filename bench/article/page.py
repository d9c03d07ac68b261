# SPDX-License-Identifier: Apache-2.0
"""The page of the articles' experiments: a section for each part, which a run of it fills."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

_BEGIN, _END = "<!-- {} -->\n", "<!-- end of {} -->"


def markdown_table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table; the first column is text, the others are numbers."""
    lines = [headers, ["---", *["---:"] * (len(headers) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def fill_section(page: Path, part: str, commands: Sequence[str], tables: str) -> None:
    """Put what ``part`` gave, and the commands that gave it, into its section of ``page``.

    Raises ValueError where the page has no such section.
    """
    text = page.read_text()
    begin, end = _BEGIN.format(part), _END.format(part)
    if begin not in text or end not in text:
        raise ValueError(f"'{page}' has no section for '{part}': expected '{begin.strip()}'")
    before, rest = text.split(begin, 1)
    after = rest.split(end, 1)[1]
    block = "\n".join(["```bash", *commands, "```"])
    page.write_text(f"{before}{begin}\n{tables}\n\n{block}\n\n{end}{after}")
