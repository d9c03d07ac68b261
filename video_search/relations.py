# SPDX-License-Identifier: Apache-2.0
"""Which labels of a library some words mean, how closely, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from video_search.vocabulary import SHIPPED, Vocabulary, joined, read_vocabulary
from video_search.wordnet import WordNet
from video_search.words import fold, singular, words_of

SAME, VOCABULARY, HEAD, SYNONYM = 1.0, 0.95, 0.9, 0.9
# What is asked for is a kind of thing: each step between loses a little, up to so many.
KIND, LOSS_PER_STEP, MOST_STEPS = 0.85, 0.05, 5


@dataclass(frozen=True)
class LabelHit:
    """A label that is meant by some words; ``weight`` is 1 for the label itself."""

    label: str
    weight: float
    reason: str


class Relations:
    """Looks up words among labels by name, by vocabulary and by WordNet, where it is installed.

    Labels of the kind "soup can" are also found by their last word, as what they are.
    """

    def __init__(
        self, vocabulary: Vocabulary | None = None, wordnet: WordNet | None = None
    ) -> None:
        self._vocabulary = joined([read_vocabulary(SHIPPED), vocabulary or {}])
        self._wordnet = wordnet
        self._hits = lru_cache(maxsize=1000)(self._look_up)

    def hits(self, words: tuple[str, ...], labels: Sequence[str]) -> list[LabelHit]:
        """The labels that ``words``, folded, mean; the closest first."""
        return self._hits(words, tuple(labels)) if words else []

    def _look_up(self, words: tuple[str, ...], labels: tuple[str, ...]) -> list[LabelHit]:
        found: dict[str, LabelHit] = {}
        wanted = _singulars(words)
        asked = " ".join(words)
        senses = self._wordnet.senses(asked) if self._wordnet is not None else []
        sense_keys = {synset.key: synset.words for synset in senses}

        meant = {
            fold(label)
            for known in {words, wanted}
            for label in self._vocabulary.get(known, frozenset())
        }
        for label in labels:
            name = _name(label)
            spoken = " ".join(name)
            if _singulars(name) == wanted:
                found[label] = LabelHit(label, SAME, f"is called {label}")
            elif " ".join(name) in meant:
                found[label] = LabelHit(
                    label, VOCABULARY, f"{spoken} is meant by “{asked}” (vocabulary)"
                )
            elif len(name) > len(wanted) and _singulars(name)[-len(wanted) :] == wanted:
                found[label] = LabelHit(label, HEAD, f"{spoken} is a kind of {asked}")
            elif sense_keys and (hit := self._by_meaning(label, spoken, asked, sense_keys)):
                found[label] = hit
        return sorted(found.values(), key=lambda hit: -hit.weight)

    def _by_meaning(
        self, label: str, spoken: str, asked: str, senses: dict[tuple[str, int], tuple[str, ...]]
    ) -> LabelHit | None:
        """The nearest way by WordNet from the label up to what is asked for."""
        wordnet = self._wordnet
        if wordnet is None:
            return None
        steps = MOST_STEPS + 1
        for synset in wordnet.senses(spoken):
            ancestors = wordnet.ancestors(synset)
            steps = min([steps, *(ancestors[key] for key in senses if key in ancestors)])
        if steps > MOST_STEPS:
            return None
        if steps == 0:
            return LabelHit(label, SYNONYM, f"{spoken} means the same as {asked} (WordNet)")
        weight = KIND - LOSS_PER_STEP * (steps - 1)
        return LabelHit(label, weight, f"{spoken} is a kind of {asked} (WordNet)")


def _singulars(words: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(singular(word) for word in words)


def _name(label: str) -> tuple[str, ...]:
    """The words of a label without the number that datasets put before it."""
    words = words_of(label)
    return words[1:] if len(words) > 1 and words[0].isdigit() else words
