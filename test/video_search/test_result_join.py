# SPDX-License-Identifier: Apache-2.0
"""Results of an image come together by stamp, in order, and none waits for ever."""

from __future__ import annotations

from video_search.result_join import ResultJoin

SECOND = 1_000_000_000


def run(inputs: str, *events: tuple[str, float]) -> list[tuple[float, str]]:
    """Stamps in seconds and inputs of the images that come out."""
    join = ResultJoin(inputs)
    ready = []
    for name, seconds in events:
        for stamp_ns, results in join.add(name, round(seconds * SECOND), seconds):
            assert set(results.values()) == {stamp_ns / SECOND}
            ready.append((stamp_ns / SECOND, "".join(sorted(results))))
    return ready


def test_results_of_one_stamp_come_together() -> None:
    events = (("d", 1), ("t", 1), ("t", 1.1), ("d", 1.1), ("d", 1.2))
    assert run("dt", *events) == [(1.0, "dt"), (1.1, "dt")]


def test_the_older_ones_come_first_though_incomplete() -> None:
    events = (("a", 1.1), ("a", 1.2), ("d", 1.2), ("t", 1.2), ("a", 1.3))
    assert run("adt", *events) == [(1.1, "a"), (1.2, "adt")]


def test_an_input_that_has_ended_is_not_waited_for() -> None:
    seen = run("dt", ("d", 1), ("t", 1), *(("d", 1 + number / 2) for number in range(1, 8)))
    assert seen[0] == (1.0, "dt")
    assert seen[1:] == [(1 + number / 2, "d") for number in range(1, 8)]


def test_an_input_is_waited_for_after_a_pause_of_all() -> None:
    events = (("d", 1), ("t", 1), ("d", 60), ("t", 60), ("t", 99), ("d", 99))
    assert run("dt", *events) == [(1.0, "dt"), (60.0, "dt"), (99.0, "dt")]


def test_an_input_that_never_comes_costs_a_second_once() -> None:
    assert run("dp", ("d", 0), ("d", 1)) == []
    seen = run("dp", *(("d", number / 2) for number in range(5)), ("d", 60))
    assert seen == [(0.0, "d"), (0.5, "d"), (1.0, "d"), (1.5, "d"), (2.0, "d"), (60.0, "d")]


def test_what_waits_at_the_end_is_not_lost() -> None:
    join = ResultJoin("dt")
    assert join.add("d", SECOND, "detections") == []
    assert join.rest() == [(SECOND, {"d": "detections"})]
    assert join.rest() == []


def test_what_comes_too_late_is_counted() -> None:
    join = ResultJoin("dt")
    join.add("d", SECOND, "first")
    join.rest()
    assert join.add("t", SECOND, "late") == []
    assert join.late == 1


def test_a_jump_back_starts_over() -> None:
    assert run("d", ("d", 100), ("d", 5)) == [(100, "d"), (5, "d")]
