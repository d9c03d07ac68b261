# SPDX-License-Identifier: Apache-2.0
"""Whatever ends a writer, the library is whole."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from full_disk import full_disk
from python_imports import ROOT

from video_search import Library, LibraryError, Tag

WRITER = ROOT / "test" / "support" / "library_writer.py"
BATCH = 5


def writer(uri: str, source: str, rounds: int) -> subprocess.Popen[str]:
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    return subprocess.Popen(
        [sys.executable, str(WRITER), uri, source, str(BATCH), str(rounds)],
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        text=True,
    )


def check_whole(library: Library, source: str, at_least: int) -> None:
    """Each write is there as a whole or not at all, and no tag twice."""
    ids, starts = [], Counter[int]()
    for tag in library.tags(f"source = '{source}'"):
        ids.append(tag.id)
        starts[tag.start_ns] += 1
    assert len(ids) == len(set(ids))
    assert set(starts.values()) <= {BATCH}
    assert len(ids) >= at_least


def killed_while_writing(library: Library, source: str, pause_s: float) -> None:
    with writer(library.uri, source, 100_000) as process:
        assert process.stdout is not None
        done = int(process.stdout.readline())
        time.sleep(pause_s)
        process.send_signal(signal.SIGKILL)
        lines = process.stdout.read().split("\n")
    complete = [int(line) for line in lines[:-1]]
    check_whole(Library.open(library.uri), source, max([done, *complete]))


def test_a_kill_leaves_whole_writes(tmp_path: Path) -> None:
    library = Library.create(tmp_path / "library")
    killed_while_writing(library, "a", 0.05)


@pytest.mark.slow
def test_ten_kills_leave_whole_writes(tmp_path: Path) -> None:
    library = Library.create(tmp_path / "library")
    random.seed(0)
    for number in range(10):
        killed_while_writing(library, f"source{number}", random.uniform(0.0, 0.3))


def test_two_writers_at_once(tmp_path: Path) -> None:
    library = Library.create(tmp_path / "library")
    with writer(library.uri, "a", 6) as first, writer(library.uri, "b", 6) as second:
        assert first.wait() == second.wait() == 0
    for source in "ab":
        check_whole(Library.open(library.uri), source, 6 * BATCH)
    assert len(Library.open(library.uri).sources()) == 2


def test_a_full_disk_is_named_and_changes_nothing(tmp_path: Path) -> None:
    library = Library.create(tmp_path / "library")
    library.add([Tag("a", 0, 1, "object", "mug")])
    large = [Tag("a", n, n + 1, "object", "bowl", thumbnail=os.urandom(3000)) for n in range(1, 99)]
    with full_disk(), pytest.raises(LibraryError, match="could not be written"):
        library.add(large)
    assert Library.open(library.uri).count() == 1
    library.add(large)
    assert library.count() == 99
