# SPDX-License-Identifier: Apache-2.0
"""Reads actions from exports of CVAT: "CVAT for video 1.1", or "CVAT for images 1.1" of a video.

A track is an action, called by its label or, where it has one, by its attribute "action"; a tag
is an action in one frame.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from xml.etree.ElementTree import Element

from actionrec_node.data.annotations import DataError, Segment
from actionrec_node.data.vott import find_video
from perception_kit.videos.video_file import file_frames

_ACTION = "action"


def read_cvat(root: Element, path: Path, videos: Path | None) -> dict[Path, list[Segment]]:
    """Segments of the video of a task.

    Frames are those of the video file, whose own times they get. Raises DataError, naming the
    file, for an export of several tasks and for one that names no video, VideoError for a video
    that does not decode.
    """
    tasks = root.findall("./meta//task") or root.findall("./meta/job")
    if len(tasks) != 1:
        raise DataError(f"'{path}' holds {len(tasks)} tasks of CVAT: export each task by itself")
    source = tasks[0].findtext("source") or root.findtext("./meta/source")
    if not source:
        raise DataError(
            f"'{path}' names no video in <source>: export a task that was made of one video file"
        )

    # Runs of frames of one action, by the task's own numbers of frames.
    runs = [run for track in root.iter("track") for run in _track_runs(track)]
    runs += _tag_runs(root.iter("image"))
    if not runs:
        return {}

    # A task may begin later, or have every n-th frame only.
    first = int(tasks[0].findtext("start_frame") or 0)
    step = int((tasks[0].findtext("frame_filter") or "step=1").partition("=")[2])
    video = find_video([Path(source).name], path, videos)
    times = [time for time, _ in file_frames(video)]
    segments = []
    for begin, end, label in runs:
        numbers = [first + step * number for number in (begin, end)]
        if numbers[1] >= len(times):
            raise DataError(
                f"'{path}' labels frame {numbers[1]} of '{video.name}', which has {len(times)}"
            )
        segments.append(Segment(times[numbers[0]], times[numbers[1]], label))
    return {video: segments}


def _track_runs(track: Element) -> list[tuple[int, int, str]]:
    """First frame, last frame and action of each run in which a track is in view."""
    label, seen = track.get("label", ""), []
    for shape in track:
        action = next(
            (item.text for item in shape.iter("attribute") if item.get("name") == _ACTION), label
        )
        is_outside = shape.get("outside") == "1"
        seen.append((int(shape.get("frame", "")), "" if is_outside else (action or label)))

    # A shape holds until the next one.
    runs: list[tuple[int, int, str]] = []
    seen.sort()
    ends = [following - 1 for _, (following, _) in pairwise(seen)] + [seen[-1][0]] if seen else []
    for (frame, action), end in zip(seen, ends, strict=True):
        if runs and runs[-1][2] == action and runs[-1][1] == frame - 1:
            runs[-1] = (runs[-1][0], end, action)
        else:
            runs.append((frame, end, action))
    return [run for run in runs if run[2]]


def _tag_runs(images: Iterable[Element]) -> list[tuple[int, int, str]]:
    """First frame, last frame and label of each run of frames with the same tag."""
    frames: dict[str, list[int]] = defaultdict(list)
    for image in images:
        for tag in image.findall("tag"):
            frames[tag.get("label", "")].append(int(image.get("id", "")))

    runs: list[tuple[int, int, str]] = []
    for label, numbers in frames.items():
        for number in sorted(numbers):
            if runs and runs[-1][1:] == (number - 1, label):
                runs[-1] = (runs[-1][0], number, label)
            else:
                runs.append((number, number, label))
    return runs
