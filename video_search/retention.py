# SPDX-License-Identifier: Apache-2.0
"""What of a live memory is deleted: the oldest by age and size, and falls last."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np

from video_search.config import MemoryConfig
from video_search.footage import Footage
from video_search.library import Library
from video_search.schema import quoted

_DAY_NS = 86_400 * 1_000_000_000
# As much is deleted at once, so that the library is not written anew all the time.
_FILLED = 0.8


class Retention:
    """Deletes from the sources whose addresses start with ``prefix``, from no other.

    ``current`` is the id of the source that is being written, which stays; tags with ``kept_label``
    go last.
    """

    def __init__(self, library: Library, prefix: str, current: str, kept_label: str) -> None:
        self._library, self._prefix = library, prefix
        self._current, self._kept_label = current, kept_label

    def __call__(self, now_ns: int, config: MemoryConfig) -> int:
        """Delete what is too old at ``now_ns``, then what is too much; returns how many tags."""
        count = self._before(now_ns - round(config.max_age * _DAY_NS), spare=True)
        count += self._before(now_ns - round(config.fall_max_age * _DAY_NS), spare=False)
        count += self._too_much(round(config.max_size * 1e6))
        self._drop_empty()
        return count

    def _before(self, before_ns: int, spare: bool) -> int:
        """Delete what ended before; ``spare`` the tags with the kept label."""
        keep = (self._kept_label,) if spare else ()
        count = 0
        for source in self._sources():
            where = f"source = {quoted(source)} AND end_ns < {before_ns}"
            where += f" AND label != {quoted(self._kept_label)}" if spare else ""
            if self._library.count(where):  # forgetting writes the library anew
                count += self._library.forget(source=source, before_ns=before_ns, keep_labels=keep)
        return count

    def _too_much(self, most: int) -> int:
        """Delete the oldest until the library is well below ``most`` bytes."""
        if folder_size(Path(self._library.uri)) <= most:
            return 0
        self._library.optimize(timedelta(seconds=1))  # what older states needed goes first
        size = folder_size(Path(self._library.uri))
        if size <= most:
            return 0

        size -= self._less_video(size - round(_FILLED * most))
        if size <= most:
            return 0

        wanted = int(np.ceil(self._library.count() * (1 - _FILLED * most / size)))
        count = 0
        for spare in (True, False):
            ends = self._ends(spare)
            left = min(wanted - count, len(ends))
            if left > 0:
                count += self._before(int(ends[left - 1]) + 1, spare)
        return count

    def _less_video(self, excess: int) -> int:
        """Delete the oldest video, that of falls last; returns how many bytes it had."""
        footage = Footage(Path(self._library.uri))
        pieces = []
        for source in set(self._sources()) & set(footage.sources()):
            where = f"source = {quoted(source)} AND label = {quoted(self._kept_label)}"
            kept = [(tag.start_ns, tag.end_ns) for tag in self._library.tags(where)]
            spans = np.array(kept, np.int64).reshape(-1, 2)
            pieces += [(piece.touches(spans), piece) for piece in footage.pieces(source)]

        deleted = 0
        for _, piece in sorted(pieces, key=lambda entry: (entry[0], entry[1].start_ns)):
            if deleted >= excess:
                break
            deleted += piece.path.stat().st_size
            piece.path.unlink()
        return deleted

    def _ends(self, spare: bool) -> np.ndarray:
        """(N,) ends in nanoseconds of what may be deleted, in order."""
        sources = self._sources()
        if not sources:
            return np.zeros(0, np.int64)
        where = f"source IN ({', '.join(map(quoted, sources))})"
        where += f" AND label != {quoted(self._kept_label)}" if spare else ""
        rows = self._library.tags_table.search().where(where).select(["end_ns"]).to_arrow()
        return np.sort(rows["end_ns"].to_numpy())

    def _drop_empty(self) -> None:
        """Forget sessions of which nothing is left."""
        for source in self._sources():
            if source != self._current and not self._library.count(f"source = {quoted(source)}"):
                self._library.forget(source=source)

    def _sources(self) -> list[str]:
        return [
            source.id for source in self._library.sources() if source.uri.startswith(self._prefix)
        ]


def folder_size(folder: Path) -> int:
    """Bytes of all files below a folder; those that go meanwhile count nothing."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except OSError:
            continue
    return total
