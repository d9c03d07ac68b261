# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actionrec_node.config import RecognizerConfig
from actionrec_node.recognition.decision import NONE, Decision
from perception_kit.types import FallAlarm

NAMES = ("falling", "running", "walking")
STEP_NS = 200_000_000


def _labels(falling: list[float], config: RecognizerConfig) -> list[str]:
    """Labels for one score of "falling" after another; what is left is three quarters walking."""
    decision = Decision(NAMES)
    labels = []
    for index, score in enumerate(falling):
        probabilities = np.array([score, (1 - score) / 4, (1 - score) * 3 / 4])
        label, _ = decision.update(probabilities, index * STEP_NS, config)
        labels.append(label)
    return labels


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        pytest.param([0.1, 0.6, 0.1], ["walking", "falling", "walking"], id="on and off"),
        pytest.param(
            [0.1, 0.6, 0.35, 0.35, 0.2],
            ["walking", "falling", "falling", "falling", "walking"],
            id="stays on between",
        ),
        pytest.param(
            [0.45, 0.49], ["walking", "walking"], id="best class, but not sure enough for an alarm"
        ),
        pytest.param(
            [0.1, 0.6, 0.25, 0.45],
            ["walking", "falling", "walking", "walking"],
            id="once off, it takes the higher score again",
        ),
        pytest.param([0.9, 0.2], [NONE, "walking"], id="not with the first clip alone"),
        pytest.param([0.9, 0.9], [NONE, "falling"], id="but with a fall that goes on"),
    ],
)
def test_the_alarm_has_hysteresis(scores: list[float], expected: list[str]) -> None:
    assert _labels(scores, RecognizerConfig(smoothing=0.0, fall_on=0.5)) == expected


def test_nobody_is_no_action_but_does_not_end_an_alarm_by_itself() -> None:
    config = RecognizerConfig(smoothing=0.0, fall_on=0.6, fall_off=0.3)
    decision = Decision(("falling", "nobody", "walking"))
    assert not decision.is_nobody
    found = []
    for index, scores in enumerate([[0.1, 0.7, 0.2], [0.1, 0.2, 0.7], [0.7, 0.2, 0.1]] * 2):
        label, _ = decision.update(np.array(scores), index * STEP_NS, config)
        found.append((label, decision.is_nobody))
    assert found == [(NONE, True), ("walking", False), ("falling", False)] * 2

    label, _ = decision.update(np.array([0.35, 0.6, 0.05]), 9 * STEP_NS, config)
    assert (label, decision.is_nobody) == ("falling", False)
    label, _ = decision.update(np.array([0.25, 0.6, 0.15]), 10 * STEP_NS, config)
    assert (label, decision.is_nobody) == (NONE, True)


def test_classes_of_any_name_raise_the_alarm_together() -> None:
    config = RecognizerConfig(smoothing=0.0, fall_on=0.7)
    decision = Decision(("Fall Down", "Slip", "walking"), ("Fall Down", "Slip"))
    assert decision.update(np.array([0.3, 0.3, 0.4]), 0, config) == ("walking", 0.4)
    label, score = decision.update(np.array([0.4, 0.4, 0.2]), STEP_NS, config)
    assert (label, decision.alarm) == ("falling", FallAlarm(0, STEP_NS))
    assert score == pytest.approx(0.8)


def test_none_of_these_below_the_threshold() -> None:
    config = RecognizerConfig(smoothing=0.0, score_threshold=0.6)
    decision = Decision(("other", "walking"))
    assert decision.update(np.array([0.45, 0.55]), 0, config) == (NONE, 0.55)
    assert decision.update(np.array([0.35, 0.65]), 1, config) == ("walking", 0.65)


def test_smoothing_is_a_moving_average_over_time() -> None:
    config = RecognizerConfig(smoothing=0.2, score_threshold=0.0)
    decision = Decision(NAMES)
    decision.update(np.array([0.0, 1.0, 0.0]), 0, config)
    decision.update(np.array([0.0, 0.0, 1.0]), STEP_NS, config)
    np.testing.assert_allclose(decision.scores, [0.0, math.exp(-1), 1 - math.exp(-1)])


def test_first_sign_of_a_fall_is_kept_until_it_is_over() -> None:
    config = RecognizerConfig(smoothing=0.0, fall_on=0.6)
    decision, signs = Decision(NAMES), []
    for index, score in enumerate([0.1, 0.4, 0.7, 0.35, 0.1, 0.4]):
        decision.update(np.array([score, 0.0, 1 - score]), index * STEP_NS, config)
        signs.append(decision.alarm and decision.alarm.first_sign_ns)
    assert signs == [None, None, STEP_NS, STEP_NS, None, None]


