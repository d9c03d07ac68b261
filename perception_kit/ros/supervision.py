# SPDX-License-Identifier: Apache-2.0
"""Judges from their diagnostics, and their processes, whether nodes are alive and at work."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import monotonic

from diagnostic_msgs.msg import DiagnosticStatus

from perception_kit.short_text import short_text

HEARTBEAT_S = 1.0  # period of each node's diagnostics
SILENCE_S = 5.0  # without diagnostics, after which a node is called gone
START_S = 60.0  # for loading the models, in which the executor is busy
START_HANG_S = 300.0  # for that on a busy machine, after which a node that starts is ended
HANG_S = 30.0  # without diagnostics, after which a process that still runs is ended

_STATUS = "perception"  # the status of a node's own, beside those of its inputs


def status_name(full_name: str) -> str:
    """Name of the status on ``/diagnostics`` by which the node ``full_name`` is known to live."""
    return f"{full_name}: {_STATUS}"


@dataclass
class _WatchedNode:
    since_s: float  # of its latest start
    first_heard_s: float | None = None
    heard_s: float | None = None
    level: bytes = DiagnosticStatus.OK
    message: str = ""
    ended: str = ""  # why its process does not run
    restarts: int = 0


class Supervision:
    """What is known of the nodes ``names``; times are of ``clock``.

    ``changed``, which may be replaced, is called when one ends or is started: that may be too short
    for a period.
    """

    def __init__(
        self,
        names: Sequence[str],
        clock: Callable[[], float] = monotonic,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._clock, self.changed = clock, changed
        self._nodes = {name: _WatchedNode(clock()) for name in names}

    def heard(self, name: str, level: bytes, message: str) -> None:
        """A node, or whoever says so, published its own status."""
        node = self._nodes.get(name)
        if node is not None and not node.ended:
            node.heard_s, node.level, node.message = self._clock(), level, short_text(message)
            if node.first_heard_s is None:
                node.first_heard_s = node.heard_s

    def ended(self, name: str, reason: str) -> None:
        """The process of a node is not there."""
        self._nodes[name].ended = reason
        self.changed()

    def started(self, name: str) -> None:
        """The process of a node was started again."""
        before = self._nodes[name]
        self._nodes[name] = _WatchedNode(self._clock(), restarts=before.restarts + 1)
        self.changed()

    def excuse_silence(self) -> None:
        """Nothing could be heard until now, which was no fault of the nodes."""
        for node in self._nodes.values():
            if node.heard_s is not None:
                node.heard_s = self._clock()

    def hangs(self, name: str) -> bool:
        """Whether a node whose process runs has been silent for so long that it must be ended."""
        node, now_s = self._nodes[name], self._clock()
        if node.ended:
            return False
        if node.heard_s is None:
            return now_s - node.since_s > START_HANG_S
        return now_s - node.heard_s > HANG_S

    def judge(self, name: str) -> tuple[bytes, str]:
        """Level and message for a node: ERROR, with its name, where it is gone, hangs or says so.

        Its own warnings are no matter of the supervision. While other nodes load their models for
        the first time, or have just done so, what it says is a warning: it may wait for their
        results.
        """
        node, now_s = self._nodes[name], self._clock()
        if node.ended:
            return DiagnosticStatus.ERROR, f"{name} is gone: {node.ended}"

        if node.heard_s is None:
            waited_s = now_s - node.since_s
            if waited_s > START_S:
                text = f"{name} is gone or hangs: not heard of in the {waited_s:.0f} s since start"
                return DiagnosticStatus.ERROR, text
            return DiagnosticStatus.WARN, f"{name} is starting, for {waited_s:.0f} s"

        silent_s = now_s - node.heard_s
        if silent_s > SILENCE_S:
            text = f"{name} is gone or hangs: no sign of life for {silent_s:.0f} s"
            return DiagnosticStatus.ERROR, text
        if node.level == DiagnosticStatus.ERROR:
            level = DiagnosticStatus.WARN if self._others_start(node) else DiagnosticStatus.ERROR
            return level, f"{name}: {node.message}"
        return DiagnosticStatus.OK, f"{name} is alive"

    def _others_start(self, waiting: _WatchedNode) -> bool:
        """Whether another node, not a restarted one, is starting or was first heard of just now."""
        now_s = self._clock()
        return any(
            now_s - node.since_s <= START_S
            if node.first_heard_s is None
            else now_s - node.first_heard_s <= SILENCE_S
            for node in self._nodes.values()
            if not (node is waiting or node.ended or node.restarts)
        )

    def restarts(self, name: str) -> int:
        """How often a node was started again."""
        return self._nodes[name].restarts
