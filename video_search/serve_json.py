# SPDX-License-Identifier: Apache-2.0
"""Moments, tags and sources as the page gets them.

Nanoseconds since 1970 do not fit into the numbers of JavaScript: where they must come back as they
were they are strings; ``…_s`` are seconds to show.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from video_search.query import Moment
from video_search.tag import Source, Tag


def source_json(source: Source) -> dict[str, Any]:
    """A source without its place on this machine."""
    return {
        "id": source.id,
        "name": source_name(source),
        "kind": source.kind,
        "state": source.state,
        "error": without_folder(source.error, source.uri),
        "clock": source.clock,
        "start_s": source.start_ns * 1e-9,
        "end_s": source.end_ns * 1e-9,
        "tags": source.tag_count,
    }


def source_name(source: Source) -> str:
    """The file's name, or what comes after ``live:``."""
    return source.uri if source.kind == "live" else Path(source.uri).name or source.uri


def without_folder(text: str, path: str) -> str:
    """A text that may name a file of this machine, with its name alone."""
    return text.replace(path, Path(path).name)


def moment_json(moment: Moment, has_clip: bool) -> dict[str, Any]:
    """A moment with all that a card and the player show."""
    first = moment.tags[0]
    with_picture = next((tag.id for tag in moment.tags if tag.thumbnail), None)
    return {
        **tag_json(first),
        "source": moment.source.id,
        "name": source_name(moment.source),
        "start_ns": str(moment.start_ns),
        "end_ns": str(moment.end_ns),
        "best_ns": str(moment.best_ns),
        "start_s": moment.start_ns * 1e-9,
        "end_s": moment.end_ns * 1e-9,
        "clock": moment.source.clock,
        "score": moment.score,
        "reasons": list(moment.reasons),
        "others": [tag.label for tag in moment.tags[1:] if tag.label],
        "thumbnail": with_picture,
        "has_clip": has_clip,
    }


def tag_json(tag: Tag) -> dict[str, Any]:
    """A tag of the timeline."""
    return {
        "tag": tag.id,
        "kind": tag.kind,
        "label": tag.label,
        "text": tag.text,
        "color": tag.color,
        "confidence": tag.confidence,
        "start_ns": str(tag.start_ns),
        "end_ns": str(tag.end_ns),
        "start_s": tag.start_ns * 1e-9,
        "end_s": tag.end_ns * 1e-9,
        "track_id": tag.track_id,
        "position": None if tag.position is None else [round(float(x), 3) for x in tag.position],
        "frame_id": tag.frame_id,
        "producer": tag.producer,
    }