def test_an_alarm_lasts_while_the_person_lies_which_confirms_it() -> None:
    config = RecognizerConfig(smoothing=0.0, fall_on=0.6, fall_off=0.3, fall_hold=0.0)
    decision = Decision(("falling", "lying", "walking"))
    found = []
    for index, scores in enumerate(
        [
            [0.1, 0.8, 0.1],  # nobody fell
            [0.7, 0.2, 0.1],
            [0.3, 0.6, 0.1],
            [0.0, 0.9, 0.1],
            [0.1, 0.25, 0.65],  # somebody helps
            [0.0, 0.1, 0.9],
            [0.0, 0.9, 0.1],
        ]
    ):
        label, score = decision.update(np.array(scores), index * STEP_NS, config)
        found.append((label, score, decision.alarm))
    raised, confirmed = FallAlarm(STEP_NS, STEP_NS), FallAlarm(STEP_NS, STEP_NS, 2 * STEP_NS)
    assert found == [
        ("lying", 0.8, None),
        ("falling", 0.7, raised),
        ("lying", 0.6, confirmed),
        ("lying", 0.9, confirmed),
        ("lying", 0.25, confirmed),
        ("walking", 0.9, None),
        ("lying", 0.9, None),
    ]


def test_a_confirmed_alarm_is_held_over_clips_that_look_like_something_else() -> None:
    config = RecognizerConfig(smoothing=0.0, fall_on=0.6, fall_hold=2.5 * STEP_NS * 1e-9)
    decision = Decision(("falling", "lying", "sitting"))
    fall, lies, sits = [0.9, 0.1, 0.0], [0.1, 0.9, 0.0], [0.0, 0.1, 0.9]
    found = []
    for index, scores in enumerate([fall, fall, sits, fall, lies, sits, sits, lies, *[sits] * 4]):
        label, _ = decision.update(np.array(scores), index * STEP_NS, config)
        found.append((label, decision.alarm is not None))
    alarmed, held = ("lying", True), ("sitting", True)
    not_confirmed = [("falling", True), ("sitting", False), ("falling", True)]
    assert found[1:4] == not_confirmed
    assert found[4:] == [alarmed, held, held, alarmed, held, held, held, ("sitting", False)]


@pytest.mark.parametrize(("lying", "confirmed"), [(0.25, False), (0.35, True)])
def test_lying_half_as_likely_as_the_fall_confirms_it(lying: float, confirmed: bool) -> None:
    config = RecognizerConfig(smoothing=0.0)
    decision = Decision(("falling", "lying"))
    for index in range(3):
        decision.update(np.array([0.0, 0.9] if index == 0 else [0.9, 0.1]), index * STEP_NS, config)
    label, _ = decision.update(np.array([0.6, lying]), 3 * STEP_NS, config)
    assert decision.alarm is not None
    assert (label, decision.alarm.confirmed_ns is not None) == ("falling", confirmed)


def test_the_clip_that_raises_the_alarm_does_not_confirm_it() -> None:
    decision = Decision(("falling", "lying"))
    for index in range(2):
        decision.update(np.array([0.6, 0.4]), index * STEP_NS, RecognizerConfig(fall_on=0.6))
    assert decision.alarm == FallAlarm(0, STEP_NS)


def test_classes_of_any_name_confirm_the_alarm() -> None:
    config = RecognizerConfig(smoothing=0.0, fall_on=0.6)
    decision = Decision(("Fall Down", "On Floor", "walking"), ["Fall Down"], ["On Floor"])
    decision.update(np.array([0.8, 0.1, 0.1]), 0, config)
    decision.update(np.array([0.8, 0.1, 0.1]), STEP_NS, config)
    assert decision.update(np.array([0.1, 0.8, 0.1]), 2 * STEP_NS, config) == ("On Floor", 0.8)
    assert decision.alarm == FallAlarm(0, STEP_NS, 2 * STEP_NS)


@given(
    st.lists(st.tuples(*[st.floats(0.01, 1.0)] * 3), min_size=1, max_size=20), st.floats(0.0, 2.0)
)
def test_scores_stay_a_distribution_and_the_label_is_one_of_the_answers(
    raw: list[tuple[float, ...]], smoothing: float
) -> None:
    decision = Decision(NAMES)
    for index, values in enumerate(raw):
        label, score = decision.update(
            np.array(values) / sum(values), index * STEP_NS, RecognizerConfig(smoothing=smoothing)
        )
        assert decision.scores.sum() == pytest.approx(1.0)
        assert label in (*NAMES, NONE)
        assert 0 <= score <= 1


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"stride": 0}, "stride is 0, expected 1 to 1000"),
        ({"context": 0.5}, "context is 0.5, expected 1.0 to 10.0"),
        ({"fall_on": 0.2}, "fall_off must not be above fall_on, got 0.3 and 0.2"),
    ],
)
def test_settings_that_make_no_sense_are_refused(values: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RecognizerConfig(**values)
