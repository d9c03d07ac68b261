# SPDX-License-Identifier: Apache-2.0
"""Processes: commands that end in few words, and children that do not outlive their parent."""

from __future__ import annotations

import io
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from threading import Event
from types import FrameType
from typing import ParamSpec

EXIT_BAD_INPUT = 2
EXIT_INTERRUPTED = 128 + signal.SIGINT
Arguments = ParamSpec("Arguments")


def run_command(main: Callable[[], int]) -> int:
    """Run ``main`` and return its exit code, also where nobody reads its output to the end.

    ``COMMAND | head`` closes the pipe: what is printed from there on is lost, but not the files
    that the command has yet to write. Ctrl-C and SIGTERM raise KeyboardInterrupt in ``main``; where
    it does not handle that itself, the command ends without a traceback and with exit code 130.
    """
    signal.signal(signal.SIGTERM, _interrupt_own_process)
    if isinstance(sys.stdout, io.TextIOWrapper):
        encoding, errors = sys.stdout.encoding, sys.stdout.errors
        is_terminal = sys.stdout.line_buffering
        sys.stdout = _PatientOutput(
            sys.stdout.detach(), encoding, errors, line_buffering=is_terminal
        )
    try:
        return main()
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return EXIT_INTERRUPTED
    finally:
        if sys.stdout is not None:  # as after COMMAND >&-
            sys.stdout.flush()


def _interrupt_own_process(number: int, frame: FrameType | None, own: int = os.getpid()) -> None:
    """Raise KeyboardInterrupt; a forked worker, which inherits the handler, ends at once."""
    if os.getpid() != own:
        os._exit(128 + number)
    raise KeyboardInterrupt


def reporting(
    name: str, *errors: type[Exception]
) -> Callable[[Callable[Arguments, int]], Callable[Arguments, int]]:
    """Decorator of a command, for input that cannot be used.

    One of ``errors`` becomes one line on standard error, after ``name``, and exit code 2.
    """

    def decorate(command: Callable[Arguments, int]) -> Callable[Arguments, int]:
        @wraps(command)
        def reported(*args: Arguments.args, **options: Arguments.kwargs) -> int:
            try:
                return command(*args, **options)
            except errors as error:
                print(f"{name}: {error}", file=sys.stderr)
                return EXIT_BAD_INPUT

        return reported

    return decorate


@contextmanager
def ignoring_interrupts() -> Iterator[None]:
    """Let processes that are started meanwhile ignore Ctrl-C: their parent ends them."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def handling_signals(handler: Callable[[int, FrameType | None], object]) -> Iterator[None]:
    """Let ``handler`` have SIGINT and SIGTERM meanwhile, also where SIGINT was ignored."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, handler) for number in numbers]
    try:
        yield
    finally:
        for number, earlier in zip(numbers, before, strict=True):
            signal.signal(number, earlier)


@contextmanager
def noting_signals() -> Iterator[Event]:
    """An event that SIGINT and SIGTERM set meanwhile, also where SIGINT was ignored, as a script
    starts its background commands.

    They raise nothing: an exception within a callback of ROS would become an error of its own.
    """
    noted = Event()
    with handling_signals(lambda *_: noted.set()):
        yield noted


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
