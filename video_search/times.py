# SPDX-License-Identifier: Apache-2.0
"""Times as people write and read them."""

from __future__ import annotations

import re
import time
from datetime import datetime, timezone

from video_search.tag import WALL_CLOCK, Source

_UNITS = {"s": 1, "min": 60, "h": 3600, "d": 86400, "w": 604800}
_AGO = re.compile(r"(\d+(?:\.\d+)?)\s*(s|min|h|d|w)")


def parse_time(text: str, now_ns: int | None = None) -> int:
    """Nanoseconds since 1970 of an ISO 8601 time (local unless it says), or of an age such as 2h.

    Raises ValueError.
    """
    try:
        if match := _AGO.fullmatch(text.strip()):
            now_ns = time.time_ns() if now_ns is None else now_ns
            stamp_ns = now_ns - round(float(match[1]) * _UNITS[match[2]] * 1e9)
        else:
            moment = datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
            stamp_ns = round(moment.timestamp() * 1e9)
        if abs(stamp_ns) >= 2**63:  # which the library cannot compare with
            raise OverflowError("centuries away")
        return stamp_ns
    except (ValueError, OverflowError, OSError) as error:
        raise ValueError(
            f"'{text}' is no time: expected one as 2026-11-28T15:30, or an age as 90s, 15min, 2h,"
            " 3d or 1w"
        ) from error


def describe_time(source: Source, stamp_ns: int) -> str:
    """A stamp by the clock of its source: a time of day in UTC, or minutes from its start."""
    if source.clock == WALL_CLOCK:
        moment = datetime.fromtimestamp(stamp_ns * 1e-9, tz=timezone.utc)
        return moment.strftime("%Y-%m-%d %H:%M:%S.") + f"{moment.microsecond // 100_000}Z"
    minutes, seconds = divmod(stamp_ns * 1e-9, 60)
    return f"{int(minutes)}:{seconds:04.1f}"
