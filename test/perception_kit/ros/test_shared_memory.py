# SPDX-License-Identifier: Apache-2.0
"""Only segments of processes that are gone are removed."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from perception_kit.ros.shared_memory import remove_orphaned_segments


def segment(folder: Path, name: str, age_s: float = 100.0) -> Path:
    """A segment with its lock file, of some age."""
    path = folder / name
    path.write_bytes(bytes(16))
    path.with_name(f"{name}_el").touch()
    then = path.stat().st_mtime - age_s
    os.utime(path, (then, then))
    return path


def test_segments_that_nobody_locks_are_removed(tmp_path: Path) -> None:
    dead = segment(tmp_path, "fastrtps_0123456789abcdef")
    alive = segment(tmp_path, "fastrtps_1123456789abcdef")
    young = segment(tmp_path, "fastrtps_2123456789abcdef", age_s=0.0)
    other = segment(tmp_path, "psm_0123456789abcdef")
    unlocked = tmp_path / "fastrtps_3123456789abcdef"
    unlocked.touch()
    with alive.with_name(f"{alive.name}_el").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert remove_orphaned_segments(tmp_path) == [dead.name]
    assert sorted(path.name for path in tmp_path.iterdir() if not path.name.endswith("_el")) == [
        alive.name,
        young.name,
        unlocked.name,
        other.name,
    ]
    assert not dead.with_name(f"{dead.name}_el").exists()


def test_without_such_a_folder_there_is_nothing_to_do(tmp_path: Path) -> None:
    assert remove_orphaned_segments(tmp_path / "missing") == []
