# SPDX-License-Identifier: Apache-2.0
"""Words find the labels that they mean, and say why."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from video_search.relations import LabelHit, Relations
from video_search.vocabulary import VocabularyError, read_vocabulary
from video_search.wordnet import FOLDER, FOLDER_VARIABLE, WordNet, WordNetError
from video_search.words import parse, words_of

LABELS = ("mug", "003_cracker_box", "cleanser_bottle", "falling", "person")


def hits(relations: Relations, text: str) -> list[LabelHit]:
    return relations.hits(tuple(text.split()), LABELS)


@pytest.mark.parametrize(
    ("text", "label", "reason"),
    [
        ("mugs", "mug", "is called mug"),
        ("cup", "mug", "vocabulary"),
        ("drinking vessel", "mug", "vocabulary"),
        ("tazza", "mug", "vocabulary"),
        ("accident", "falling", "vocabulary"),
        ("cracker box", "003_cracker_box", "is called"),
        ("crackers", "003_cracker_box", "vocabulary"),
        ("bottles", "cleanser_bottle", "is a kind of bottles"),
    ],
)
def test_words_without_wordnet(text: str, label: str, reason: str) -> None:
    (hit,) = hits(Relations(), text)
    assert hit.label == label
    assert reason in hit.reason


def test_a_word_of_nothing_finds_nothing() -> None:
    assert not hits(Relations(), "giraffe")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Déjà vu", ("deja", "vu")),
        ("STRASSE Straße", ("strasse", "strasse")),
        ("чайник", ("чайник",)),
        ("κάδος", ("κάδος",)),
        ("컵이", ("컵이",)),
        ("ガラス", ("ガラス",)),
        ("चाय", ("चाय",)),
        ("แก้ว", ("แก้ว",)),
        ("ｍｕｇ_2", ("mug", "2")),
    ],
)
def test_words_of_other_scripts_stay_whole(text: str, words: tuple[str, ...]) -> None:
    assert words_of(text) == words


def test_own_words(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text("mug: [Becherle, my favorite]\n")
    relations = Relations(read_vocabulary(path))
    assert hits(relations, "my favorite")[0].label == "mug"
    assert hits(relations, "becherle")[0].label == "mug"


@pytest.mark.parametrize("content", ["- mug\n", "mug: cup\n", "mug: [1]\n", "mug: [\n"])
def test_a_vocabulary_of_another_form_is_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(content)
    with pytest.raises(VocabularyError, match=r"own\.yaml"):
        read_vocabulary(path)


# A database of three things: a mug is a container, which is an object; "beaker" means a mug.
NOUNS = (
    "00000000 03 n 01 object 0 000 | what there is\n",
    "{container:08} 06 n 01 container 0 001 @ {object:08} n 0000 | holds things\n",
    "{mug:08} 06 n 02 mug 0 beaker 0 001 @ {container:08} n 0000 | to drink from\n",
)


@pytest.fixture
def small_wordnet(tmp_path: Path) -> Path:
    places = {"object": 0, "container": 0, "mug": 0}
    for _ in range(2):  # the second time, all places are known
        offset, lines = 0, []
        for name, line in zip(places, NOUNS, strict=True):
            places[name] = offset
            lines.append(line.format(**places))
            offset += len(lines[-1])
    (tmp_path / "data.noun").write_text("".join(lines))
    (tmp_path / "index.noun").write_text(
        "  1 licence\n"
        + "".join(f"{word} n 1 0 1 0 {places[word]:08}\n" for word in places)
        + f"beaker n 1 0 1 0 {places['mug']:08}\n"
    )
    for name in ("data.verb", "index.verb", "noun.exc", "verb.exc"):
        (tmp_path / name).write_text("")
    return tmp_path


def test_kinds_and_synonyms_of_wordnet(small_wordnet: Path) -> None:
    relations = Relations(wordnet=WordNet(small_wordnet))
    synonym, kind, far = (hits(relations, text)[0] for text in ("beaker", "containers", "object"))
    assert synonym.reason == "mug means the same as beaker (WordNet)"
    assert kind.reason == "mug is a kind of containers (WordNet)"
    assert 1 > synonym.weight > kind.weight > far.weight > 0


def test_a_damaged_database_is_named(small_wordnet: Path) -> None:
    (small_wordnet / "data.noun").unlink()
    with pytest.raises(WordNetError, match="wordnet-base"):
        WordNet(small_wordnet)


def test_the_real_database() -> None:
    folder = Path(os.environ.get(FOLDER_VARIABLE, FOLDER))
    if not (folder / "index.noun").is_file():
        pytest.skip("WordNet is not installed (Debian: wordnet-base)")
    relations = Relations(wordnet=WordNet(folder))
    found = {hit.label: hit.reason for hit in relations.hits(("vessel",), ("bowl", "person"))}
    assert found == {"bowl": "bowl is a kind of vessel (WordNet)"}


@pytest.mark.parametrize(
    ("text", "phrases", "near"),
    [
        ("where did I last see the red mug", [("mug",)], False),
        ("mug next to the person", [("mug",), ("person",)], True),
        ("mug and bowl", [("mug",), ("bowl",)], False),
        ("", [], False),
        ("the of", [], False),
    ],
)
def test_questions(text: str, phrases: list[tuple[str, ...]], near: bool) -> None:
    question = parse(text)
    assert [phrase.words for phrase in question.phrases] == phrases
    assert bool(question.near) == near
    assert question.newest_first == ("last" in text)
