# SPDX-License-Identifier: Apache-2.0
"""Keeps the last state of a node in a file, for the process that takes its place."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from perception_kit.ros.diagnostics import ProblemLog
from perception_kit.state_file import StateFileError, read_state, write_state


class KeptState:
    """State of a node of ``kind`` in the file ``path``; an empty path keeps nothing.

    What goes wrong with the file is reported, and costs the state alone.
    """

    def __init__(self, path: str, kind: str, problems: ProblemLog) -> None:
        self._path = Path(path) if path else None
        self._kind, self._problems = kind, problems
        self._written: dict[str, Any] | None = None

    def restore(self, restore: Callable[[dict[str, Any]], Any]) -> None:
        """Call ``restore`` with the last state, where there is one.

        It may raise ValueError.
        """
        if self._path is None:
            return
        try:
            state = read_state(self._path, self._kind)
            if state is not None:
                restore(state)
        except ValueError as error:
            fault = error if isinstance(error, StateFileError) else f"'{self._path}': {error}"
            self._problems.report("state", f"the last state is not taken up: {fault}")

    def keep(self, state: dict[str, Any]) -> None:
        """Write a state that has changed."""
        if self._path is None or state == self._written:
            return
        try:
            write_state(self._path, self._kind, state)
        except OSError as error:
            self._problems.report("state", f"the state is not kept: {error}")
            return
        self._written = state
