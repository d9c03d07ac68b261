# SPDX-License-Identifier: Apache-2.0
"""Which labels of a library a word means, how closely, and why."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from video_search.words import singular, words_of


@dataclass(frozen=True)
class LabelHit:
    """A label that is meant by some words; ``weight`` is 1 for the label itself."""

    label: str
    weight: float
    reason: str


class Relations:
    """Looks up words among labels: the labels themselves, in singular and plural."""

    def hits(self, words: tuple[str, ...], labels: Iterable[str]) -> list[LabelHit]:
        """The labels that ``words``, folded, mean; the closest first."""
        wanted = tuple(singular(word) for word in words)
        found = []
        for label in labels:
            if tuple(singular(word) for word in words_of(label)) == wanted:
                found.append(LabelHit(label, 1.0, f"is called {label}"))
        return found
