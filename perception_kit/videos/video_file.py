# SPDX-License-Identifier: Apache-2.0
"""Frames of a video file, and whether they are all that the file was to have.

FFmpeg reads what is left of a damaged file without an error: only the comparison with what the
container and the stream promise tells that something is lost.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import av
import numpy as np

from perception_kit.budgets import regular

Pixels = Callable[[], np.ndarray]
"""Makes the (H, W, 3) uint8 RGB pixels of a frame, which not all frames need."""

# A declared duration may be this wrong: of the duration, but no more than a second, and a few
# frames in any case.
MAX_MISSING_FRACTION, MAX_MISSING_S, MAX_MISSING_FRAMES = 0.05, 1.0, 3
# Where nearly all frames follow each other at one interval, a gap is a loss and not a variable
# rate.
GAP_S, REGULAR_FRACTION, REGULAR_INTERVAL = 1.0, 0.95, 1.5
# Else H.264 paints over what is missing and says nothing.
STRICT_DECODING = {"err_detect": "explode"}
MICROSECOND = 1e-6  # unit of a container's times


class VideoError(ValueError):
    """A video that cannot be used; the message names it."""


@dataclass
class Reading:
    """What was read of a file; times in seconds by its own clock.

    ``times`` are those of the frames, ``video_end`` the end of the last one, ``end`` that of the
    last frame or packet of another stream.
    """

    packets: int = 0
    frames: int = 0
    corrupt: int = 0
    undecodable: int = 0
    without_stamp: int = 0
    video_end: float = 0.0
    end: float = 0.0
    times: list[float] = field(default_factory=list)


def file_frames(path: Path, keep_damaged: bool = False) -> Iterator[tuple[float, Pixels]]:
    """Seconds since the first frame, and the pixels, of each frame.

    Raises VideoError for a file that does not decode and, after its last frame, for one of which
    something is lost: with ``keep_damaged`` that is printed instead.
    """
    try:
        with av.open(str(regular(path))) as container:
            if not container.streams.video:
                raise VideoError(f"'{path}' has no video stream")
            stream = container.streams.video[0]
            if stream.codec_context is None:  # in spite of PyAV's type hint
                raise VideoError(f"'{path}' has a video of an unknown kind: re-encode or remove it")
            stream.codec_context.options = STRICT_DECODING
            reading = Reading()
            yield from _decoded(container, stream, reading)
            damage = _damage(container, stream, reading)
    except (av.error.FFmpegError, OSError) as error:
        raise VideoError(
            f"'{path}' could not be decoded ({error}): re-encode or remove it"
        ) from error

    if reading.without_stamp and not reading.times:
        raise VideoError(
            f"'{path}' has {reading.without_stamp} frames without time stamps: put them into a"
            f" container at their rate, for example ffmpeg -r 30 -i {path.name} -c copy"
            f" {path.stem}.mp4"
        )
    if damage and not keep_damaged:
        raise VideoError(f"'{path}' {damage}: get it whole, or re-encode what is left")
    if damage:
        print(f"warning: '{path}' {damage}; the rest is used", file=sys.stderr)


def upright(frame: av.VideoFrame) -> np.ndarray:
    """(H, W, 3) uint8 RGB as players show it.

    A telephone that is held upright stores frames lying on their side, and how to turn them.
    """
    stored = frame.to_ndarray(format="rgb24")
    return np.ascontiguousarray(np.rot90(stored, round(frame.rotation / 90)))


def _decoded(
    container: av.container.InputContainer, stream: av.VideoStream, reading: Reading
) -> Iterator[tuple[float, Pixels]]:
    """The frames that can be decoded; ``reading`` is filled in."""
    for packet in container.demux():
        if packet.stream != stream:
            if packet.pts is not None and packet.time_base is not None:
                end = float((packet.pts + (packet.duration or 0)) * packet.time_base)
                reading.end = max(reading.end, end)
            continue

        if packet.size and not packet.is_discard:
            reading.packets += 1
            reading.corrupt += packet.is_corrupt
        try:
            frames = stream.decode(packet)
        except av.error.FFmpegError:
            # A recording of a broadcast may begin between two key frames.
            reading.undecodable += reading.frames > 0
            continue

        for frame in frames:
            reading.frames += 1
            reading.corrupt += frame.is_corrupt and not packet.is_corrupt
            if frame.time is None:
                reading.without_stamp += 1
                continue
            time = float(frame.time)
            reading.times.append(time)
            length_s = float((frame.duration or 0) * (frame.time_base or 0))  # a still may last
            reading.video_end = max(reading.video_end, time + length_s)
            reading.end = max(reading.end, reading.video_end)
            yield time - reading.times[0], partial(upright, frame)


def _damage(
    container: av.container.InputContainer, stream: av.VideoStream, reading: Reading
) -> str | None:
    """What is lost of a file that was read to its end."""
    start = (container.start_time or 0) * MICROSECOND
    promised, read_s = _video_seconds(stream), reading.video_end - start
    if not promised:  # all that is known is how long the longest stream is
        promised, read_s = (container.duration or 0) * MICROSECOND, reading.end - start
    rate = float(stream.average_rate or 0)
    spare = min(MAX_MISSING_S, MAX_MISSING_FRACTION * promised)
    spare = max(spare, MAX_MISSING_FRAMES / rate if rate else 0.0)

    lost = []
    if read_s < promised - spare:
        frames = f" ({reading.frames} of {stream.frames} frames)" if stream.frames else ""
        lost.append(
            f"ends at {read_s:.2f} s{frames}, but says that it has {promised:.2f} s: it was cut off"
        )
    first = reading.times[0] - start if reading.times else 0.0
    if first > max(MAX_MISSING_S, spare):
        lost.append(f"shows nothing in its first {first:.2f} s")
    if gap := find_gap(reading.times):
        lost.append(f"has no frame from {gap[0]:.2f} to {gap[1]:.2f} s")
    if reading.corrupt or reading.undecodable:
        lost.append(
            f"has {reading.corrupt} corrupt and {reading.undecodable} undecodable frames of"
            f" {reading.packets}"
        )
    if reading.without_stamp:
        lost.append(f"has {reading.without_stamp} of {reading.frames} frames without time stamps")
    return "; ".join(lost) or None


def _video_seconds(stream: av.VideoStream) -> float:
    """Seconds that the file says its video has, 0 where it does not say."""
    seconds = 0.0
    if stream.duration and stream.time_base:
        seconds = float(stream.duration * stream.time_base)
    # The duration in an AVI that was cut off is an estimate; the number of its frames is not.
    if stream.frames and stream.average_rate:
        seconds = max(seconds, float(stream.frames / stream.average_rate))
    # Matroska has a tag for each stream.
    tag = re.fullmatch(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)", stream.metadata.get("DURATION", ""))
    if tag is not None:
        seconds = max(seconds, 3600 * int(tag[1]) + 60 * int(tag[2]) + float(tag[3]))
    return seconds


def find_gap(times: list[float]) -> tuple[float, float] | None:
    """The first long gap among otherwise regular times, in seconds since the first."""
    intervals = np.diff(times)
    if len(intervals) < 2:
        return None
    usual = float(np.median(intervals))
    is_long = intervals > max(GAP_S, REGULAR_INTERVAL * usual)
    regular = np.abs(intervals) <= REGULAR_INTERVAL * usual
    if not is_long.any() or regular.mean() < REGULAR_FRACTION:
        return None
    place = int(is_long.argmax())
    return times[place] - times[0], times[place + 1] - times[0]
