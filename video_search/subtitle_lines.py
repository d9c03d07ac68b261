# SPDX-License-Identifier: Apache-2.0
"""Finds lines of subtitles that a reader would pass over, or take for text of the one before."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

EXAMPLES = {".srt": "00:00:01,000 --> 00:00:02,500", ".vtt": "00:00:01.000 --> 00:00:02.500"}
"""Times as they are written in each form, by its suffix."""
_MINUTES = r"[0-5]?\d:[0-5]?\d"
_TIME = {
    ".srt": rf"\s*\d{{1,6}}:{_MINUTES}[.,]\d{{1,3}}(?!\d)\s*",
    ".vtt": rf"\s*(?:\d{{1,6}}:)?{_MINUTES}\.\d{{1,3}}(?!\d)\s*",
}
_TIMES = {suffix: re.compile(f"{time}-->{time}") for suffix, time in _TIME.items()}
# Two times with little between them, whatever that is, or one beside an arrow; of few digits, as
# a line of a million would take hours.
_ONE = r"\d{1,10}:\d{1,3}[:.,]\d{1,3}(?:[.,]\d{1,9})?"
_LIKE_TIMES = re.compile(rf"{_ONE}[^\d<]{{1,6}}{_ONE}|{_ONE}\s*-->|-->\s*{_ONE}")
_OTHER_BLOCKS = ("NOTE", "STYLE", "REGION")

Line = tuple[int, str]


def find_fault(lines: Iterable[str], suffix: str) -> Line | None:
    """The number of the first line that would be lost, and why; None where none would be.

    ``suffix`` is .srt or .vtt.
    """
    before: list[Line] = []
    for block in _blocks(lines):
        has_times = any(_TIMES[suffix].match(line) for _, line in block)
        if suffix == ".vtt" and block[0][1].startswith(_OTHER_BLOCKS) and not has_times:
            continue
        if fault := _fault_of_block(block, before, suffix):
            return fault
        if suffix == ".vtt" and before and not has_times:
            return block[0][0], f"'{block[0][1][:80]}' is said at no time: put times before it"
        before = block
    return None


def _blocks(lines: Iterable[str]) -> Iterable[list[Line]]:
    """Lines with their numbers, parted where some are empty."""
    block: list[Line] = []
    for number, line in enumerate(lines, start=1):
        if line.strip():
            block.append((number, line.strip()))
        elif block:
            yield block
            block = []
    if block:
        yield block


def _fault_of_block(block: Sequence[Line], before: Sequence[Line], suffix: str) -> Line | None:
    above = before[-1][1] if len(before) == 1 else ""  # the number of a subtitle may stand apart
    is_first = True
    for number, line in block:
        if _TIMES[suffix].match(line):
            if suffix == ".srt" and not above.isdigit():
                return number, (
                    f"no number stands before the times '{line[:80]}': put one on the line above"
                )
        elif _is_of_times(line, is_first or above.isdigit()):
            return number, f"'{line[:80]}' are no times: expected {EXAMPLES[suffix]}"
        above, is_first = line, False
    return None


def _is_of_times(line: str, may_begin: bool) -> bool:
    """Whether a line is meant for times; ``may_begin``: a subtitle may begin with it."""
    has_arrow = "-->" in line and (may_begin or line[0] in "-0123456789")
    return has_arrow or bool(_LIKE_TIMES.search(line))
