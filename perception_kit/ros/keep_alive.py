# SPDX-License-Identifier: Apache-2.0
"""Keeps the processes of nodes running: restarts those that end or hang, up to a limit."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

from perception_kit.ros.node_processes import NodeGroup
from perception_kit.ros.restarts import UNUSABLE_PARAMETERS, RestartPolicy, Restarts
from perception_kit.ros.supervision import SILENCE_S, Supervision


class GaveUp(Exception):
    """A node could not be kept alive; the message says which, and why."""


class KeepAlive:
    """Restarts the nodes of ``group``, and tells ``supervision``; ``log`` gets one line for each.

    Call ``check`` a few times a second.
    """

    def __init__(
        self,
        group: NodeGroup,
        supervision: Supervision,
        log: Callable[[str], None],
        policy: RestartPolicy | None = None,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._group, self._supervision, self._log, self._clock = group, supervision, log, clock
        policy = policy or RestartPolicy()
        self._restarts = {name: Restarts(policy, clock()) for name in group.processes}
        self._checked_s = clock()
        self._due_s: dict[str, float] = {}  # of the next start of nodes that are gone

    def check(self) -> None:
        """Restart what is due, and end what hangs. Raises GaveUp."""
        now_s = self._clock()
        if now_s - self._checked_s > SILENCE_S:  # this process was frozen: it has heard nobody
            self._supervision.excuse_silence()
        self._checked_s = now_s

        for name, code in self._group.poll().items():
            if code is None:
                self._end_if_hanging(name)
            elif name not in self._due_s:
                self._plan_restart(name, code)
            elif self._clock() >= self._due_s[name]:
                del self._due_s[name]
                self._restart(name)

    def _restart(self, name: str) -> None:
        """Start a node again; where that fails it counts as a start that ended at once."""
        self._restarts[name].started(self._clock())
        try:
            self._group.restart(name)
        except OSError as error:
            self._log(f"{name} cannot be started: {error}")
        else:
            self._supervision.started(name)

    def _end_if_hanging(self, name: str) -> None:
        if self._supervision.hangs(name):
            self._log(f"{name} gave no sign of life for too long: it is ended and restarted")
            self._group.processes[name].kill()
            self._group.processes[name].wait()

    def _plan_restart(self, name: str, code: int) -> None:
        now_s, restarts = self._clock(), self._restarts[name]
        log = self._group.log_path(name) or "above"
        reason = f"ended with return code {code}"
        delay_s = restarts.delay_after(code, now_s)

        if delay_s is None:
            tries = f" after {restarts.in_a_row} restarts in a row" if restarts.in_a_row else ""
            hint = ": its parameters cannot be used" if code == UNUSABLE_PARAMETERS else ""
            raise GaveUp(f"{name} {reason}{hint}; given up{tries}; its log: {log}")

        plan = f"restart {restarts.in_a_row + 1} of {restarts.policy.limit} in {delay_s:g} s"
        self._supervision.ended(name, f"{reason}, {plan}")
        self._log(f"{name} {reason}; {plan}; its log: {log}")
        self._due_s[name] = now_s + delay_s
