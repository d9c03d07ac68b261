# SPDX-License-Identifier: Apache-2.0
"""Records what a running robot sees as pieces of video."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np

from perception_kit.replay.video import VideoWriter
from video_search.footage import PARTIAL, Footage

# A kill loses the piece that is being written, and forgetting a moment deletes the whole piece.
PIECE_NS = 10_000_000_000
# Without an image for longer, a piece has ended.
GAP_NS = 1_000_000_000


class RecordingError(OSError):
    """A piece of video could not be written; the message says what to do."""


class Recorder:
    """Writes one piece after the other; a piece is there as a whole or not at all.

    ``path`` is that of the piece being written, None between two.
    """

    def __init__(self, footage: Footage) -> None:
        self.path: Path | None = None
        self._footage = footage
        self._writer: VideoWriter | None = None
        self._source = ""
        self._start_ns = self._end_ns = 0

    def write(self, source: str, stamp_ns: int, rgb: np.ndarray) -> None:
        """Record an (H, W, 3) uint8 image. Raises RecordingError; the next image begins anew."""
        is_next = source == self._source and self._end_ns < stamp_ns <= self._end_ns + GAP_NS
        if not is_next or stamp_ns - self._start_ns >= PIECE_NS:
            self.close()
        try:
            if self._writer is None:
                self._begin(source, stamp_ns)
            assert self._writer is not None
            self._writer.write(rgb, stamp_ns)
        except (OSError, av.error.FFmpegError) as error:
            self._drop()
            raise self._reported(error) from error
        self._end_ns = stamp_ns

    def close(self) -> None:
        """End the piece; the next image begins another. Raises RecordingError."""
        if self._writer is None or self.path is None:
            return
        try:
            self._writer.close()
            self.path.replace(self._footage.path(self._source, self._start_ns, self._end_ns))
        except (OSError, av.error.FFmpegError) as error:
            self._drop()
            raise self._reported(error) from error
        self._writer = self.path = None

    def _begin(self, source: str, stamp_ns: int) -> None:
        folder = self._footage.folder / source
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / f"{stamp_ns}{PARTIAL}"
        self._writer = VideoWriter(self.path, "mp4")
        self._source, self._start_ns = source, stamp_ns

    def _drop(self) -> None:
        """Leave nothing of a piece that cannot be written."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)
        self._writer = self.path = None

    def _reported(self, error: Exception) -> RecordingError:
        return RecordingError(
            f"no video can be recorded in '{self._footage.folder}' ({error}): make room on its"
            " disk, and see that it may be written to; tags are still kept"
        )
