# SPDX-License-Identifier: Apache-2.0
"""The command that starts the nodes ends with its signals."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import nullcontext

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
    polled: list[int] = []

    def poll() -> dict[str, None]:
        if not polled:
            os.kill(os.getpid(), number)
        polled.append(1)
        assert len(polled) < 3, "the signal did not end the command"
        return {"pose6d_node": None}

    group = nullcontext()
    group.poll = poll  # type: ignore[attr-defined]
    monkeypatch.setattr(bringup, "start_nodes", lambda *arguments, **options: group)
    monkeypatch.setattr(bringup, "sleep", lambda seconds: None)
    assert bringup.main([]) == 0
