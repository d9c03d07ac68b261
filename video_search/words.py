# SPDX-License-Identifier: Apache-2.0
"""Words of a question: what is asked for, by color where it is named, and what belongs together."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

COLORS = (
    "black", "white", "gray", "red", "orange", "yellow", "green", "blue", "purple", "pink", "brown",
)  # fmt: skip
_NEAR = re.compile(r"\b(?:next to|near|beside|close to)\b")
_TOGETHER = re.compile(r"\b(?:together with|with|and|while)\b|[,;+&]")
# Of questions that people ask, as "where did I last see the mug".
_LEFT_OUT = frozenset((
    "a", "an", "the", "of", "in", "on", "at", "to", "is", "are", "was", "were", "did", "does",
    "do", "i", "me", "my", "we", "you", "she", "he", "it", "they", "her", "his", "when",
    "where", "what", "which", "who", "how", "show", "see", "saw", "seen", "find", "every",
    "all", "any", "each", "last", "time", "times", "moment", "moments", "there", "this", "that",
    "these", "those", "has", "have", "had", "be", "been", "by", "for", "from",
))  # fmt: skip
_LATIN_ACCENTS = re.compile("([a-z])[\u0300-\u036f]+")
# Scripts that put no spaces between words: Thai to Burmese, Khmer, Japanese and Chinese.
UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]")
_NEWEST = re.compile(r"\blast\b|\bmost recent(?:ly)?\b")


@dataclass(frozen=True)
class Phrase:
    """Words for one thing, and its color where one was named."""

    words: tuple[str, ...]
    color: str = ""


@dataclass(frozen=True)
class Question:
    """Phrases that must all hold at one time; the second of each pair in ``near`` lies near.

    ``near`` holds indices into ``phrases``; ``newest_first`` where the last time is asked for.
    """

    phrases: tuple[Phrase, ...]
    near: frozenset[tuple[int, int]]
    newest_first: bool


def fold(text: str) -> str:
    """Text for comparison: case, accents, underscores and compatibility forms do not count.

    Accents of Latin letters alone, as in the full-text index: elsewhere they make other letters.
    """
    plain = unicodedata.normalize("NFKD", text.replace("_", " ")).lower().replace("ß", "ss")
    return unicodedata.normalize("NFC", _LATIN_ACCENTS.sub(r"\1", plain))


def words_of(text: str) -> tuple[str, ...]:
    """The words of a text, folded; in many scripts marks are parts of a word."""
    letters = (letter if unicodedata.category(letter)[0] in "LMN" else " " for letter in fold(text))
    return tuple("".join(letters).split())


def singular(word: str) -> str:
    """An English noun without its plural ending, as far as rules tell."""
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if re.search(r"(?:[sxz]|ch|sh)es$", word):
        return word[:-2]
    return word[:-1] if word.endswith("s") and not word.endswith(("ss", "us", "is")) else word


def parse(text: str) -> Question:
    """The question that ``text`` asks."""
    folded = fold(text)
    phrases: list[Phrase] = []
    near: set[tuple[int, int]] = set()
    for part in _TOGETHER.split(folded):
        for number, side in enumerate(_NEAR.split(part)):
            words = [word for word in words_of(side) if word not in _LEFT_OUT]
            colors = [word for word in words if word in COLORS]
            rest = tuple(word for word in words if word not in COLORS)
            if not words:
                continue
            if number and phrases:
                near.add((len(phrases) - 1, len(phrases)))
            phrases.append(Phrase(rest, colors[0] if colors else ""))
    return Question(tuple(phrases), frozenset(near), bool(_NEWEST.search(folded)))
