# SPDX-License-Identifier: Apache-2.0
"""Choosing a ROS domain that nobody uses."""

from __future__ import annotations

import socket

import pytest

from perception_kit.replay import domain
from perception_kit.replay.domain import free_domain


def test_domains_of_replays_beside_each_other_differ() -> None:
    with free_domain() as first, free_domain() as second, free_domain() as third:
        assert len({first, second, third}) == 3
        assert all(1 <= number <= 100 for number in (first, second, third))


def test_domain_is_given_back() -> None:
    with free_domain() as first:
        pass
    with free_domain() as second:
        assert second == first


def test_domain_of_a_running_ros_program_is_left_alone() -> None:
    with free_domain() as number:
        pass
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as participant:
        participant.bind(("", 7400 + 250 * number + 10))
        with free_domain() as other:
            assert other != number


def test_all_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    with free_domain() as number:
        monkeypatch.setattr(domain, "_DOMAINS", range(number, number + 1))
        with pytest.raises(RuntimeError, match="are in use on this machine"), free_domain():
            pass
