# SPDX-License-Identifier: Apache-2.0
"""Clips for the page, cut when they are asked for and kept while the server runs."""

from __future__ import annotations

import hashlib
import threading
import weakref
from collections import OrderedDict
from contextlib import ExitStack
from pathlib import Path

from perception_kit.temporary import temporary_folder
from video_search.clips import has_images, write_clip
from video_search.library import Library
from video_search.query import Moment
from video_search.tag import Source

MAX_CLIP_S, MAX_MARGIN_S = 120.0, 30.0
_KEPT = 64


class ClipRequestError(ValueError):
    """The clip that is asked for is not to be had; the message says why."""


class Clips:
    """Cuts clips one at a time, so that a page of hovering eyes does not take all cores."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._rewritten = library.rewritten
        folders = ExitStack()
        self._folder = folders.enter_context(temporary_folder("clips"))
        weakref.finalize(self, folders.close)
        self._files: OrderedDict[str, Path] = OrderedDict()
        self._cutting = threading.Lock()

    def clip(self, source: Source, start_ns: int, end_ns: int, margin_s: float) -> Path:
        """An MP4 of a time of a source, from ``margin_s`` before to as long after it.

        Raises ClipRequestError, and what ``write_clip`` raises.
        """
        check_clip(self._library, source, start_ns, end_ns)
        self.forget()
        asked = f"{source.id} {source.digest} {start_ns} {end_ns} {margin_s:g}"
        name = f"{hashlib.sha256(asked.encode()).hexdigest()}.mp4"
        with self._cutting:
            if name not in self._files:
                path = self._folder / name
                moment = Moment(source, start_ns, end_ns, start_ns, 1.0, (), ())
                write_clip(self._library, moment, path, margin_s)
                self._files[name] = path
            self._files.move_to_end(name)
            while len(self._files) > _KEPT:
                self._files.popitem(last=False)[1].unlink(missing_ok=True)
            return self._files[name]

    def forget(self) -> None:
        """Delete all clips where something was forgotten since: they may show it."""
        if self._rewritten == self._library.rewritten:
            return
        with self._cutting:
            self._rewritten = self._library.rewritten
            while self._files:
                self._files.popitem()[1].unlink(missing_ok=True)


def check_clip(library: Library, source: Source, start_ns: int, end_ns: int) -> None:
    """Raises ClipRequestError for a source without pictures and for times that it does not have."""
    if not has_images(library, source):
        raise ClipRequestError(f"a source of kind '{source.kind}' has no pictures to show")
    if source.kind != "live" and not Path(source.uri).exists():
        raise ClipRequestError(
            f"'{Path(source.uri).name}' is not where it was when it was indexed: put it back, or"
            " index it again"
        )
    if end_ns < start_ns:
        raise ClipRequestError("the clip ends before it starts")
    if end_ns < source.start_ns or (source.end_ns > source.start_ns and start_ns > source.end_ns):
        raise ClipRequestError(
            f"the clip lies outside the source, which lasts"
            f" {(source.end_ns - source.start_ns) * 1e-9:.1f} s"
        )
    if end_ns - start_ns > MAX_CLIP_S * 1e9:
        raise ClipRequestError(
            f"the clip would last {(end_ns - start_ns) * 1e-9:.0f} s, at most {MAX_CLIP_S:.0f} s"
            " are cut here: use python -m video_search.find --clip"
        )
