# SPDX-License-Identifier: Apache-2.0
"""Texts with times are read as they are meant, or named with file and line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from video_search.tag import FILE_CLOCK, WALL_CLOCK
from video_search.texts import TextError, TimedText, read_texts

S = 1_000_000_000


def written(tmp_path: Path, name: str, content: str) -> Path:
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.srt", "1\n00:00:01,000 --> 00:00:02,500\nWhere is\nthe mug?\n"),
        ("a.vtt", "WEBVTT\n\n00:01.000 --> 00:02.500\nWhere is\nthe mug?\n"),
        ("a.jsonl", '{"start": 1, "end": 2.5, "text": "Where is the mug?"}\n\n'),
        ("a.csv", 'start,end,text\n1,2.5,"Where is the mug?"\n'),
    ],
)
def test_one_text_in_every_form(tmp_path: Path, name: str, content: str) -> None:
    (entry,) = read_texts(written(tmp_path, name, content))
    assert entry == TimedText(S, round(2.5 * S), "Where is the mug?", clock=FILE_CLOCK)


def test_times_of_day_are_on_the_wall_clock(tmp_path: Path) -> None:
    path = written(tmp_path, "feed.csv", "time,label\n2026-11-28T10:00:00Z,goal\n")
    (entry,) = read_texts(path)
    assert (entry.clock, entry.kind, entry.label) == (WALL_CLOCK, "event", "goal")
    assert entry.start_ns == entry.end_ns == 1795860000 * S


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.srt", "no times here\n", "no SubRip file|has no subtitle"),
        ("a.vtt", "1\n00:00:01.000 --> 00:00:02.000\nhi\n", "no WebVTT file"),
        ("a.jsonl", '{"start": 1, "text": "a"}\n{"start": \n', "line 2, is no JSON"),
        ("a.jsonl", '{"text": "a"}\n', "line 1, has no time"),
        ("a.jsonl", '{"start": "noon", "text": "a"}\n', "'noon' is no time"),
        ("a.jsonl", '{"start": 3, "end": 1, "text": "a"}\n', "end lies before"),
        ("a.csv", "begin,words\n1,a\n", r"has the columns \['begin', 'words'\]"),
        ("a.csv", "start,label,kind\n1,a,smell\n", "unknown kind 'smell'"),
        ("a.csv", "start,label,confidence\n1,a,7\n", "confidence is 0 to 1"),
        ("a.csv", "time,text\n1,a\n2026-11-28T10:00:00,b\n", "one kind of time"),
        (
            "a.srt",
            "1\n00:00:01,000 --> 00:00:02,000\na\n\n2\n00:00:03 --> soon\nb\n",
            "line 6: '00:00:03 --> soon' are no times",
        ),
        ("a.srt", "00:00:01,000 --> 00:00:02,000\na\n", "line 1: no number stands before"),
        (
            "a.srt",
            "1\n00:00:01,000 --> 00:00:02,000\na\n\n00:00:03,000 --> 00:00:04,000\nb\n",
            "line 5: no number stands before",
        ),
        *(
            (
                "a.srt",
                f"1\n00:00:01,000 --> 00:00:02,000\na\n\n2\n{times}\nb\n",
                f"line 6: '{re.escape(times)}' are no times: expected 00:00:01,000 --> 00:00:02,5",
            )
            for times in (
                "x00:00:03,000 --> 00:00:04,000",
                "+00:00:03,000 --> 00:00:04,000",
                '"00:00:03,000 --> 00:00:04,000"',
                "00:00:03,000 -> 00:00:04,000",
                "00:00:03,000 → 00:00:04,000",
                "00:00:03,000 00:00:04,000",
                "00:03,000 --> 00:04,000",
                "soon --> later",
            )
        ),
        (
            "a.vtt",
            "WEBVTT\n\n00:01.000 --> 00:02.000\na\n\n00:03,000 --> 00:04,000\nb\n",
            "line 6: '00:03,000 --> 00:04,000' are no times: expected 00:00:01.000 --> 00:00:02.5",
        ),
        (
            "a.vtt",
            "WEBVTT\n\n00:01.000 --> 00:02.000\na\n\nb\n",
            "line 6: 'b' is said at no time",
        ),
        ("a.csv", "start,text\n1,well, no\n", "line 2 has 3 values, the header 2: put a text"),
        ("a.csv", 'start,text\n1,"a\n2,b\n3,c\n', "line 2 on: unexpected end of data: close"),
        ("a.csv", 'start,text\n1,a\n2,"b\n3,"c"\n', "line 3 on: .*: close the quotes"),
        ("a.csv", "start,end,text\n1,2026-11-28T10:00:00,a\n", "line 2: .* one kind of time"),
        ("a.jsonl", '{"start": 5, "end": 1.7e9, "text": "a"}\n', "line 1: .* one kind of time"),
        ("a.srt", "1\n00:99:01,000 --> 00:99:99,000\na\n", "line 2: .* are no times"),
        ("a.srt", "1\n00:00:05,000 --> 00:00:02,000\na\n", "at 00:00:05.000: the end lies before"),
        ("a.srt", "1\n9999999999:00:01,000 --> 9999999999:00:02,000\na\n", "are no times"),
        ("a.csv", f"start,text\n1,{'a' * 200_000}\n", "field larger than"),
        ("a.jsonl", '{"start": NaN, "text": "a"}\n', "'nan' is no time"),
        ("a.jsonl", '{"start": true, "text": "a"}\n', "'True' is no time"),
        ("a.jsonl", f'{{"start": 1{"0" * 400}, "text": "a"}}\n', "is no time"),
        ("a.jsonl", '{"start": 5e10, "text": "a"}\n', "is no time"),
        ("a.jsonl", '{"start": "9999-12-31T00:00:00", "text": "a"}\n', "centuries away"),
        ("a.jsonl", '{"start": 1, "text": "a", "confidence": NaN}\n', "0 to 1, got nan"),
        ("a.jsonl", f'{{"start": 1, "text": "a", "confidence": 1{"0" * 400}}}\n', "is no number"),
        ("a.jsonl", '{"start": 1, "text": "a\\ud800"}\n', "half a character"),
        ("a.jsonl", '{"start": 1, "text": ["a"]}\n', "a text is a string, got a list"),
    ],
)
def test_what_cannot_be_read_is_named(
    tmp_path: Path, name: str, content: str, message: str
) -> None:
    with pytest.raises(TextError, match=message):
        read_texts(written(tmp_path, name, content))


def test_other_encodings_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes("start,text\n1,caffè\n".encode("latin-1"))
    with pytest.raises(TextError, match="not UTF-8"):
        read_texts(tmp_path / "a.csv")


def test_a_confidence_of_zero_stays(tmp_path: Path) -> None:
    path = written(tmp_path, "a.jsonl", '{"start": 1, "label": "goal", "confidence": 0}\n')
    assert [entry.confidence for entry in read_texts(path)] == [0.0]


@pytest.mark.parametrize(
    ("name", "content", "texts"),
    [
        (
            "a.srt",
            "1\n00:00:01,000 --> 00:00:02,000\nfrom 10:30 -> 11:00\n2\n\n2\n"
            "00:00:03,000 --> 00:00:04,000\nthis --> that\n",
            ["from 10:30 -> 11:00 2", "this --> that"],
        ),
        (
            "a.vtt",
            "WEBVTT - title\nX-TIMESTAMP-MAP=LOCAL:00:00:00.000,MPEGTS:900000\n\n"
            "STYLE\n::cue {}\n\nNOTE of 00:00:01.000 - 00:00:02.000\n\n"
            "first\n00:01.000 --> 00:02.000 align:left\n"
            "<00:00:01.000>a<00:00:01.500> b\n",
            ["a b"],
        ),
        ("a.csv", 'start,text\n1,"a, ""b""\nand c"\n2,d" e\n', ['a, "b"\nand c', 'd" e']),
    ],
)
def test_what_only_looks_like_a_fault_is_read(
    tmp_path: Path, name: str, content: str, texts: list[str]
) -> None:
    assert [entry.text for entry in read_texts(written(tmp_path, name, content))] == texts
