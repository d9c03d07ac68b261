# SPDX-License-Identifier: Apache-2.0
"""Labeled videos, and the clips (windows of consecutive frames) cut from them."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from actionrec_node.data.annotations import Annotations, DataError, Segment, known_labels
from actionrec_node.data.crops import crop_clip
from actionrec_node.data.frames import FrameFile, Frames, read_frames
from actionrec_node.data.person_boxes import BoxTrack
from actionrec_node.networks.action_model_spec import ActionModelSpec
from perception_kit.videos.video import VideoError, VideoFormat, frame_size

UNLABELED = -1
# A window whose last action began more recently is too ambiguous to train on.
MIN_ACTION_FRAMES = 3
_NAMED_PROBLEMS = 10
# Videos to score on are read up to this much larger than the network's input, for sharp crops.
SHARPNESS = 4
MAX_END_S = 1.0  # a label may end this much after its video: people round up


@dataclass
class LabeledVideo:
    """A video's ``frames`` (N, H, W, 3) uint8 at the clip rate, and what they show.

    Frames of a long video, and those to train on, are no array: ``frames[indices]`` gives one.

    ``labels`` (N,) class index of each frame, or UNLABELED. ``boxes`` (N, 4) of the person as
    fractions of the image's size, NaN where nobody is seen; None where nobody looked.
    """

    path: Path
    frames: Frames
    labels: np.ndarray
    boxes: np.ndarray | None = None

    @property
    def shows_person(self) -> bool:
        """Whether the person is seen at any time, as far as known."""
        return self.boxes is not None and bool(np.isfinite(self.boxes).any())

    def boxes_at(self, indices: np.ndarray) -> np.ndarray | None:
        """(K, 4) the person's box in the frames ``indices`` (K,); None where none shows them.

        A frame in which they are not seen has the box of the frame nearest to it.
        """
        if self.boxes is None:
            return None
        boxes = self.boxes[indices]
        known = np.flatnonzero(np.isfinite(boxes[:, 0]))
        if not len(known):
            return None
        distances = np.abs(known[None, :] - np.arange(len(boxes))[:, None])
        return boxes[known[distances.argmin(axis=1)]]

    def is_seen_in(self, indices: np.ndarray) -> bool:
        """Whether each of the frames shows the person, as far as known."""
        return self.boxes is not None and bool(np.isfinite(self.boxes[indices]).all())

    def clip(self, end: int, spec: ActionModelSpec, context: float | None) -> np.ndarray:
        """(K, size, size, 3): the clip of a model of ``spec`` that ends at frame ``end``.

        It shows the person where they are seen; without ``context`` it shows the whole image.
        """
        indices = clip_indices(end, spec.clip_length)
        frames = self.frames[indices]
        if context is None:
            return crop_clip(frames, None, spec.size, spec.resize)
        boxes = self.boxes_at(indices)
        return crop_clip(frames, boxes, spec.size, spec.resize, context, spec.surroundings)


def frame_labels(
    segments: Sequence[Segment], class_names: Sequence[str], frame_count: int, fps: float
) -> np.ndarray:
    """(frame_count,) int64 class index at times ``k / fps``; UNLABELED where no segment holds."""
    times = np.arange(frame_count) / fps + 1e-6  # k / fps may be rounded to just below a start
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
    """Decode one video, of which a long one is not kept in memory.

    Raises VideoError for one that does not decode, is shorter than ``min_frames`` at the format's
    rate, or ends before a segment begins or long before it ends, or long before the last box.
    """
    return _labeled(path, read_frames(path, form), segments, class_names, form, min_frames, track)


def _labeled(
    path: Path,
    frames: Frames,
    segments: Sequence[Segment],
    class_names: Sequence[str],
    form: VideoFormat,
    min_frames: int,
    track: BoxTrack | None,
) -> LabeledVideo:
    """The video with its labels and boxes; raises VideoError where these do not belong to it."""
    if len(frames) < min_frames:
        raise VideoError(
            f"'{path}' has {len(frames)} frames at {form.fps:g} fps, a clip needs {min_frames}:"
            " remove it, record longer, or train with a smaller --clip-length; where it was cut"
            " out of a longer video, label its time in that one in labels.csv"
        )

    seconds = len(frames) / form.fps
    beyond = next((segment for segment in segments if segment.start > seconds), None)
    if beyond is not None:
        raise VideoError(
            f"'{path}' ends at {seconds:.2f} s, before '{beyond.label}' is labelled"
            f" at {beyond.start:.2f} s: correct it; are the times seconds, and not frames or"
            " milliseconds?"
        )
    beyond = next((segment for segment in segments if _ends_after(segment, seconds)), None)
    if beyond is not None:
        raise VideoError(
            f"'{path}' ends at {seconds:.2f} s, but '{beyond.label}' is labelled until"
            f" {beyond.end:.2f} s: are the times seconds, and not frames or milliseconds? (inf is"
            " the end of the video)"
        )

    labels = frame_labels(segments, class_names, len(frames), form.fps)
    if track is None:
        return LabeledVideo(path, frames, labels)
    if track.times[-1] > seconds + MAX_END_S:
        raise VideoError(
            f"'{path}' ends at {seconds:.2f} s, but boxes.csv has a box at {track.times[-1]:.2f} s:"
            " are the times seconds, and not frames or milliseconds?"
        )
    boxes = track.at(np.arange(len(frames)) / form.fps, *frame_size(path, form))
    return LabeledVideo(path, frames, labels, boxes)


def _ends_after(segment: Segment, seconds: float) -> bool:
    """Whether a segment ends far behind a video of ``seconds``; an endless one does not."""
    return math.isfinite(segment.end) and segment.end > seconds + MAX_END_S


def load_videos(
    annotations: Annotations,
    class_names: Sequence[str],
    form: VideoFormat,
    min_frames: int,
    skip_bad: bool = False,
    tracks: Mapping[Path, BoxTrack] | None = None,
    folder: Path | None = None,
    lead_frames: int | None = None,
) -> list[LabeledVideo]:
    """Decode all videos; ``tracks`` say where the person is in some.

    Their frames (at most ``max_side ** 2 * 3`` bytes each) lie in a nameless file in ``folder``, or
    where the system keeps temporary files, that is gone with the process: a data set may be larger
    than the memory. With ``lead_frames`` it holds the labeled frames and that many before them
    alone, which is little of a long video with few labels.

    Labels become those of ``known_labels``. Raises DataError as that does, and for videos that do
    not decode or are shorter than ``min_frames``, naming all of them; with ``skip_bad`` these are
    printed and left out. Raises DataError, too, where there are boxes and none lies in its video,
    and OSError where the file finds no room.
    """
    annotations = known_labels(annotations, class_names)

    def load(item: tuple[Path, list[Segment]]) -> LabeledVideo | VideoError:
        path, segments = item
        try:
            frames = file.store(
                path,
                form,
                lambda number: (
                    lead_frames is None or _is_near_label(segments, form.fps, lead_frames, number)
                ),
            )
            track = (tracks or {}).get(path)
            return _labeled(path, frames, segments, class_names, form, min_frames, track)
        except VideoError as error:
            return error

    file = FrameFile(folder)
    with ThreadPoolExecutor(max_workers=2) as pool:
        results = pool.map(load, annotations.items())
        loaded = list(tqdm(results, total=len(annotations), desc="reading videos", unit="video"))

    unusable = [error for error in loaded if isinstance(error, VideoError)]
    if unusable:
        reasons = "\n".join(f"  {error}" for error in unusable[:_NAMED_PROBLEMS])
        unnamed = len(unusable) - _NAMED_PROBLEMS
        more = f"\n  and {unnamed} more" if unnamed > 0 else ""
        message = f"{len(unusable)} of {len(loaded)} videos cannot be used:\n{reasons}{more}"
        if not skip_bad:
            raise DataError(message)
        print(f"{message}\nthey are left out")

    videos = [video for video in loaded if isinstance(video, LabeledVideo)]
    if not videos:
        raise DataError("no video is left")
    with_boxes = [video for video in videos if video.boxes is not None]
    report_unseen([video.path for video in with_boxes if not video.shows_person], len(with_boxes))
    return videos


def report_unseen(unseen: Sequence[Path], count: int) -> None:
    """Name on standard error the videos, of ``count``, of which no box shows the person.

    Raises DataError where it is all of them.
    """
    if not unseen:
        return
    problem = (
        f"boxes.csv says of {len(unseen)} of {count} videos, such as '{unseen[0]}',"
        " at no time where in the image the person is"
    )
    if len(unseen) == count:
        raise DataError(f"{problem}: are the boxes pixels of the videos, and the times theirs?")
    print(f"{problem}: their clips show the whole image", file=sys.stderr)


def _is_near_label(segments: Sequence[Segment], fps: float, lead_frames: int, number: int) -> bool:
    """Whether a frame has a label, or lies at most ``lead_frames`` before one that has."""
    return any(
        segment.start * fps - lead_frames <= number <= segment.end * fps for segment in segments
    )


@dataclass(frozen=True)
class Windows:
    """Clips named by their last frame.

    ``video`` (M,) index into the videos, ``end`` (M,) frame index, ``label`` (M,) class index.
    ``segment`` (M,) numbers the labeled segment of a video that the last frame lies in, over all
    videos, and ``frames_within`` (M,) says how many of the clip's frames lie in it.
    """

    video: np.ndarray
    end: np.ndarray
    label: np.ndarray
    segment: np.ndarray
    frames_within: np.ndarray

    def __len__(self) -> int:
        return len(self.label)


def list_windows(
    labels: Sequence[np.ndarray], clip_length: int, stride: int = 1, min_action_frames: int = 1
) -> Windows:
    """Every ``stride``-th window of ``clip_length`` frames of videos with these ``labels`` (N,).

    The label of a window is that of its last frame. Leaves out windows whose last frame is
    unlabeled or whose last action began fewer than ``min_action_frames`` frames before the window's
    end.
    """
    columns: list[tuple[np.ndarray, ...]] = []
    first_segment = 0
    for index, video_labels in enumerate(labels):
        # Segments of equal labels, and for each frame how many of its segment there are so far.
        is_change = np.diff(video_labels, prepend=video_labels[:1]) != 0
        segment = np.cumsum(is_change)
        frames = np.arange(len(video_labels))
        frames_so_far = frames - np.maximum.accumulate(np.where(is_change, frames, 0)) + 1

        # An action that fills the video from its first frame began before it: it is never
        # ambiguous.
        settled = (frames_so_far >= min_action_frames) | (segment == 0)

        # Windows that end in a labeled and settled frame.
        ends = np.arange(clip_length - 1, len(video_labels), stride)
        ends = ends[(video_labels[ends] != UNLABELED) & settled[ends]]
        columns.append(
            (
                np.full(len(ends), index),
                ends,
                video_labels[ends],
                first_segment + segment[ends],
                np.minimum(frames_so_far[ends], clip_length),
            )
        )
        first_segment += int(segment[-1]) + 1
    return Windows(*(np.concatenate(column) for column in zip(*columns, strict=True)))


def clip_indices(end: int, clip_length: int, speed: float = 1.0) -> np.ndarray:
    """(clip_length,) frames up to and with ``end``, ``speed`` frames apart.

    Those before the first frame of the video are the first.
    """
    offsets = np.round(np.arange(clip_length - 1, -1, -1) * speed).astype(np.int64)
    return np.maximum(end - offsets, 0)
