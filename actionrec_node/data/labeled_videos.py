# SPDX-License-Identifier: Apache-2.0
"""Labelled videos, and the clips (windows of consecutive frames) cut from them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

import numpy as np
from tqdm import tqdm

from actionrec_node.data.annotations import Annotations, DataError, Segment, check_labels
from actionrec_node.data.crops import show_clip
from actionrec_node.data.person_boxes import BoxTrack
from actionrec_node.data.video import VideoError, VideoFormat, frame_size, read_video

UNLABELED = -1
MIN_ACTION_FRAMES = 3  # a window whose last action began more recently is too ambiguous to train on
_NAMED_PROBLEMS = 10


@dataclass
class LabeledVideo:
    """``frames`` (N, H, W, 3) uint8 at the clip rate; ``labels`` (N,) class index of each frame, or
    UNLABELLED.

    ``boxes`` (N, 4) of the person as shares of the image's size, NaN where nobody is seen; None
    where nobody looked.
    """

    path: Path
    frames: np.ndarray
    labels: np.ndarray
    boxes: np.ndarray | None = None

    def known_boxes(self, indices: np.ndarray) -> np.ndarray | None:
        """(M, 4) boxes of those of the frames (K,) that show the person; None where none does."""
        if self.boxes is None:
            return None
        boxes = self.boxes[indices]
        known = boxes[np.isfinite(boxes[:, 0])]
        return known if len(known) else None

    def show(
        self, end: int, clip_length: int, size: int, resize: str, context: float | None
    ) -> np.ndarray:
        """(K, size, size, 3): the clip that ends at frame ``end``, of the person where they are
        seen; without ``context`` of the image.
        """
        indices = clip_indices(end, clip_length)
        if context is None:
            return show_clip(self.frames[indices], None, size, resize)
        return show_clip(self.frames[indices], self.known_boxes(indices), size, resize, context)


def frame_labels(
    segments: Sequence[Segment], class_names: Sequence[str], frame_count: int, fps: float
) -> np.ndarray:
    """(frame_count,) int64 class index at times ``k / fps``; UNLABELLED where no segment holds."""
    times = np.arange(frame_count) / fps + 1e-6
    labels = np.full(frame_count, UNLABELED, np.int64)
    for segment in segments:
        labels[(times >= segment.start) & (times < segment.end)] = class_names.index(segment.label)
    return labels


def load_video(
    path: Path,
    segments: Sequence[Segment],
    class_names: Sequence[str],
    form: VideoFormat,
    min_frames: int,
    track: BoxTrack | None = None,
) -> LabeledVideo:
    """Decode one video.

    Raises VideoError for one that does not decode, is shorter than ``min_frames`` at the format's
    rate, or ends before a segment begins.
    """
    frames = read_video(path, form)
    if len(frames) < min_frames:
        raise VideoError(
            f"'{path}' has {len(frames)} frames at {form.fps:g} fps, a clip needs {min_frames}:"
            " remove it or record longer"
        )
    seconds = len(frames) / form.fps
    beyond = next((segment for segment in segments if segment.start > seconds), None)
    if beyond is not None:
        raise VideoError(
            f"'{path}' ends at {seconds:.2f} s, before '{beyond.label}' is labelled at"
            f" {beyond.start:.2f} s: correct it"
        )
    boxes = (
        None if track is None else track.at(np.arange(len(frames)) / form.fps, *frame_size(path))
    )
    return LabeledVideo(
        path, frames, frame_labels(segments, class_names, len(frames), form.fps), boxes
    )


def load_videos(
    annotations: Annotations,
    class_names: Sequence[str],
    form: VideoFormat,
    min_frames: int,
    skip_bad: bool = False,
    tracks: Mapping[Path, BoxTrack] | None = None,
    folder: Path | None = None,
) -> list[LabeledVideo]:
    """Decode all videos; ``tracks`` say where the person is in some.

    Their frames (at most ``max_side ** 2 * 3`` bytes each) lie in a nameless file in ``folder``, or
    where the system keeps temporary files, that is gone with the process: a data set may be larger
    than the memory, and what fits is as fast as in memory.

    Raises DataError for a label outside ``class_names``, and for videos that do not decode or are
    shorter than ``min_frames``, naming all of them; with ``skip_bad`` these are printed and left
    out. Raises OSError where the file finds no room.
    """
    check_labels(annotations, class_names)

    def load(item: tuple[Path, list[Segment]]) -> LabeledVideo | VideoError:
        try:
            return load_video(*item, class_names, form, min_frames, (tracks or {}).get(item[0]))
        except VideoError as error:
            return error

    with ThreadPoolExecutor(max_workers=2) as pool, TemporaryFile(dir=folder) as file:
        items = tqdm(
            pool.map(load, annotations.items()),
            total=len(annotations),
            desc="reading videos",
            unit="video",
        )
        loaded = _moved_to_file(items, file)
    bad = [item for item in loaded if isinstance(item, VideoError)]
    if bad:
        reasons = "\n".join(f"  {error}" for error in bad[:_NAMED_PROBLEMS])
        more = f"\n  and {len(bad) - _NAMED_PROBLEMS} more" if len(bad) > _NAMED_PROBLEMS else ""
        message = f"{len(bad)} of {len(loaded)} videos cannot be used:\n{reasons}{more}"
        if not skip_bad:
            raise DataError(message)
        print(f"{message}\nthey are left out")
    if len(bad) == len(loaded):
        raise DataError("no video is left")
    return [item for item in loaded if isinstance(item, LabeledVideo)]


def _moved_to_file(
    loaded: Iterable[LabeledVideo | VideoError], file: IO[bytes]
) -> list[LabeledVideo | VideoError]:
    """The same, with the frames of all videos in one file that is mapped into memory."""
    moved, shapes = [], []
    for item in loaded:
        if isinstance(item, LabeledVideo):
            file.write(item.frames.data)
            shapes.append(item.frames.shape)
            moved.append(replace(item, frames=np.zeros(0, np.uint8)))
        else:
            moved.append(item)
    file.flush()
    if not shapes:
        return moved
    pixels = np.asarray(np.memmap(file, np.uint8, mode="r"))
    ends = np.cumsum([math.prod(shape) for shape in shapes])
    frames = iter(
        [
            part.reshape(shape)
            for part, shape in zip(np.split(pixels, ends[:-1]), shapes, strict=True)
        ]
    )
    return [
        replace(item, frames=next(frames)) if isinstance(item, LabeledVideo) else item
        for item in moved
    ]


@dataclass(frozen=True)
class Windows:
    """Clips named by their last frame: ``video`` (M,) index into the videos, ``end`` (M,) frame
    index, ``label`` (M,) class index.

    ``run`` (M,) numbers the labelled stretch of a video that the last frame lies in, over all
    videos, and ``frames_within`` (M,) says how many of the clip's frames lie in it.
    """

    video: np.ndarray
    end: np.ndarray
    label: np.ndarray
    run: np.ndarray
    frames_within: np.ndarray

    def __len__(self) -> int:
        return len(self.label)


def list_windows(
    labels: Sequence[np.ndarray], clip_length: int, stride: int = 1, min_action_frames: int = 1
) -> Windows:
    """Every ``stride``-th window of ``clip_length`` frames of videos with these ``labels`` (N,);
    its label is that of its last frame.

    Leaves out windows whose last frame is unlabelled or whose last action began fewer than
    ``min_action_frames`` frames before the window's end.
    """
    parts: list[tuple[np.ndarray, ...]] = []
    first_run = 0
    for index, video_labels in enumerate(labels):
        is_change = np.diff(video_labels, prepend=video_labels[:1]) != 0
        run = np.cumsum(is_change)
        frames = np.arange(len(video_labels))
        run_length = frames - np.maximum.accumulate(np.where(is_change, frames, 0)) + 1
        # An action that fills the video from its first frame began before it: it is never
        # ambiguous.
        settled = (run_length >= min_action_frames) | (run == 0)
        ends = np.arange(clip_length - 1, len(video_labels), stride)
        ends = ends[(video_labels[ends] != UNLABELED) & settled[ends]]
        within = np.minimum(run_length[ends], clip_length)
        parts.append(
            (np.full(len(ends), index), ends, video_labels[ends], first_run + run[ends], within)
        )
        first_run += int(run[-1]) + 1
    return Windows(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def clip_indices(end: int, clip_length: int, speed: float = 1.0) -> np.ndarray:
    """(clip_length,) frames up to and with ``end``, ``speed`` frames apart, never before the first
    frame of the video.
    """
    offsets = np.round(np.arange(clip_length - 1, -1, -1) * speed).astype(np.int64)
    return np.maximum(end - offsets, 0)
