# SPDX-License-Identifier: Apache-2.0
"""Frames of videos of any length, of which no more lie in memory than clips ask for.

What a clip needs is ``frames[indices]`` for (K,) ascending frame numbers: (K, H, W, 3) uint8.
"""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.reduction import DupFd
from pathlib import Path
from tempfile import TemporaryFile, gettempdir
from threading import Lock
from typing import Any, TypeAlias

import numpy as np
from tqdm import tqdm

from perception_kit.videos.video import VideoError, VideoFormat, held_frames, video_frames

# A video of more bytes is decoded again for the clips: 26 s of 448x252 pixels at 15 fps.
MAX_HELD_BYTES = 128 * 1024**2
# Of the clips' rate, below which a video shows more repeated frames than others.
SLOW_FRACTION = 0.5
_NOT_KEPT = -1


class StreamedFrames:
    """The frames of a video file, decoded as they are asked for.

    Clips in the order of time are read in one go; one that begins before the clip asked for last
    starts the video again. ``count`` is the number of its frames.
    """

    def __init__(self, path: Path, form: VideoFormat, count: int) -> None:
        self._path, self._form, self._count = path, form, count
        self._stream: Iterator[np.ndarray] | None = None
        self._held: deque[np.ndarray] = deque()
        self._first = 0  # number of the first frame that is held

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, indices: np.ndarray) -> np.ndarray:
        """(K, H, W, 3) frames. Raises VideoError where the file has become another one."""
        begin, end = int(indices.min()), int(indices.max())
        if self._stream is None or begin < self._first:
            self._stream, self._first = video_frames(self._path, self._form), 0
            self._held.clear()

        while self._first + len(self._held) <= end:
            frame = next(self._stream, None)
            if frame is None:
                raise VideoError(f"'{self._path}' was changed while it was read: start again")
            self._held.append(frame)
            # Nothing before this clip is asked for again.
            while self._held and self._first < begin:
                self._held.popleft()
                self._first += 1
        return np.stack([self._held[index - self._first] for index in indices.tolist()])


class StoredFrames:
    """The frames of a video that lie in a ``FrameFile``, each at its offset there, or are left out.

    ``offsets`` (N,) of all frames of ``shape`` (H, W, 3).
    """

    def __init__(self, file: FrameFile, offsets: np.ndarray, shape: tuple[int, ...]) -> None:
        self._file, self._offsets, self._shape = file, offsets, shape

    def __len__(self) -> int:
        return len(self._offsets)

    def __getitem__(self, indices: np.ndarray) -> np.ndarray:
        """(K, H, W, 3) frames. Raises IndexError for one that was not kept."""
        offsets = self._offsets[indices]
        if (offsets == _NOT_KEPT).any():
            raise IndexError(f"frames {indices[offsets == _NOT_KEPT].tolist()} were not kept")
        frames = np.empty((len(indices), *self._shape), np.uint8)
        for frame, offset in zip(frames, offsets.tolist(), strict=True):
            self._file.read(frame, offset)
        return frames


Frames: TypeAlias = np.ndarray | StreamedFrames | StoredFrames


class FrameFile:
    """A file without a name in ``folder`` that is gone with the process, for frames of many videos.

    It is read piece by piece, not mapped: memory holds the clips that are asked for. Threads may
    store at once, and processes that are started later read it, too.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._file = TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115 - lives as long as this
        self._folder = folder
        self._end, self._lock = 0, Lock()

    def __getstate__(self) -> dict[str, Any]:
        return {"descriptor": DupFd(self._file.fileno())}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._file = os.fdopen(state["descriptor"].detach(), "r+b", buffering=0)
        self._end, self._lock = os.fstat(self._file.fileno()).st_size, Lock()

    def store(
        self, path: Path, form: VideoFormat, is_needed: Callable[[int], bool]
    ) -> StoredFrames:
        """Store those frames of a video whose numbers are needed.

        Raises VideoError as ``video_frames`` does, OSError where there is no room.
        """
        offsets, shape = [], (0, 0, 3)
        for number, frame in enumerate(_checked_frames(path, form)):
            shape = frame.shape
            offsets.append(self._append(frame) if is_needed(number) else _NOT_KEPT)
        return StoredFrames(self, np.array(offsets, np.int64), shape)

    def read(self, frame: np.ndarray, offset: int) -> None:
        """Fill ``frame`` with what lies at ``offset``."""
        count = os.preadv(self._file.fileno(), [frame.data], offset)
        if count != frame.nbytes:
            raise OSError(f"the file of frames ends at {offset + count} bytes")

    def _append(self, frame: np.ndarray) -> int:
        pixels = np.ascontiguousarray(frame)
        with self._lock:
            offset, self._end = self._end, self._end + pixels.nbytes
        written = 0
        rest = pixels.reshape(-1)
        try:
            while written < pixels.nbytes:
                written += os.pwrite(self._file.fileno(), rest[written:].data, offset + written)
        except OSError as error:
            place, setting = (
                (self._folder, "--run-dir") if self._folder else (gettempdir(), "TMPDIR")
            )
            raise OSError(
                f"'{place}' cannot hold the frames of the videos ({error.strerror}): make room on"
                f" its disk, or name another {setting}"
            ) from error
        return offset


def read_frames(path: Path, form: VideoFormat) -> np.ndarray | StreamedFrames:
    """All frames of a video that decodes to its end: in memory, or a long one's as a stream.

    Raises VideoError as ``video_frames`` does.
    """
    held: list[np.ndarray] = []
    count = size = 0
    for frame in _checked_frames(path, form):
        count, size = count + 1, size + frame.nbytes
        if size <= MAX_HELD_BYTES:
            held.append(frame)
        else:
            held.clear()
    return np.stack(held) if held else StreamedFrames(path, form, count)


def slow_rate(spacings: Sequence[float], fps: float) -> str | None:
    """What is wrong with a video for clips at ``fps``; None where its rate is high enough.

    ``spacings`` are the seconds from each frame to the next, 0 for the last one.
    """
    known = [seconds for seconds in spacings if seconds]
    usual = float(np.median(known)) if known else 0.0
    if usual * fps * SLOW_FRACTION <= 1:
        return None
    return (
        f"has {1 / usual:.3g} fps, the model expects {fps:g}: most of what it sees are repeated"
        " frames; record at that rate"
    )


def _checked_frames(path: Path, form: VideoFormat) -> Iterator[np.ndarray]:
    """The ``video_frames``; says on standard error where most of them are repeated ones."""
    spacings = []
    for frame in held_frames(path, form):
        spacings.append(frame.seconds)
        yield from [frame.rgb] * frame.count
    if slow := slow_rate(spacings, form.fps):
        tqdm.write(f"warning: '{path}' {slow}", file=sys.stderr)
