# SPDX-License-Identifier: Apache-2.0
"""Text of others (class names, messages, files) made fit for logs, diagnostics and pictures."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

MAX_CHARACTERS = 300


def short_text(text: str, limit: int = MAX_CHARACTERS) -> str:
    r"""At most ``limit`` characters of ``text``, with control characters escaped.

    A line break becomes ``\n``: nobody writes lines of a log that are not theirs, and no terminal
    is told what to do. What is left out is counted.
    """
    # Escapes make text longer, never shorter: more than the limit need not be looked at.
    shown = "".join(_visible(character) for character in islice(text, limit + 1))
    if len(text) <= limit and len(shown) <= limit:
        return shown
    more = f"… ({len(text)} characters)"
    return shown[: max(0, limit - len(more))] + more


def listed(items: Iterable[str], most: int = 5, separator: str = "; ") -> str:
    """The first ``most`` of the items, each of them short, "and N more"."""
    known = list(items)
    shown = [short_text(item, MAX_CHARACTERS // 3) for item in known[:most]]
    more = f" and {len(known) - most} more" if len(known) > most else ""
    return separator.join(shown) + more


def counted(count: int, noun: str) -> str:
    """A number of things, such as "1 frame" and "3 frames"."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _visible(character: str) -> str:
    return character if character.isprintable() else repr(character)[1:-1]
