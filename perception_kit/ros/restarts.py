# SPDX-License-Identifier: Apache-2.0
"""When a node that ended is started again, and when not any more."""

from __future__ import annotations

import os
from dataclasses import dataclass

# Exit code of a node whose parameters cannot be used: another try would end in the same way.
UNUSABLE_PARAMETERS = os.EX_CONFIG
# Exit code of a node that receives nothing any more: a new process does.
CUT_OFF = os.EX_UNAVAILABLE


@dataclass(frozen=True)
class RestartPolicy:
    """Back-off and limit.

    The delay doubles from ``first_delay_s`` up to ``longest_delay_s``. After ``limit`` restarts in
    a row the node is given up; one that ran for ``stable_s`` starts counting anew.
    """

    first_delay_s: float = 0.5
    longest_delay_s: float = 30.0
    limit: int = 5
    stable_s: float = 120.0


class Restarts:
    """Restarts of one node, by the times that its caller gives (seconds of any steady clock)."""

    def __init__(self, policy: RestartPolicy, started_s: float) -> None:
        self.policy = policy
        self.total = 0
        self.in_a_row = 0
        self._started_s = started_s

    def started(self, now_s: float) -> None:
        """The node was started again."""
        self.total += 1
        self.in_a_row += 1
        self._started_s = now_s

    def delay_after(self, code: int, now_s: float) -> float | None:
        """Seconds from now, the node's end with ``code``, to its next start; None: given up."""
        if code == UNUSABLE_PARAMETERS:
            return None
        if now_s - self._started_s >= self.policy.stable_s:
            self.in_a_row = 0
        if self.in_a_row >= self.policy.limit:
            return None
        return min(self.policy.first_delay_s * 2.0**self.in_a_row, self.policy.longest_delay_s)
