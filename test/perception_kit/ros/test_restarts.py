# SPDX-License-Identifier: Apache-2.0
"""Back-off and limit of restarts."""

from __future__ import annotations

from perception_kit.ros.restarts import UNUSABLE_PARAMETERS, RestartPolicy, Restarts

POLICY = RestartPolicy(first_delay_s=1.0, longest_delay_s=4.0, limit=4, stable_s=100.0)


def delays_of(restarts: Restarts, number: int, ran_s: float, start_s: float = 0.0) -> list[float]:
    """Delays before the restarts of a node that ends ``ran_s`` after each of its starts."""
    delays, now_s = [], start_s
    for _ in range(number):
        delay_s = restarts.delay_after(-9, now_s + ran_s)
        assert delay_s is not None
        delays.append(delay_s)
        now_s += ran_s + delay_s
        restarts.started(now_s)
    return delays


def test_the_delay_doubles_up_to_the_longest_and_then_the_node_is_given_up() -> None:
    restarts = Restarts(POLICY, 0.0)
    assert delays_of(restarts, 4, ran_s=2.0) == [1.0, 2.0, 4.0, 4.0]
    assert restarts.delay_after(-9, 50.0) is None


def test_a_node_that_ran_for_long_starts_counting_anew() -> None:
    restarts = Restarts(POLICY, 0.0)
    assert delays_of(restarts, 20, ran_s=101.0) == [1.0] * 20
    assert restarts.total == 20


def test_parameters_that_cannot_be_used_are_not_tried_again() -> None:
    assert Restarts(POLICY, 0.0).delay_after(UNUSABLE_PARAMETERS, 1.0) is None
