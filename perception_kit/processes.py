# SPDX-License-Identifier: Apache-2.0
"""Processes: commands whose reader goes away, and children that do not outlive their parent."""

from __future__ import annotations

import io
import os
import shutil
import sys
from collections.abc import Callable, Sequence


def run_command(main: Callable[[], int]) -> int:
    """Run ``main`` and return its exit code, also where nobody reads its output to the end.

    ``COMMAND | head`` closes the pipe: what is printed from there on is lost, but not the files
    that the command has yet to write.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        encoding, errors = sys.stdout.encoding, sys.stdout.errors
        is_terminal = sys.stdout.line_buffering
        sys.stdout = _PatientOutput(
            sys.stdout.detach(), encoding, errors, line_buffering=is_terminal
        )
    try:
        return main()
    finally:
        if sys.stdout is not None:  # as after COMMAND >&-
            sys.stdout.flush()


def ends_with_parent(command: Sequence[str]) -> list[str]:
    """``command`` for a process that gets SIGTERM when its parent thread ends, even by SIGKILL.

    That needs Linux and util-linux's ``setpriv``; elsewhere the command is returned unchanged.
    """
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        return list(command)
    return [setpriv, "--pdeathsig", "TERM", "--", *command]


class _PatientOutput(io.TextIOWrapper):
    """Standard output that goes nowhere once its reader is gone."""

    def write(self, text: str) -> int:
        try:
            return super().write(text)
        except BrokenPipeError:
            self._discard()
            return len(text)

    def flush(self) -> None:
        try:
            super().flush()
        except BrokenPipeError:
            self._discard()

    def _discard(self) -> None:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.fileno())
        os.close(nowhere)
