# SPDX-License-Identifier: Apache-2.0
"""Reads actions from JSON exports of Label Studio: spans of a video's timeline or of its sound."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlparse

from actionrec_node.data.annotations import DataError, Segment
from actionrec_node.data.vott import find_video

_RATE_KEYS = ("fps", "framerate", "frameRate", "frame_rate")
_UPLOAD_PREFIX = re.compile(r"^[0-9a-f]{8}-")


def is_label_studio(content: Any) -> bool:
    """Whether the JSON ``content`` is a list of tasks, in full or in its short form."""
    return (
        isinstance(content, list)
        and bool(content)
        and all(isinstance(task, dict) for task in content)
        and any("annotations" in task or _spans_of_short_form(task) for task in content)
    )


def read_label_studio(
    content: Sequence[Mapping[str, Any]], path: Path, videos: Path | None, fps: float | None
) -> dict[Path, list[Segment]]:
    """Segments of each video of an export.

    Spans of a timeline are frames, counted from 1 at the rate that the labelling configuration
    has: it is ``fps`` where given, else what the task says. Raises DataError, naming the file, for
    a task without a video and for frames of an unknown rate.
    """
    found: dict[Path, list[Segment]] = defaultdict(list)
    for task in content:
        where = f"'{path}', task {task.get('id', '?')}"
        results = [
            result
            for annotation in task.get("annotations") or []
            if not annotation.get("was_cancelled")
            for result in annotation.get("result") or []
        ]
        values = [result["value"] for result in results if isinstance(result.get("value"), dict)]
        values += _spans_of_short_form(task)
        rate = fps or _rate(task, values)
        segments = [segment for value in values for segment in _segments(value, rate, where)]
        if segments:
            found[find_video(_names(task, where), path, videos)] += segments
    return dict(found)


def _spans_of_short_form(task: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The spans of a task of the short form (JSON-MIN), which has one list for each control."""
    lists = [value for value in task.values() if isinstance(value, list)]
    return [
        span
        for values in lists
        for span in values
        if isinstance(span, dict)
        and ("timelinelabels" in span or {"start", "labels"} <= span.keys())
    ]


def _segments(value: Mapping[str, Any], rate: float | None, where: str) -> list[Segment]:
    """Segments of one region, none where it is of another kind."""
    if "timelinelabels" in value:
        if not rate:
            raise DataError(
                f"{where} counts frames at a rate that it does not say: give the frameRate of the"
                " Video tag in the labelling configuration by --export-fps (it is 24 unless set)"
            )
        return [
            Segment((int(span["start"]) - 1) / rate, (int(span["end"]) - 1) / rate, label)
            for span in value["ranges"]
            for label in value["timelinelabels"]
        ]
    if "labels" in value and "start" in value and "end" in value:  # of the sound, in seconds
        return [
            Segment(float(value["start"]), float(value["end"]), label) for label in value["labels"]
        ]
    return []


def _rate(task: Mapping[str, Any], values: Sequence[Mapping[str, Any]]) -> float | None:
    """Frames per second that the task or one of its boxes says."""
    data = task.get("data") or task
    for key in _RATE_KEYS:
        if key in data:
            return float(data[key])
    for value in values:
        if value.get("framesCount") and value.get("duration"):
            return float(value["framesCount"]) / float(value["duration"])
    return None


def _names(task: Mapping[str, Any], where: str) -> list[str]:
    """Names of the task's video: as it was uploaded, and as it was called before."""
    data = task.get("data") or task
    for key in ("video", "videos", "video_url", "url", "file_upload", "audio"):
        if isinstance(data.get(key), str):
            address = urlparse(data[key])
            name = Path(parse_qs(address.query).get("d", [unquote(address.path)])[0]).name
            return [name, _UPLOAD_PREFIX.sub("", name)]
    raise DataError(f"{where} names no video: expected data.video, got {sorted(data)}")
