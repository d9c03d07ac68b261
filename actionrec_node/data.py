# SPDX-License-Identifier: Apache-2.0
"""Labelled videos in memory, and the clips (windows of consecutive frames) cut from them.

A data folder holds ``labels.csv`` (columns video, start, end, label; times in seconds; video paths relative to the folder), or one
folder of videos per class, or both. A folder with a video that ``labels.csv`` names is not a class folder.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from actionrec_node.video import VIDEO_SUFFIXES, VideoError, read_video

UNLABELLED = -1
MIN_ACTION_FRAMES = 3  # a window whose last action began more recently is too ambiguous to train on


class DataError(ValueError):
    """A data folder that cannot be used; the message says what was found and what was expected."""


@dataclass(frozen=True)
class Segment:
    """``label`` holds from ``start`` (inclusive) to ``end`` (exclusive), in seconds."""

    start: float
    end: float
    label: str


@dataclass
class LabelledVideo:
    """``frames`` (N, S, S, 3) uint8 at the clip rate; ``labels`` (N,) class index of each frame, or UNLABELLED."""

    path: Path
    frames: np.ndarray
    labels: np.ndarray


def read_annotations(folder: str | Path) -> dict[Path, list[Segment]]:
    """Segments of every labelled video of a data folder. Raises DataError naming the folder or the CSV line."""
    folder = Path(folder)
    if not folder.is_dir():
        raise DataError(f"data folder '{folder}' does not exist")
    annotations = _read_csv(folder / "labels.csv") if (folder / "labels.csv").is_file() else {}
    named_in_csv = {video.parent for video in annotations}
    for class_folder in sorted(path for path in folder.iterdir() if path.is_dir() and path not in named_in_csv):
        videos = sorted(path for path in class_folder.iterdir() if path.suffix.lower() in VIDEO_SUFFIXES)
        annotations.update({video: [Segment(0.0, float("inf"), class_folder.name)] for video in videos})
    if not annotations:
        raise DataError(f"'{folder}' holds neither labels.csv nor class folders with videos ({', '.join(VIDEO_SUFFIXES)})")
    return annotations


def _read_csv(path: Path) -> dict[Path, list[Segment]]:
    annotations: dict[Path, list[Segment]] = {}
    with path.open(newline="") as file:
        reader = csv.DictReader(file)
        missing = {"video", "start", "end", "label"} - set(reader.fieldnames or ())
        if missing:
            raise DataError(f"'{path}' lacks the columns {sorted(missing)}, found {reader.fieldnames}")
        for row in reader:
            try:
                segment = Segment(float(row["start"]), float(row["end"]), row["label"])
            except (TypeError, ValueError) as error:
                raise DataError(f"'{path}' line {reader.line_num}: start and end must be seconds, got {row}") from error
            if not segment.start < segment.end:
                raise DataError(f"'{path}' line {reader.line_num}: start {segment.start} is not before end {segment.end}")
            annotations.setdefault(path.parent / row["video"], []).append(segment)
    return annotations


def class_names_of(annotations: dict[Path, list[Segment]]) -> list[str]:
    """All labels in alphabetical order, the order of the model's outputs."""
    return sorted({segment.label for segments in annotations.values() for segment in segments})


def frame_labels(segments: Sequence[Segment], class_names: Sequence[str], frame_count: int, fps: float) -> np.ndarray:
    """(frame_count,) int64 class index at times ``k / fps``; UNLABELLED where no segment holds."""
    times = np.arange(frame_count) / fps + 1e-6
    labels = np.full(frame_count, UNLABELLED, np.int64)
    for segment in segments:
        labels[(times >= segment.start) & (times < segment.end)] = class_names.index(segment.label)
    return labels


def load_videos(
    annotations: dict[Path, list[Segment]], class_names: Sequence[str], fps: float, size: int, min_frames: int
) -> list[LabelledVideo]:
    """Decode all videos at once (frames take ``size * size * 3`` bytes each).

    Raises DataError for a label outside ``class_names`` or a video shorter than ``min_frames``, VideoError for one that does not decode.
    """
    for path, segments in annotations.items():
        unknown = sorted({segment.label for segment in segments} - set(class_names))
        if unknown:
            raise DataError(f"'{path}' is labelled {unknown}, but the model's classes are {list(class_names)}")

    def load(item: tuple[Path, list[Segment]]) -> LabelledVideo:
        path, segments = item
        frames = read_video(path, fps, size)
        if len(frames) < min_frames:
            raise VideoError(f"'{path}' has {len(frames)} frames at {fps:g} fps, a clip needs {min_frames}: remove it or record longer")
        return LabelledVideo(path, frames, frame_labels(segments, class_names, len(frames), fps))

    with ThreadPoolExecutor(max_workers=2) as pool:
        return list(tqdm(pool.map(load, annotations.items()), total=len(annotations), desc="reading videos", unit="video"))


@dataclass(frozen=True)
class Windows:
    """Clips named by their last frame: ``video`` (M,) index into the videos, ``end`` (M,) frame index, ``label`` (M,) class index."""

    video: np.ndarray
    end: np.ndarray
    label: np.ndarray

    def __len__(self) -> int:
        return len(self.label)


def list_windows(videos: Sequence[LabelledVideo], clip_length: int, stride: int = 1, min_action_frames: int = 1) -> Windows:
    """Every ``stride``-th window of ``clip_length`` frames; its label is the action at its last frame.

    Leaves out windows whose last frame is unlabelled or whose last action began fewer than ``min_action_frames`` frames before
    the window's end.
    """
    video, end, label = [], [], []
    for index, item in enumerate(videos):
        changes = np.flatnonzero(np.diff(item.labels)) + 1
        run_start = np.zeros(len(item.labels), np.int64)
        run_start[changes] = changes
        run_length = np.arange(len(item.labels)) - np.maximum.accumulate(run_start) + 1
        # An action that fills the video from its first frame began before it: it is never ambiguous.
        settled = (run_length >= min_action_frames) | (np.maximum.accumulate(run_start) == 0)
        ends = np.arange(clip_length - 1, len(item.labels), stride)
        ends = ends[(item.labels[ends] != UNLABELLED) & settled[ends]]
        video.append(np.full(len(ends), index))
        end.append(ends)
        label.append(item.labels[ends])
    return Windows(np.concatenate(video), np.concatenate(end), np.concatenate(label))


def cut_clip(frames: np.ndarray, end: int, clip_length: int, speed: float = 1.0) -> np.ndarray:
    """(clip_length, S, S, 3) frames up to and with ``end``, ``speed`` frames apart, never before the first frame of the video."""
    offsets = np.round(np.arange(clip_length - 1, -1, -1) * speed).astype(np.int64)
    return frames[np.maximum(end - offsets, 0)]
