# SPDX-License-Identifier: Apache-2.0
"""Texts with times: subtitles (SRT, WebVTT), JSON lines and CSV."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import webvtt
from webvtt.errors import MalformedCaptionError, MalformedFileError
from webvtt.models import Timestamp

from perception_kit.budgets import parse_json, regular
from video_search.subtitle_lines import EXAMPLES, find_fault
from video_search.tag import FILE_CLOCK, KINDS, WALL_CLOCK, Tag

TEXT_SUFFIXES = (".srt", ".vtt", ".jsonl", ".csv")
# Seconds from here on count from 1970: no file lasts for 30 years.
_EPOCH_S = 1e9
# Nanoseconds of times further from 1970 do not fit into 64 bits.
_MAX_S = 9.2e9
_START, _END = ("start", "time", "stamp"), ("end", "stop")
_COLUMNS = "start (or time), and text or label; end, kind and confidence may be there"


class TextError(ValueError):
    """A text with times cannot be read; the message names the file and the line."""


@dataclass(frozen=True)
class TimedText:
    """One entry; times in nanoseconds of the ``clock``."""

    start_ns: int
    end_ns: int
    text: str
    label: str = ""
    kind: str = "text"
    confidence: float = 1.0
    clock: str = FILE_CLOCK

    def tag(self, source: str, producer: str) -> Tag:
        """The entry as a tag."""
        return Tag(
            source,
            self.start_ns,
            self.end_ns,
            self.kind,
            self.label,
            self.confidence,
            text=self.text,
            producer=producer,
        )


def read_texts(path: Path) -> list[TimedText]:
    """The entries of a file by its suffix, in the order of time. Raises TextError."""
    readers = {".srt": _subtitles, ".vtt": _subtitles, ".jsonl": _json_lines, ".csv": _csv}
    try:
        texts = sorted(
            readers[path.suffix.lower()](regular(path)), key=lambda entry: entry.start_ns
        )
    except UnicodeDecodeError as error:
        raise TextError(f"'{path}' is not UTF-8 text ({error}): convert it by iconv") from error
    except (OSError, csv.Error) as error:
        raise TextError(f"'{path}' cannot be read: {error}") from error
    if len({entry.clock for entry in texts}) > 1:
        raise TextError(
            f"'{path}' has seconds from its start and times of day: give one kind of time"
        )
    return texts


def _subtitles(path: Path) -> Iterator[TimedText]:
    suffix = path.suffix.lower()
    with path.open(encoding="utf-8-sig") as file:
        if fault := find_fault(file, suffix):
            raise TextError(f"'{path}', line {fault[0]}: {fault[1]}")
    read = webvtt.from_srt if suffix == ".srt" else webvtt.read
    try:
        captions = read(str(path), encoding="utf-8-sig").captions
    except (MalformedFileError, MalformedCaptionError) as error:
        form = "SubRip" if suffix == ".srt" else "WebVTT"
        raise TextError(f"'{path}' is no {form} file: {error}") from error
    if not captions:
        raise TextError(
            f"'{path}' has no subtitle: expected blocks with the line {EXAMPLES[suffix]}"
        )
    for caption in captions:
        where = f"at {caption.start_time}"
        start, end = _stamp(caption.start_time), _stamp(caption.end_time)
        yield _checked(path, where, start, end, text=" ".join(caption.text.split()))


def _stamp(time: Timestamp) -> int:
    hours, minutes, seconds, milliseconds = time.to_tuple()
    return (((hours * 60 + minutes) * 60 + seconds) * 1000 + milliseconds) * 1_000_000


def _json_lines(path: Path) -> Iterator[TimedText]:
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                values = parse_json(line)
            except ValueError as error:
                raise TextError(f"'{path}', line {number}, is no JSON: {error}") from error
            if not isinstance(values, dict):
                raise TextError(f"'{path}', line {number}: expected an object with {_COLUMNS}")
            yield _entry(path, number, values)


def _csv(path: Path) -> Iterator[TimedText]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.DictReader(file, strict=True)
        columns = [str(name).strip().lower() for name in rows.fieldnames or ()]
        if not set(columns) & set(_START) or not set(columns) & {"text", "label"}:
            raise TextError(f"'{path}' has the columns {columns}, expected {_COLUMNS}")
        rows.fieldnames = columns
        begun = rows.line_num + 1
        try:
            for row in rows:
                if None in row:  # what is left over
                    raise TextError(
                        f"'{path}', line {rows.line_num} has {len(columns) + len(row[None])}"
                        f" values, the header {len(columns)}: put a text with commas in quotes"
                    )
                yield _entry(path, rows.line_num, row)
                begun = rows.line_num + 1
        except csv.Error as error:
            raise TextError(
                f"'{path}', from line {begun} on: {error}: close the quotes around a text, and"
                " double those within"
            ) from error


def _entry(path: Path, number: int, values: Mapping[str, Any]) -> TimedText:
    """An object of JSON or a row."""
    where = f"line {number}"
    start = next((values[name] for name in _START if values.get(name) not in (None, "")), None)
    if start is None:
        raise TextError(f"'{path}', {where}, has no time: expected {_COLUMNS}")
    start_ns, clock = _nanoseconds(path, where, start)
    end = next((values[name] for name in _END if values.get(name) not in (None, "")), None)
    end_ns, end_clock = (start_ns, clock) if end is None else _nanoseconds(path, where, end)
    if end_clock != clock:
        raise TextError(
            f"'{path}', {where}: one of '{start}' and '{end}' counts from the start, the other is a"
            " time of day: give one kind of time"
        )

    text, label = (_words(path, where, values.get(name)) for name in ("text", "label"))
    kind = str(values.get("kind") or ("event" if label else "text"))
    if kind not in KINDS:
        raise TextError(f"'{path}', {where}: unknown kind '{kind}', expected {', '.join(KINDS)}")
    given = values.get("confidence")
    try:
        confidence = 1.0 if given in (None, "") else float(given)
    except (TypeError, ValueError, OverflowError) as error:
        raise TextError(f"'{path}', {where}: the confidence is no number") from error
    return _checked(path, where, start_ns, end_ns, text, label, kind, confidence, clock)


def _words(path: Path, where: str, value: object) -> str:
    """A text or a number as it can be stored."""
    if isinstance(value, (list, dict)):
        raise TextError(f"'{path}', {where}: a text is a string, got a {type(value).__name__}")
    words = "" if value is None else str(value).strip()
    try:
        words.encode()
    except UnicodeEncodeError as error:
        raise TextError(f"'{path}', {where}: half a character in the text ({error})") from error
    return words


def _checked(
    path: Path,
    where: str,
    start_ns: int,
    end_ns: int,
    text: str,
    label: str = "",
    kind: str = "text",
    confidence: float = 1.0,
    clock: str = FILE_CLOCK,
) -> TimedText:
    if end_ns < start_ns:
        raise TextError(f"'{path}', {where}: the end lies before the start")
    if not text and not label:
        raise TextError(f"'{path}', {where}: has neither text nor label")
    if not 0.0 <= confidence <= 1.0:
        raise TextError(f"'{path}', {where}: the confidence is 0 to 1, got {confidence:g}")
    return TimedText(start_ns, end_ns, text, label, kind, confidence, clock)


def _nanoseconds(path: Path, where: str, value: object) -> tuple[int, str]:
    """Nanoseconds and their clock, of seconds or of an ISO 8601 time (UTC unless it says)."""
    try:
        seconds = np.nan if isinstance(value, bool) else float(value)  # type: ignore[arg-type]
    except OverflowError:
        seconds = np.inf
    except (TypeError, ValueError):
        try:
            moment = datetime.fromisoformat(str(value).strip().replace("Z", "+00:00"))
        except ValueError as error:
            raise TextError(
                f"'{path}', {where}: '{value}' is no time: expected seconds or ISO 8601"
            ) from error
        moment = moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
        if abs(moment.timestamp()) > _MAX_S:
            raise TextError(f"'{path}', {where}: '{value}' is centuries away") from None
        return round(moment.timestamp() * 1e9), WALL_CLOCK
    if not 0 <= seconds < _MAX_S:
        raise TextError(
            f"'{path}', {where}: '{str(value)[:40]}' is no time: expected seconds from 0 on"
        )
    return round(seconds * 1e9), WALL_CLOCK if seconds >= _EPOCH_S else FILE_CLOCK
