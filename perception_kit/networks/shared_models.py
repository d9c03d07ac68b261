# SPDX-License-Identifier: Apache-2.0
"""Models of which a process holds one copy, however many nodes of it run them."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar
from weakref import WeakValueDictionary

Model = TypeVar("Model")

_LOADING = Lock()
_LOADED: WeakValueDictionary[Hashable, Any] = WeakValueDictionary()


def load_once(
    load: Callable[..., Model],
    files: Sequence[Path],
    *options: Hashable,
    threads: int | None = None,
) -> Model:
    """What ``load`` makes of the first of ``files`` and of the ``options``.

    All who ask for the same get the same object, for as long as one of them keeps it: nobody may
    change it. ``files`` are all that it is made of. Where one of them has changed since, it is
    loaded anew, and so it is for another number of PyTorch's ``threads``, with which networks are
    compiled. Raises what ``load`` raises.
    """
    identities = tuple(map(_identity, files))
    key = (load.__module__, load.__qualname__, identities, options, threads)
    with _LOADING:
        model = _LOADED.get(key)
        if model is None:
            model = _LOADED[key] = load(files[0], *options)
        return model


def _identity(path: Path) -> tuple[Hashable, ...]:
    """What differs between two files, or between two states of one; the path alone without it."""
    resolved = path.resolve()
    try:
        status = resolved.stat()
    except OSError:  # ``load`` says what is wrong with it
        return (resolved,)
    return resolved, status.st_ino, status.st_mtime_ns, status.st_size
