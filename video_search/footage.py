# SPDX-License-Identifier: Apache-2.0
"""Video of live sources, which a robot may keep in the library's folder: ``clips/SOURCE/*.mp4``.

It is cut into pieces of seconds, so that each can be deleted on its own; the name of a piece says
from when to when it lasts.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from perception_kit.videos.video_file import file_frames
from video_search.frames import Frame

FOLDER, PARTIAL = "clips", ".partial"
_NAME = re.compile(r"(\d+)_(\d+)\.mp4")


@dataclass(frozen=True)
class Piece:
    """A file that shows a source from ``start_ns`` to ``end_ns``."""

    path: Path
    start_ns: int
    end_ns: int

    def touches(self, spans: np.ndarray) -> bool:
        """Whether it shows a moment of one of (N, 2) spans, both ends included."""
        return bool(((spans[:, 0] <= self.end_ns) & (spans[:, 1] >= self.start_ns)).any())


class Footage:
    """The pieces of all live sources of one library."""

    def __init__(self, library: Path) -> None:
        self.folder = library / FOLDER

    def sources(self) -> list[str]:
        """Ids of the sources that have video."""
        return sorted(path.name for path in self.folder.glob("*") if path.is_dir())

    def pieces(self, source: str) -> list[Piece]:
        """The whole pieces of a source, in the order of time."""
        found = []
        for path in (self.folder / source).glob("*.mp4"):
            if match := _NAME.fullmatch(path.name):
                found.append(Piece(path, int(match[1]), int(match[2])))
        return sorted(found, key=lambda piece: piece.start_ns)

    def path(self, source: str, start_ns: int, end_ns: int) -> Path:
        """Where a piece belongs."""
        return self.folder / source / f"{start_ns}_{end_ns}.mp4"

    def frames(self, source: str, start_ns: int, end_ns: int) -> Iterator[Frame]:
        """The frames of a time. Raises VideoError for a damaged piece."""
        for piece in self.pieces(source):
            if not piece.touches(np.array([[start_ns, end_ns]])):
                continue
            for seconds, pixels in file_frames(piece.path):
                yield Frame(piece.start_ns + round(seconds * 1e9), pixels)

    def delete_shown(self, spans: Mapping[str, np.ndarray]) -> None:
        """Delete the pieces that show a moment of some (N, 2) spans of their sources."""
        for source, forgotten in spans.items():
            for piece in self.pieces(source):
                if piece.touches(forgotten):
                    piece.path.unlink(missing_ok=True)

    def delete_unfinished(self, source: str) -> None:
        """Delete the piece that a kill has left."""
        for path in (self.folder / source).glob(f"*{PARTIAL}"):
            path.unlink(missing_ok=True)

    def delete_source(self, source: str) -> None:
        """Delete all video of a source."""
        shutil.rmtree(self.folder / source, ignore_errors=True)

    def keep_shown(self, spans: Mapping[str, np.ndarray]) -> None:
        """Delete the pieces that show no moment of the (N, 2) spans of their sources."""
        for source in self.sources():
            kept = spans.get(source, np.zeros((0, 2), np.int64))
            for piece in self.pieces(source):
                if not piece.touches(kept):
                    piece.path.unlink(missing_ok=True)
            with suppress(OSError):  # of a folder with pieces, or one that is written to
                (self.folder / source).rmdir()
