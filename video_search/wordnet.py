# SPDX-License-Identifier: Apache-2.0
"""Reads WordNet's database files (wndb(5WN)): synonyms, kinds of things, and base forms.

The files are those of Debian's ``wordnet-base``, under Princeton's WordNet licence, which allows
any use. Without them searches use vocabularies alone.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

FOLDER = Path("/usr/share/wordnet")
FOLDER_VARIABLE = "WNSEARCHDIR"
"""WordNet's own environment variable for another folder."""
# A word's rare senses would find what nobody means.
MOST_SENSES = 4
_HYPERNYMS = ("@", "@i")
# Endings of inflected words and what takes their place (morphy(7WN)).
_ENDINGS = {
    "noun": (
        ("s", ""), ("ses", "s"), ("xes", "x"), ("zes", "z"), ("ches", "ch"), ("shes", "sh"),
        ("men", "man"), ("ies", "y"),
    ),
    "verb": (
        ("s", ""), ("ies", "y"), ("es", "e"), ("es", ""), ("ed", "e"), ("ed", ""), ("ing", "e"),
        ("ing", ""),
    ),
}  # fmt: skip


class WordNetError(ValueError):
    """The database files are there, but are not WordNet's; the message names the file."""


@dataclass(frozen=True)
class Synset:
    """Words of one meaning, and the synsets that it is a kind of."""

    key: tuple[str, int]
    words: tuple[str, ...]
    hypernyms: tuple[tuple[str, int], ...]


class WordNet:
    """The database in a folder; files are read once, synsets when they are asked for."""

    def __init__(self, folder: Path) -> None:
        self._index: dict[str, dict[str, tuple[int, ...]]] = {}
        self._data: dict[str, bytes] = {}
        self._exceptions: dict[str, dict[str, str]] = {}
        for part in _ENDINGS:
            try:
                self._index[part] = _read_index(folder / f"index.{part}")
                self._data[part] = (folder / f"data.{part}").read_bytes()
                lines = (folder / f"{part}.exc").read_text().splitlines()
            except (OSError, ValueError, IndexError) as error:
                raise WordNetError(
                    f"'{folder}' does not hold WordNet's files of {part}s ({error}): install"
                    f" wordnet-base again, or unset {FOLDER_VARIABLE}"
                ) from error
            self._exceptions[part] = dict(line.split()[:2] for line in lines if line.strip())
        self.synset = lru_cache(maxsize=20_000)(self._synset)

    def senses(self, phrase: str) -> list[Synset]:
        """The commonest senses of a word or phrase in any of its forms, nouns first."""
        found = {}
        for part in _ENDINGS:
            for base in self._bases(phrase.replace(" ", "_"), part):
                for offset in self._index[part].get(base, ())[:MOST_SENSES]:
                    synset = self.synset(part, offset)
                    found[synset.key] = synset
        return list(found.values())

    def ancestors(self, synset: Synset) -> dict[tuple[str, int], int]:
        """All synsets that this one is a kind of, with the steps to each; itself with 0."""
        steps = {synset.key: 0}
        waiting = [synset]
        while waiting:
            current = waiting.pop(0)
            for key in current.hypernyms:
                if key not in steps:
                    steps[key] = steps[current.key] + 1
                    waiting.append(self.synset(*key))
        return steps

    def _bases(self, word: str, part: str) -> Iterator[str]:
        """The forms under which a word may be in the index."""
        yield word
        if word in self._exceptions[part]:
            yield self._exceptions[part][word]
        for ending, replacement in _ENDINGS[part]:
            if word.endswith(ending) and len(word) > len(ending) + 1:
                yield word[: -len(ending)] + replacement

    def _synset(self, part: str, offset: int) -> Synset:
        data = self._data[part]
        line = data[offset : data.index(b"\n", offset)].decode().split(" | ")[0]
        fields = line.split()
        count = int(fields[3], 16)
        words = tuple(fields[4 + 2 * number].lower() for number in range(count))
        start = 4 + 2 * count
        pointers = [
            fields[start + 1 + 4 * number : start + 5 + 4 * number]
            for number in range(int(fields[start]))
        ]
        kinds = tuple((part, int(place)) for symbol, place, *_ in pointers if symbol in _HYPERNYMS)
        return Synset((part, offset), words, kinds)


def _read_index(path: Path) -> dict[str, tuple[int, ...]]:
    """Offsets of the synsets of each word, the commonest sense first."""
    index = {}
    for line in path.read_text().splitlines():
        if not line.startswith(" "):  # the licence
            fields = line.split()
            senses = int(fields[2])
            index[fields[0]] = tuple(int(offset) for offset in fields[-senses:])
    return index


@lru_cache(maxsize=1)
def installed_wordnet() -> WordNet | None:
    """The installed database; None where there is none. Raises WordNetError for a damaged one."""
    folder = Path(os.environ.get(FOLDER_VARIABLE, FOLDER))
    return WordNet(folder) if (folder / "index.noun").is_file() else None
