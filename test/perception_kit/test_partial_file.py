# SPDX-License-Identifier: Apache-2.0
"""Files that are there as a whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from perception_kit.partial_file import make_folder, refuse_links, replacing


def test_the_file_is_replaced_once_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file.txt"
    for text in ("first", "second"):
        with replacing(path) as partial:
            partial.write_text(text)
        assert path.read_text() == text
        assert [*path.parent.iterdir()] == [path]


@pytest.mark.parametrize("failure", [OSError("no room"), RuntimeError("no room")])
def test_a_failure_leaves_what_was_there(tmp_path: Path, failure: Exception) -> None:
    path = tmp_path / "file.txt"
    path.write_text("before")

    def fail() -> None:
        with replacing(path, RuntimeError) as partial:
            partial.write_text("half")
            raise failure

    with pytest.raises(OSError, match=r"file.txt' cannot be written \(no room\): make room"):
        fail()
    assert path.read_text() == "before"
    assert [*tmp_path.iterdir()] == [path]


def test_links_are_replaced_and_not_followed(tmp_path: Path) -> None:
    outside, path = tmp_path / "outside", tmp_path / "out" / "file.txt"
    outside.write_text("somebody's")
    path.parent.mkdir()
    for link in (path, path.with_name("file.txt.partial")):
        link.symlink_to(outside)
    with replacing(path) as partial:
        partial.write_text("own")
    assert (outside.read_text(), path.read_text()) == ("somebody's", "own")
    assert not path.is_symlink()
    assert [*path.parent.iterdir()] == [path]


def test_what_is_no_failure_to_write_stays_what_it_is(tmp_path: Path) -> None:
    with pytest.raises(KeyError, match="mug"), replacing(tmp_path / "file.txt"):
        raise KeyError("mug")
    assert [*tmp_path.iterdir()] == []


def test_places_that_cannot_be_written_are_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / "file" / "below", tmp_path / "folder"):
        with (
            pytest.raises(OSError, match=f"'{path}' cannot be written"),
            replacing(path) as partial,
        ):
            partial.write_text("text")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["file", "folder"]


def test_links_among_the_outputs_are_named(tmp_path: Path) -> None:
    (tmp_path / "page.html").symlink_to("/etc/hostname")
    (tmp_path / "plot.png").touch()
    (tmp_path / "other").symlink_to("/etc")
    refuse_links(tmp_path, ("plot.png", "not_there.json"))
    with pytest.raises(OSError, match=r"holds links \(page.html\): remove them"):
        refuse_links(tmp_path, ("plot.png", "page.html"))


def test_folders_that_take_no_files_are_named(tmp_path: Path) -> None:
    make_folder(tmp_path / "new" / "out", "--out")
    assert [*(tmp_path / "new" / "out").iterdir()] == []
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(OSError, match=r"must be a folder, but .* a file: name another --out"):
            make_folder(path, "--out")
    for path in (Path("/proc/self/task"), Path("/proc/new")):
        with pytest.raises(OSError, match=r"/proc/.*' cannot be written to .* another --out"):
            make_folder(path, "--out")
