# SPDX-License-Identifier: Apache-2.0
"""Vocabularies: words that mean a label, from YAML files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import yaml

from perception_kit.budgets import parse_yaml, regular
from video_search.words import words_of

SHIPPED = Path(__file__).with_name("vocabulary.yaml")
LIBRARY_FILE = "vocabulary.yaml"
"""In the folder of a library: its own words."""
_MAX_BYTES = 1_000_000

Vocabulary = Mapping[tuple[str, ...], frozenset[str]]
"""Labels by the folded words that mean them."""


class VocabularyError(ValueError):
    """A vocabulary cannot be read; the message names the file."""


def read_vocabulary(path: Path) -> Vocabulary:
    """The words of a file ``LABEL: [WORDS, …]``. Raises VocabularyError."""
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise VocabularyError(f"'{path}' is larger than {_MAX_BYTES} bytes: is it YAML?")
        content = parse_yaml(regular(path).read_bytes()) or {}
    except (OSError, yaml.YAMLError) as error:
        raise VocabularyError(f"vocabulary '{path}' cannot be read: {error}") from error
    is_valid = isinstance(content, dict) and all(
        isinstance(label, str)
        and isinstance(words, list)
        and all(isinstance(word, str) for word in words)
        for label, words in content.items()
    )
    if not is_valid:
        raise VocabularyError(
            f"vocabulary '{path}' is not of the form LABEL: [WORD, 'SEVERAL WORDS', …]"
        )
    return joined(
        {words_of(word): frozenset([label])} for label, words in content.items() for word in words
    )


def joined(vocabularies: Iterable[Vocabulary]) -> Vocabulary:
    """All vocabularies as one."""
    labels: dict[tuple[str, ...], frozenset[str]] = {}
    for vocabulary in vocabularies:
        for words, meant in vocabulary.items():
            labels[words] = labels.get(words, frozenset()) | meant
    return labels
