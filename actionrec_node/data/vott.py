# SPDX-License-Identifier: Apache-2.0
"""Reads exports of VoTT (Visual Object Tagging Tool).

As in the article on real-time action recognition, an action lies between a frame that is tagged
with its label and a frame that is tagged with a dummy.
"""

from __future__ import annotations

import math
import os
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

from actionrec_node.data.annotations import DataError, Segment


@dataclass(frozen=True)
class TaggedFrame:
    """``tags`` on the frame of a video at ``time`` seconds."""

    time: float
    tags: frozenset[str]


def read_vott(
    content: Any, path: Path, end_tag: str, video_folder: Path | None = None
) -> dict[Path, list[Segment]]:
    """Segments of each video of an export: VoTT 2's ``*-export.json``, or VoTT 1's ``VIDEO.json``.

    ``content`` is that of the file ``path``. Raises DataError naming the file for anything else,
    for a video that is not there, and for tags that do not make segments.
    """
    try:
        videos = _version_2(content) if "assets" in content else _version_1(content, path)
    except (AttributeError, KeyError, TypeError, ValueError, ZeroDivisionError) as error:
        raise DataError(
            f"'{path}' is not a VoTT export of tagged video frames: {type(error).__name__} {error}"
        ) from error

    found = {}
    for name, frames in videos.items():
        segments = segments_from_tags(frames, end_tag, f"'{path}', video '{Path(name).name}'")
        if segments:
            found[find_video([name], path, video_folder)] = segments
    if not found:
        raise DataError(
            f"'{path}' has no frame with a label: tag the first frame of an action with it"
            f" and the last with '{end_tag}'"
        )
    return found


def segments_from_tags(frames: Iterable[TaggedFrame], end_tag: str, where: str) -> list[Segment]:
    """Segments of one video: each begins at a label and ends at the next ``end_tag``.

    A frame may end one segment and begin the next. Raises DataError, with ``where`` in front, for a
    segment that does not end, an end without a start, and two labels on one frame.
    """
    segments: list[Segment] = []
    start: tuple[float, str] | None = None
    for frame in sorted(frames, key=lambda frame: frame.time):
        labels = sorted(frame.tags - {end_tag})
        if not 0 <= frame.time < math.inf:
            raise DataError(
                f"{where}: a frame is tagged at {frame.time} s,"
                " expected seconds since the video's start"
            )
        if len(labels) > 1:
            raise DataError(
                f"{where}: the frame at {frame.time:.2f} s has the labels {labels}, expected one"
            )

        # An end before a start: a frame may have both.
        if end_tag in frame.tags:
            if start is None or start[0] == frame.time:
                raise DataError(f"{where}: '{end_tag}' at {frame.time:.2f} s ends nothing")
            segments.append(Segment(start[0], frame.time, start[1]))
            start = None

        if labels and start is not None:
            raise DataError(
                f"{where}: '{labels[0]}' begins at {frame.time:.2f} s,"
                f" before '{start[1]}' from {start[0]:.2f} s has its '{end_tag}'"
            )
        if labels:
            start = (frame.time, labels[0])

    if start is not None:
        raise DataError(f"{where}: '{start[1]}' from {start[0]:.2f} s has no '{end_tag}'")
    return segments


def _version_2(content: dict[str, Any]) -> dict[str, list[TaggedFrame]]:
    """Tagged frames by the path of their video.

    A frame is an asset with a time stamp, and its video is its parent.
    """
    videos: dict[str, list[TaggedFrame]] = defaultdict(list)
    for entry in content["assets"].values():
        asset = entry["asset"]
        tags = _tags(entry["regions"])
        if tags and "parent" in asset:
            videos[asset["parent"]["path"]].append(TaggedFrame(float(asset["timestamp"]), tags))
    return videos


def _version_1(content: dict[str, Any], path: Path) -> dict[str, list[TaggedFrame]]:
    """Tagged frames of the one video that the file is named after, counted at ``framerate``."""
    rate = float(content["framerate"])
    frames = [
        TaggedFrame(int(number) / rate, _tags(regions))
        for number, regions in content["frames"].items()
        if regions
    ]
    return {path.with_suffix("").name: frames}


def _tags(regions: Iterable[Mapping[str, Any]]) -> frozenset[str]:
    return frozenset(tag for region in regions for tag in region["tags"])


def find_video(names: Sequence[str], export: Path, video_folder: Path | None) -> Path:
    """The video that an export calls by one of ``names``.

    It is looked for in ``video_folder``, at the path that is named, and beside the export. Raises
    DataError where it is not there.
    """
    for name in names:
        named = Path(unquote(urlparse(name).path) if name.startswith("file:") else name)
        places = [named, export.parent / named.name, export.parent.parent / named.name]
        if video_folder is not None:
            places.insert(0, video_folder / named.name)
        for place in places:
            if os.path.isfile(place):  # False where a name is too long for a file
                return place
    raise DataError(
        f"'{export}' names the video '{named.name}', which is not there:"
        " give its folder with --videos"
    )
