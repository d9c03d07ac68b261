# SPDX-License-Identifier: Apache-2.0
"""Temporary folders of killed processes are removed at the next start, and no others."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from perception_kit.temporary import new_folder, temporary_folder

PROGRAM = """
import os, signal
from perception_kit.temporary import temporary_folder
with temporary_folder("test") as folder:
    (folder / "large").write_text("data")
    print(folder, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return tmp_path


def test_what_a_killed_process_leaves_is_removed_at_the_next_start(place: Path) -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
    left = Path(done.stdout.strip())
    assert left.parent == place
    assert (left / "large").exists()
    with temporary_folder("test") as folder:
        assert list(place.iterdir()) == [folder]
    assert list(place.iterdir()) == []


def test_links_other_names_and_living_processes_are_left_alone(place: Path) -> None:
    precious = place / "precious"
    precious.mkdir()
    kept = [
        precious,
        place / f"assistant_perception-test-{os.getppid()}-abc",
        place / "assistant_perception-other-99999999-abc",
    ]
    for folder in kept[1:]:
        folder.mkdir()
    (place / "assistant_perception-test-99999999-abc").symlink_to(precious)
    with temporary_folder("test"):
        assert all(folder.is_dir() for folder in kept)


def test_a_folder_may_lie_beside_what_it_becomes(place: Path) -> None:
    beside = place / "beside"
    beside.mkdir()
    left = beside / "assistant_perception-test-99999999-abc"
    left.mkdir()
    with temporary_folder("test", beside) as folder:
        assert list(beside.iterdir()) == [folder]


def test_a_new_folder_is_there_once_it_is_whole(place: Path) -> None:
    path = place / "deep" / "data"
    with new_folder(path) as folder:
        (folder / "file").write_text("text")
        assert not path.exists()
    assert (path / "file").read_text() == "text"
    assert [*path.parent.iterdir()] == [path]
    usual = place / "usual"
    usual.mkdir()
    assert path.stat().st_mode == usual.stat().st_mode


@pytest.mark.parametrize("failure", [OSError, KeyboardInterrupt])
def test_of_a_new_folder_that_fails_nothing_is_left(
    place: Path, failure: type[BaseException]
) -> None:
    def fail() -> None:
        with new_folder(place / "data") as folder:
            (folder / "file").write_text("half")
            raise failure

    with pytest.raises(failure):
        fail()
    assert [*place.iterdir()] == []


def test_what_is_there_is_no_new_folder(place: Path) -> None:
    (place / "empty").mkdir()
    (place / "link").symlink_to("nowhere")
    for path in (place / "empty", place / "link"):
        with pytest.raises(FileExistsError, match=r"is there already.*move it"), new_folder(path):
            pass
    assert sorted(entry.name for entry in place.iterdir()) == ["empty", "link"]
