# SPDX-License-Identifier: Apache-2.0
"""Files that are there as a whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryFile

_TRIED_BYTES = 4096  # a full disk makes empty files, too


@contextmanager
def replacing(path: Path, *errors: type[Exception]) -> Iterator[Path]:
    """A partial file beside ``path`` to write, which takes its place at the end of the block.

    A kill or a full disk at any time leaves the file that was there before, and a block that fails
    leaves no partial file. Links are replaced, not followed. Folders are made as needed. OSError
    and the ``errors`` that the writer in the block has for a failure become an OSError that says
    what to do.
    """
    reported: tuple[type[Exception], ...] = (OSError, *errors)
    partial = path.with_name(f"{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.unlink(missing_ok=True)  # of a run that was killed, or a link to somewhere else
        partial.touch()
        # Some writers make files that only their owner can read.
        mode = (path if path.exists() else partial).stat().st_mode
        yield partial
        partial.chmod(mode)
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        partial.replace(path)
    except reported as error:
        # PyTorch hides the system's reason behind one of its own.
        reason = error.__context__ if isinstance(error.__context__, OSError) else error
        raise OSError(
            f"'{path}' cannot be written ({reason}): make room on its disk, or name a file in a"
            " folder that you may write to"
        ) from error
    finally:
        # Gone already unless the block failed, which an error from here must not hide.
        with suppress(OSError):
            partial.unlink()


def make_folder(folder: Path, option: str) -> None:
    """Make a folder for output, unless it is there, before the work whose results it gets.

    Raises OSError where it cannot be written to, which says to name another by ``option``.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder, buffering=0) as file:
            file.write(bytes(_TRIED_BYTES))
    except (FileExistsError, NotADirectoryError) as error:
        raise OSError(
            f"'{folder}' must be a folder, but there is a file: name another {option}"
        ) from error
    except OSError as error:
        raise OSError(
            f"'{folder}' cannot be written to ({error.strerror}): make room on its disk, or name"
            f" another {option}"
        ) from error


def refuse_links(folder: Path, names: Iterable[str]) -> None:
    """Raise OSError where one of the ``names`` in a folder for output is a link.

    What it leads to is nobody's to replace.
    """
    if links := [name for name in names if (folder / name).is_symlink()]:
        raise OSError(f"'{folder}' holds links ({', '.join(links)}): remove them")
