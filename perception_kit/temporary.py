# SPDX-License-Identifier: Apache-2.0
"""Temporary folders that do not stay behind for ever, not even after SIGKILL, and new folders."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_PREFIX = "assistant_perception"


@contextmanager
def temporary_folder(purpose: str, parent: Path | None = None) -> Iterator[Path]:
    """A folder of this process alone, which is removed at the end of the block.

    It is in ``parent``, by default where the system has such folders. Those of earlier processes
    that were killed are removed first. Raises OSError where there is no room for it.
    """
    parent = parent or Path(tempfile.gettempdir())
    _remove_orphans(parent, purpose)
    folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}-{purpose}-{os.getpid()}-", dir=parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """A folder to write, which becomes ``path`` at the end of the block: whole or not at all.

    A block that fails or is interrupted leaves nothing behind, and can be repeated. Raises
    FileExistsError, which says what to do, where something is at ``path`` already.
    """
    if os.path.lexists(path):
        raise FileExistsError(
            f"'{path}' is there already, expected a new folder: move it away, or name another one"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    with temporary_folder("new", path.parent) as place:
        folder = place / path.name  # with the usual permissions, which temporary folders lack
        folder.mkdir()
        yield folder
        folder.rename(path)


def _remove_orphans(parent: Path, purpose: str) -> None:
    """Remove this user's folders of processes that are gone; links are left alone."""
    name = re.compile(rf"{_PREFIX}-{purpose}-(\d+)-\w+")
    for folder in parent.iterdir():
        match = name.fullmatch(folder.name)
        if match is None or folder.is_symlink() or not folder.is_dir():
            continue
        with suppress(FileNotFoundError):  # another process was faster
            if folder.stat().st_uid == os.getuid() and not _is_alive(int(match[1])):
                shutil.rmtree(folder, ignore_errors=True)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's
        return True
    return True
