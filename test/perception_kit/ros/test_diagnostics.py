# SPDX-License-Identifier: Apache-2.0
"""Problems are logged in moderation and shown while they last."""

from __future__ import annotations

import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from std_msgs.msg import Header

from perception_kit.ros import diagnostics
from perception_kit.ros.diagnostics import (
    ProblemLog,
    describe_error,
    describe_rejected,
    diagnostic_array,
)


class Clock:
    """Replaces ``monotonic``."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(diagnostics, "monotonic", clock)
    return clock


def test_each_kind_is_logged_once_in_five_seconds(clock: Clock) -> None:
    logged: list[str] = []
    problems = ProblemLog(logged.append)
    for second in range(11):
        clock.now = 1000.0 + second
        problems.report("depth", f"depth {second}")
        if second == 2:
            problems.report("stamp", "stamp")
    assert logged == ["depth 0", "stamp", "depth 5", "depth 10"]


def test_a_problem_is_current_until_three_seconds_after_it_was_seen(clock: Clock) -> None:
    problems = ProblemLog(lambda message: None)
    problems.report("depth", "no depth")
    clock.now += 2.9
    problems.report("stamp", "went back")
    assert problems.current() == ["no depth", "went back"]
    clock.now += 0.2
    assert problems.current() == ["went back"]


def test_errors_for_users_are_their_message_and_others_have_a_place() -> None:
    text = "score_threshold is 2, expected 0 to 1"
    assert describe_error(ValueError(text)) == text

    try:
        _ = {}["missing"]
    except KeyError as error:
        text = describe_error(error)
    assert text.startswith("KeyError: 'missing' (")
    assert "test_diagnostics.py" in text


def test_status_message() -> None:
    header, warn = Header(frame_id="x"), DiagnosticStatus.WARN
    values = {"state": "active"}
    (status,) = diagnostic_array(header, "/node: perception", "cpu", warn, "slow", values).status
    assert (status.name, status.hardware_id) == ("/node: perception", "cpu")
    assert (status.level, status.message) == (warn, "slow")
    assert [(pair.key, pair.value) for pair in status.values] == [("state", "active")]


def test_text_of_others_is_short_and_has_no_lines_of_its_own() -> None:
    logged: list[str] = []
    problems = ProblemLog(logged.append)
    problems.report("class", "unknown class 'x\n[ERROR] all is lost'" + "y" * 10_000)
    assert "\n" not in logged[0]
    assert len(logged[0]) <= 300
    assert problems.current() == logged

    header, values = Header(), {"poses_not_used": "z" * 10_000}
    array = diagnostic_array(header, "/node", "cpu", DiagnosticStatus.OK, "m" * 10_000, values)
    assert len(array.status[0].message) <= 300
    assert len(array.status[0].values[0].value) <= 300


def test_of_many_rejected_elements_some_are_named() -> None:
    rejected = [(number, "box is not finite") for number in range(1000)]
    text = describe_rejected("detection", rejected)
    assert text.startswith("detection 0: box is not finite; detection 1: ")
    assert text.endswith(" and 995 more")
