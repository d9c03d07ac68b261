# SPDX-License-Identifier: Apache-2.0
"""Problems and counters of a node, for ``/diagnostics``."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable, Sequence
from time import monotonic

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from std_msgs.msg import Header

from perception_kit.short_text import MAX_CHARACTERS, listed, short_text

_LOG_PERIOD_S = 5.0
_RECENT_S = 3.0


class ProblemLog:
    """Problems by kind.

    Each kind is logged at most every 5 seconds, and is current for 3 seconds after it was last
    reported. Safe to use from several threads.
    """

    def __init__(self, log: Callable[[str], None]) -> None:
        self._log = log
        self._lock = threading.Lock()
        self._seen: dict[str, tuple[float, str]] = {}
        self._logged_s: dict[str, float] = {}

    def report(self, kind: str, message: str) -> None:
        """Take down a problem of ``kind``, and log it where that is due.

        The message may hold text of others: it is shortened and escaped.
        """
        now, message = monotonic(), short_text(message)
        with self._lock:
            self._seen[kind] = (now, message)
            is_due = now - self._logged_s.get(kind, -_LOG_PERIOD_S) >= _LOG_PERIOD_S
            if is_due:
                self._logged_s[kind] = now
        if is_due:
            self._log(message)

    def current(self) -> list[str]:
        """Messages of the current problems, oldest kind first."""
        now = monotonic()
        with self._lock:
            return [message for seen_s, message in self._seen.values() if now - seen_s <= _RECENT_S]


def diagnostic_array(
    header: Header, name: str, device: str, level: bytes, message: str, values: dict[str, str]
) -> DiagnosticArray:
    """One status for ``/diagnostics``; ``level`` is a constant of ``DiagnosticStatus``.

    Text of others in the message and the values is shortened and escaped.
    """
    status = DiagnosticStatus(
        name=name, hardware_id=device, level=level, message=short_text(message)
    )
    status.values = [KeyValue(key=key, value=short_text(value)) for key, value in values.items()]
    return DiagnosticArray(header=header, status=[status])


def describe_error(error: Exception) -> str:
    """The message of an error for the user; any other error with its type and place in the code."""
    if isinstance(error, (ValueError, OSError)):  # raised with a message for the user
        return str(error)
    place = traceback.extract_tb(error.__traceback__)[-1]
    text = short_text(str(error), MAX_CHARACTERS // 2)  # the place must not be cut off
    return f"{type(error).__name__}: {text} ({place.filename}:{place.lineno})"


def describe_rejected(what: str, rejected: Sequence[tuple[int, str]]) -> str:
    """The elements of an array that were refused, with their reasons."""
    return listed(f"{what} {index}: {reason}" for index, reason in rejected)
