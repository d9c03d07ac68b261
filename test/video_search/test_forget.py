# SPDX-License-Identifier: Apache-2.0
"""The command that deletes from a library leaves nothing behind in any file of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from video_search import Library, Source, Tag
from video_search.forget import main as forget

SECOND = 1_000_000_000
NOON = 1_700_000_000 * SECOND


@pytest.fixture
def library(tmp_path: Path) -> Library:
    """A robot that has seen two things, and a video without a time of day."""
    made = Library.create(tmp_path / "library")
    made.put_source(Source("live", "live:/node", "live", clock="wall"))
    made.put_source(Source("video", "/videos/secretfilm.mp4", "video"))
    for number, text in enumerate(("unutterable", "harmless")):
        start_ns = NOON + 10 * number * SECOND
        thumbnail = f"picture of {text}".encode()
        made.add(
            [
                Tag("live", start_ns, start_ns + SECOND, "track", "mug", track_id=number, text=text,
                    thumbnail=thumbnail)
            ]
        )  # fmt: skip
    made.add([Tag("video", 0, SECOND, "pattern", "secretlogo")])
    made.optimize()  # merged files, and older versions beside them
    return made


def holds(library: Library, word: str) -> bool:
    files = [path for path in Path(library.uri).rglob("*") if path.is_file()]
    return any(word.encode() in path.read_bytes() for path in files)


@pytest.mark.parametrize(
    ("arguments", "words", "left"),
    [
        (["--track", "0"], ["unutterable"], 2),
        (["--until", "2023-11-14T22:13:25Z"], ["unutterable"], 2),
        (["--source", "secretfilm.mp4"], ["secretlogo", "secretfilm"], 2),
    ],
)
def test_nothing_is_left_behind(
    library: Library, arguments: list[str], words: list[str], left: int
) -> None:
    assert all(holds(library, word) for word in words)
    assert forget([library.uri, *arguments]) == 0
    assert not any(holds(library, word) for word in words)
    assert holds(library, "harmless")
    assert Library.open(library.uri).count() == left


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "say what to forget"),
        (["--source", "none.mp4"], "no source ends in 'none.mp4'"),
        (["--until", "noon"], "'noon' is no time"),
        (["--track", "9" * 30], "a track has a smaller number"),
    ],
)
def test_what_cannot_be_forgotten_is_named(
    library: Library, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code = forget([library.uri, *arguments])
    assert message in capsys.readouterr().err
    assert code == 2
    assert library.count() == 3
