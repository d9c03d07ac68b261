# SPDX-License-Identifier: Apache-2.0
"""Pictures that users give are read whole, or named; one of them never ends the others."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from poster_videos import frames_with, poster

from video_search.indexing import IndexOptions, Outcome, index_sources
from video_search.library import Library
from video_search.named_pictures import named_pictures
from video_search.patterns import PatternMatcher
from video_search.pictures import PictureError, read_picture
from video_search.serve_upload import decode_picture
from video_search.sources import find_sources


def not_utf8(folder: Path) -> Path:
    return Path(os.fsdecode(os.fsencode(folder) + b"/\xff\xfe.png"))


def encoded(rgb: np.ndarray, suffix: str = ".png") -> bytes:
    return cv2.imencode(suffix, rgb)[1].tobytes()


def indexed(folder: Path, patterns: Path) -> Outcome:
    library = Library.create(folder.parent / "library")
    options = IndexOptions(patterns=patterns, descriptors=False)
    (outcome,) = index_sources(library, find_sources([folder]), options)
    return outcome


def test_any_name_of_a_file_is_read(tmp_path: Path) -> None:
    path = not_utf8(tmp_path)
    path.write_bytes(encoded(poster()))
    assert read_picture(path).shape == poster().shape


def test_half_a_jpeg_is_no_picture(tmp_path: Path) -> None:
    data = encoded(poster(), ".jpg")
    (tmp_path / "half.jpg").write_bytes(data[: len(data) // 2])
    with pytest.raises(PictureError, match="give a whole JPEG"):
        read_picture(tmp_path / "half.jpg")


def test_sixteen_bit_of_gray_are_sent_as_they_are_read(tmp_path: Path) -> None:
    data = encoded(poster()[..., 0].astype(np.uint16) << 8)
    (tmp_path / "gray.png").write_bytes(data)
    sent = decode_picture(data)
    np.testing.assert_array_equal(sent[..., 0], poster()[..., 0])
    np.testing.assert_array_equal(sent, read_picture(tmp_path / "gray.png"))


def test_pictures_that_cannot_be_read_are_named_and_the_others_are(
    patterns: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "album"
    (folder / "folder.png").mkdir(parents=True)
    (folder / "link.png").symlink_to("nothing")
    os.mkfifo(folder / "pipe.png")
    (folder / "long.png").write_bytes(encoded(np.full((8, 40000, 3), 90, np.uint8)))
    not_utf8(folder).write_bytes(encoded(next(frames_with(poster(), range(1)))[..., ::-1]))
    outcome = indexed(folder, patterns)
    assert (outcome.state, outcome.tags) == ("indexed", 1)
    (remark,) = outcome.remarks
    assert remark.endswith("3 images cannot be read (folder.png, link.png, pipe.png)")


def test_a_folder_without_a_whole_picture_fails(patterns: Path, tmp_path: Path) -> None:
    folder = tmp_path / "album"
    folder.mkdir()
    for name in "abcd":
        (folder / f"{name}.png").write_text("no picture")
    not_utf8(folder).write_text("no picture")
    outcome = indexed(folder, patterns)
    assert outcome.state == "failed"
    assert "none of its 5 pictures can be read (a.png, b.png, c.png and 2 more)" in outcome.error


@pytest.mark.parametrize("shape", [(8, 40000, 3), (40000, 8, 3)])
def test_a_long_picture_is_looked_at(patterns: Path, shape: tuple[int, ...]) -> None:
    assert PatternMatcher.of_folder(patterns).find(np.full(shape, 90, np.uint8)) == []


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["logo.jpg", "logo.png"], "logo.jpg' and 'logo.png' would both be called 'logo'"),
        (["a.png", "b.gif", "c.tga"], r"not read \(b.gif, c.tga\): convert them"),
        ([b"\xff.png"], "is not UTF-8: rename it"),
    ],
)
def test_pictures_that_would_be_passed_over_are_named(
    names: list[str | bytes], message: str, tmp_path: Path
) -> None:
    for name in names:
        (tmp_path / os.fsdecode(name)).touch()
    (tmp_path / "notes.txt").touch()
    with pytest.raises(PictureError, match=message):
        named_pictures(tmp_path)
