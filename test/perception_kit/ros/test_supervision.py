# SPDX-License-Identifier: Apache-2.0
"""What the supervisor says of nodes that start, hang, end and come back."""

from __future__ import annotations

import pytest
from diagnostic_msgs.msg import DiagnosticStatus

from perception_kit.ros.deadline import ResultDeadline
from perception_kit.ros.supervision import (
    HANG_S,
    SILENCE_S,
    START_HANG_S,
    START_S,
    Supervision,
)

OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR
NODE = "actionrec_node"


class Clock:
    """Seconds that pass when told to."""

    now = 500.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def supervision(clock: Clock) -> Supervision:
    return Supervision([NODE], clock)


def test_a_node_that_reports_is_alive_and_its_warnings_are_its_own(
    supervision: Supervision,
) -> None:
    supervision.heard(NODE, WARN, "no complete frame for 3 s")
    assert supervision.judge(NODE) == (OK, "actionrec_node is alive")


def test_text_that_anybody_may_have_published_is_short_and_escaped(
    supervision: Supervision,
) -> None:
    supervision.heard(NODE, ERROR, "\x1b[2J\n" + "x" * 100_000)
    level, text = supervision.judge(NODE)
    assert level == ERROR
    assert text.startswith(r"actionrec_node: \x1b[2J\nxxx")
    assert len(text) < 400


def test_an_error_of_a_node_is_passed_on_with_its_name(supervision: Supervision) -> None:
    supervision.heard(NODE, ERROR, "no result for 9 s although frames come")
    assert supervision.judge(NODE) == (
        ERROR,
        "actionrec_node: no result for 9 s although frames come",
    )


def test_silence_is_an_error_with_the_name_of_the_node(
    supervision: Supervision, clock: Clock
) -> None:
    supervision.heard(NODE, OK, "active")
    clock.now += SILENCE_S
    assert supervision.judge(NODE)[0] == OK
    clock.now += 1.0
    text = "actionrec_node is gone or hangs: no sign of life for 6 s"
    assert supervision.judge(NODE) == (ERROR, text)
    assert not supervision.hangs(NODE), "it may still be loading a model"
    clock.now += HANG_S
    assert supervision.hangs(NODE)


def test_silence_that_nobody_could_hear_is_excused(supervision: Supervision, clock: Clock) -> None:
    supervision.excuse_silence()
    assert supervision.judge(NODE)[0] == WARN, "it has not been heard of yet"
    supervision.heard(NODE, OK, "active")
    clock.now += HANG_S - 1.0
    supervision.excuse_silence()
    clock.now += 2.0
    assert not supervision.hangs(NODE)
    assert supervision.judge(NODE)[0] == OK


def test_a_node_has_time_to_start_and_no_more(supervision: Supervision, clock: Clock) -> None:
    clock.now += START_S
    assert supervision.judge(NODE) == (WARN, "actionrec_node is starting, for 60 s")
    clock.now += 1.0
    assert supervision.judge(NODE)[0] == ERROR
    assert not supervision.hangs(NODE), "a busy machine needs longer"
    clock.now += START_HANG_S
    assert supervision.hangs(NODE)


def test_a_node_may_wait_for_those_that_start_with_it_and_for_no_restart(clock: Clock) -> None:
    supervision = Supervision(["tracker_node", NODE], clock)
    text = "tracker_node: no complete frame for 6 s"
    supervision.heard("tracker_node", ERROR, "no complete frame for 6 s")
    assert supervision.judge("tracker_node") == (WARN, text)
    clock.now += START_S
    supervision.heard("tracker_node", ERROR, "no complete frame for 6 s")
    assert supervision.judge("tracker_node") == (WARN, text)
    clock.now += 1.0
    assert supervision.judge("tracker_node") == (ERROR, text)

    supervision.heard(NODE, ERROR, "no complete frame for 6 s")
    assert supervision.judge("tracker_node") == (WARN, text), "there was no time for results yet"
    assert supervision.judge(NODE)[0] == ERROR, "it waits for nobody who starts"
    clock.now += SILENCE_S + 1.0
    supervision.heard("tracker_node", ERROR, "no complete frame for 6 s")
    assert supervision.judge("tracker_node") == (ERROR, text)

    supervision.started(NODE)
    assert supervision.judge(NODE)[0] == WARN
    assert supervision.judge("tracker_node") == (ERROR, text)


def test_a_node_that_ended_is_gone_until_it_is_heard_of_again(
    supervision: Supervision, clock: Clock
) -> None:
    supervision.heard(NODE, OK, "active")
    supervision.ended(NODE, "ended with return code -9")
    assert supervision.judge(NODE) == (
        ERROR,
        "actionrec_node is gone: ended with return code -9",
    )
    supervision.heard(NODE, OK, "a message that was still under way")
    assert supervision.judge(NODE)[0] == ERROR

    supervision.started(NODE)
    assert supervision.judge(NODE)[0] == WARN
    clock.now += 5.0
    supervision.heard(NODE, OK, "active")
    assert supervision.judge(NODE)[0] == OK
    assert supervision.restarts(NODE) == 1


def test_results_are_overdue_from_the_first_frame_without_one(clock: Clock) -> None:
    deadline = ResultDeadline(clock)
    clock.now += 60.0
    assert deadline.waiting_s() == 0.0, "no frame, no result to wait for"

    deadline.expect()
    clock.now += 2.0
    deadline.expect()
    clock.now += 2.0
    assert deadline.waiting_s() == 4.0

    deadline.met()
    assert deadline.waiting_s() == 0.0
