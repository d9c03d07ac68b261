# SPDX-License-Identifier: Apache-2.0
"""The memory of a running robot: writes what it sees into a library, and forgets in time."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from time import monotonic

import numpy as np

from perception_kit.colors import FALL_LABEL
from video_search.config import MemoryConfig
from video_search.footage import Footage
from video_search.library import Library
from video_search.query import Query, SearchResult
from video_search.recorder import Recorder
from video_search.retention import Retention, folder_size
from video_search.schema import quoted
from video_search.sightings import Appearances, Sighting
from video_search.tables import LibraryError
from video_search.tag import WALL_CLOCK, Source, Tag

# Versions of the library that readers may still look at.
_HISTORY = timedelta(minutes=1)
_OPTIMIZE_EVERY = 100
# Tags that wait while the disk is full; the oldest go first, counted in ``lost``.
_MAX_WAITING = 10_000


class Memory:
    """One row for each appearance, written while it lasts; safe for several threads.

    Each run of the robot, and each jump back in time, is a source of its own, so that track ids
    mean one thing in it. ``lost`` counts tags that could not be written. Methods raise
    LibraryError; what could not be written is tried again.
    """

    def __init__(self, library: Library, name: str, config: MemoryConfig) -> None:
        self.config = config
        self.lost = 0
        self._library, self._name = library, name
        self._footage = Footage(Path(library.uri))
        self._recorder = Recorder(self._footage)
        self._lock = threading.RLock()
        self._session: Source | None = None
        self._appearances: Appearances | None = None
        self._waiting: dict[str, Tag] = {}
        self._written: dict[str, int] = {}
        self._writes = 0
        self._written_s = self._retained_s = monotonic()
        self._end_earlier_sessions()

    def _end_earlier_sessions(self) -> None:
        """A kill leaves a session that says that it is going on."""
        for source in self._library.sources():
            if source.state == "live" and source.uri.startswith(f"live:{self._name} "):
                where = f"source = {quoted(source.id)}"
                ends = [tag.end_ns for tag in self._library.tags(where)]
                end_ns = max(ends, default=source.end_ns)
                ended = replace(source, state="done", end_ns=end_ns, tag_count=len(ends))
                self._library.put_source(ended)
                self._footage.delete_unfinished(source.id)

    # Writing

    def see(
        self, stamp_ns: int, sightings: Iterable[Sighting], rgb: np.ndarray | None = None
    ) -> None:
        """Take in what is seen in one image, (H, W, 3) uint8 where known, in the order of time.

        Raises RecordingError where there is no room for its video; the tags are taken in.
        """
        with self._lock:
            session, appearances = self._running(stamp_ns)
            self._session = replace(session, end_ns=max(session.end_ns, stamp_ns))
            seen = list(sightings)
            self._wait(appearances.update(stamp_ns, seen, rgb))
            self.work()
            if self.config.store == "clips" and rgb is not None and seen:
                self._recorder.write(session.id, stamp_ns, rgb)

    def work(self) -> None:
        """Write and forget what is due; call it also while nothing is seen."""
        with self._lock:
            now_s = monotonic()
            if now_s - self._written_s >= self.config.write_period:
                self.flush()
            if self._session and now_s - self._retained_s >= self.config.retention_period:
                self._retained_s = now_s
                self.retain(self._session.end_ns)

    def flush(self) -> None:
        """Write what has changed since the last time."""
        with self._lock:
            self._written_s = monotonic()
            if self._appearances is not None:
                self._wait(self._appearances.going_on())
            if not self._waiting or self._session is None:
                return
            self._library.refresh()
            self._library.add(self._waiting.values())
            self._waiting.clear()
            going_on = self._appearances.going_on() if self._appearances is not None else []
            self._written = {tag.id: tag.end_ns for tag in going_on}
            self._writes += 1
            if self._writes % _OPTIMIZE_EVERY == 0:
                self._library.optimize(_HISTORY)

    def end_session(self) -> None:
        """Write all and end the source: the robot stops, or its time has jumped."""
        with self._lock:
            if self._session is None or self._appearances is None:
                return
            self._wait(self._appearances.finish())
            self.flush()
            self._recorder.close()
            count = self._library.count(f"source = {quoted(self._session.id)}")
            self._library.put_source(replace(self._session, state="done", tag_count=count))
            self._session = self._appearances = None
            self._written.clear()

    def _running(self, stamp_ns: int) -> tuple[Source, Appearances]:
        """The session and its appearances, begun where there is none."""
        if self._session is None or self._appearances is None:
            source_id = f"live-{uuid.uuid4().hex[:12]}"
            uri = f"live:{self._name} {np.datetime64(stamp_ns, 'ns').astype('datetime64[s]')}"
            session = Source(
                source_id,
                uri,
                "live",
                state="live",
                clock=WALL_CLOCK,
                start_ns=stamp_ns,
                end_ns=stamp_ns,
            )
            self._library.put_source(session)
            self._session = session
            self._appearances = self._new_appearances(source_id)
        return self._session, self._appearances

    def _new_appearances(self, source_id: str) -> Appearances:
        thumbnails = self.config.store != "tags"
        return Appearances(source_id, round(self.config.gap * 1e9), thumbnails)

    def _wait(self, tags: Iterable[Tag]) -> None:
        """Have tags written with the next flush, unless they are as they were."""
        for tag in tags:
            if self._written.get(tag.id) != tag.end_ns:
                self._waiting[tag.id] = tag
        while len(self._waiting) > _MAX_WAITING:
            del self._waiting[next(iter(self._waiting))]
            self.lost += 1

    # Reading and forgetting

    def find(self, query: Query) -> SearchResult:
        """The moments at which a query holds, up to now.

        Where the newest cannot be written, those that are written, and a remark.
        """
        with self._lock:
            remarks = []
            try:
                self.flush()
            except LibraryError as error:
                remarks = [f"the newest is missing: {error}"]
            self._library.refresh()
            result = self._library.find(query)
            result.remarks.extend(remarks)
            return result

    def forget(
        self,
        source: str | None = None,
        track_id: int | None = None,
        since_ns: int | None = None,
        until_ns: int | None = None,
    ) -> int:
        """Delete what ``Library.forget`` deletes, also of what is still in view.

        What goes on to be seen is an appearance of its own from here on. Returns how many there
        were.
        """
        with self._lock:
            self.flush()
            self._recorder.close()
            count = self._library.forget(
                source=source, track_id=track_id, since_ns=since_ns, until_ns=until_ns
            )
            self._written.clear()
            if self._session is not None:
                self._appearances = self._new_appearances(self._session.id)
                if source == self._session.id:
                    self._session = self._appearances = None
            return count

    def retain(self, now_ns: int) -> int:
        """Delete what is too old, or too much, by ``now_ns``; returns how many there were."""
        with self._lock:
            self.flush()
            self._recorder.close()
            current = "" if self._session is None else self._session.id
            return Retention(self._library, f"live:{self._name} ", current, FALL_LABEL)(
                now_ns, self.config
            )

    def size(self) -> int:
        """Bytes of the library on disk."""
        return folder_size(Path(self._library.uri))
