# SPDX-License-Identifier: Apache-2.0
"""The command that starts the nodes ends with its signals."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import nullcontext
from types import SimpleNamespace

import pytest

from perception_kit import bringup


@pytest.fixture
def ignored_interrupt() -> Iterator[None]:
    """SIGINT as a shell script leaves it to its background commands."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("ignored_interrupt")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_also_in_the_background(
    monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    checked: list[int] = []

    def check() -> None:
        if not checked:
            os.kill(os.getpid(), number)
        checked.append(1)
        assert len(checked) < 3, "the signal did not end the command"

    group = nullcontext(SimpleNamespace(processes={}))
    group.processes = {}  # type: ignore[attr-defined]
    supervisor = SimpleNamespace(supervision=None, spin=lambda seconds: None)
    keeper = SimpleNamespace(check=check)
    monkeypatch.setattr(bringup, "start_nodes", lambda *arguments, **options: group)
    monkeypatch.setattr(bringup, "Supervisor", lambda *arguments: nullcontext(supervisor))
    monkeypatch.setattr(bringup, "KeepAlive", lambda *arguments: keeper)
    assert bringup.main([]) == 0
