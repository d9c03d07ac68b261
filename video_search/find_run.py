# SPDX-License-Identifier: Apache-2.0
"""One search of the command line: its question, clips and answer."""

from __future__ import annotations

import argparse
import base64
import sys
from pathlib import Path
from typing import Any

from perception_kit.json_output import is_stdout, prepare_file, write_json
from video_search.clips import FRAME_ERRORS, write_clip, write_rerun
from video_search.images import image_query
from video_search.library import Library
from video_search.pictures import PictureError
from video_search.query import Moment, Query, SearchResult
from video_search.relations import Relations
from video_search.tables import LibraryError
from video_search.tag import Tag
from video_search.times import describe_time, parse_time
from video_search.vocabulary import VocabularyError, read_vocabulary
from video_search.wordnet import WordNetError, installed_wordnet

EXIT_NOTHING, EXIT_BAD_INPUT = 1, 2


def _query(library: Library, options: argparse.Namespace) -> Query:
    sources = library.sources() if options.source else []
    chosen = [source.id for source in sources for end in options.source if source.uri.endswith(end)]
    if options.source and not chosen:
        known = ", ".join(source.uri for source in sources[:5])
        raise ValueError(f"no source ends in {options.source}; there are {known or 'none'}, …")
    query = Query(
        text=options.query,
        kinds=tuple(options.kind),
        since_ns=parse_time(options.since) if options.since is not None else None,
        until_ns=parse_time(options.until) if options.until is not None else None,
        sources=tuple(chosen),
        track_id=options.track,
        limit=options.limit,
        newest_first=options.newest,
    )
    return query if options.image is None else image_query(options.image, query)


def _cut(library: Library, result: SearchResult, options: argparse.Namespace) -> dict[int, Path]:
    """Write what was asked for; returns the clip of each moment that has images."""
    clips: dict[int, Path] = {}
    if options.rrd is not None and result.moments:
        result.remarks += write_rerun(library, result.moments, options.rrd)
    if options.clip is not None:
        for number, moment in enumerate(result.moments, start=1):
            name = f"{number:02}_{_file_name(moment.tags[0])}.mp4"
            try:
                write_clip(library, moment, options.clip / name)
            except FRAME_ERRORS as error:
                result.remarks.append(f"no clip of moment {number}: {error}")
                continue
            clips[number] = options.clip / name
    return clips


def _file_name(tag: Tag) -> str:
    """The label without what a file name must not have."""
    letters = [letter if letter.isalnum() else "_" for letter in tag.label or tag.kind]
    return "".join(letters)[:40]


def _report(result: SearchResult, clips: dict[int, Path], options: argparse.Namespace) -> None:
    for remark in result.remarks:
        print(f"note: {remark}", file=sys.stderr)
    if options.json is not None:
        moments = [moment_json(moment) for moment in result.moments]
        for number, path in clips.items():
            moments[number - 1]["clip"] = str(path)
        write_json(options.json, {"moments": moments, "remarks": result.remarks})
    if is_stdout(options.json):
        return
    if not result.moments:
        print("nothing was found")
    for number, moment in enumerate(result.moments, start=1):
        start, end = (describe_time(moment.source, t) for t in (moment.start_ns, moment.end_ns))
        labels = " + ".join(tag.label or tag.kind for tag in moment.tags)
        print(f"{number:2}  {moment.score:.2f}  {labels}  {start} to {end}  {moment.source.uri}")
        print(f"          {'; '.join(moment.reasons)}")
        if number in clips:
            print(f"          {clips[number]}")


def moment_json(moment: Moment) -> dict[str, Any]:
    """A moment for programs; stamps in nanoseconds, thumbnails as base64 of JPEG."""
    return {
        "source": moment.source.uri,
        "clock": moment.source.clock,
        "start_ns": moment.start_ns,
        "end_ns": moment.end_ns,
        "best_ns": moment.best_ns,
        "score": round(moment.score, 4),
        "reasons": list(moment.reasons),
        "thumbnail": base64.b64encode(moment.thumbnail).decode(),
        "tags": [_tag_json(tag) for tag in moment.tags],
    }


def _tag_json(tag: Tag) -> dict[str, Any]:
    return {
        "id": tag.id,
        "kind": tag.kind,
        "label": tag.label,
        "confidence": round(tag.confidence, 4),
        "start_ns": tag.start_ns,
        "end_ns": tag.end_ns,
        "track_id": tag.track_id,
        "box": None if tag.box is None else [round(float(value), 1) for value in tag.box],
        "position": None if tag.position is None else [round(float(v), 4) for v in tag.position],
        "frame_id": tag.frame_id,
        "text": tag.text,
        "color": tag.color,
    }


def run(options: argparse.Namespace) -> int:
    """Search, and write what was found; returns the exit code."""
    try:
        if options.json is not None:
            prepare_file(options.json)
        if options.rrd is not None and options.rrd.is_dir():
            raise ValueError(f"'{options.rrd}' is a folder: give --rrd the name of a file")
        library = Library.open(options.library)
        if options.vocabulary is not None:
            words = read_vocabulary(options.vocabulary)
            library.relations = Relations(words, installed_wordnet())
        result = library.find(_query(library, options))
        clips = _cut(library, result, options)
        _report(result, clips, options)
    except (
        LibraryError, PictureError, VocabularyError, WordNetError, OSError, ValueError,
    ) as error:  # fmt: skip
        print(f"find: {error}", file=sys.stderr)
        return EXIT_BAD_INPUT
    return 0 if result.moments else EXIT_NOTHING
