# SPDX-License-Identifier: Apache-2.0
"""An alarm that is on survives a gap in the images and a new process."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from actionrec_node.config import RecognizerConfig
from actionrec_node.data.crops import PersonBox
from actionrec_node.recognition.held_alarms import HOLD_NS
from actionrec_node.recognition.recognizer import ActionRecognizer
from perception_kit.types import ActionEstimate

STEP_NS = 66_666_667
START_NS = 10**12
PERSON = PersonBox(4, np.array([10.0, 10, 40, 50]))
FALLING, WALKING = np.array([0.9, 0.05, 0.05]), np.array([0.05, 0.05, 0.9])


@pytest.fixture
def make(model_path: Path) -> Callable[[], ActionRecognizer]:
    """Makes recognizers whose network says what the list ``scores`` holds."""

    def recognizer(scores: np.ndarray = FALLING) -> ActionRecognizer:
        made = ActionRecognizer(model_path, "cpu", RecognizerConfig(smoothing=0.0, stride=1))
        made._model.probabilities = lambda clips: np.stack([scores] * len(clips))
        return made

    return recognizer


def watch(recognizer: ActionRecognizer, start_ns: int, frames: int = 20) -> list[ActionEstimate]:
    image = np.zeros((60, 80, 3), np.uint8)
    for number in range(frames):
        actions = recognizer.push(image, start_ns + number * STEP_NS, [PERSON])
    return actions


def labels(actions: list[ActionEstimate]) -> dict[int, str]:
    return {action.track_id: action.label for action in actions}


def test_an_alarm_goes_on_after_a_gap_from_the_first_image_on(
    make: Callable[..., ActionRecognizer],
) -> None:
    recognizer = make()
    assert labels(watch(recognizer, START_NS)) == {4: "falling"}
    raised = recognizer.alarms()
    assert [(alarm.track_id, alarm.confirmed_ns) for alarm in raised] == [(4, None)]
    after = watch(recognizer, START_NS + 10 * 10**9, frames=1)
    assert labels(after) == {4: "falling"}
    assert recognizer.alarms() == raised


def test_an_alarm_goes_on_in_a_new_process_and_ends_by_its_clips(
    make: Callable[..., ActionRecognizer],
) -> None:
    first = make()
    watch(first, START_NS)
    state = json.loads(json.dumps(first.state()))

    second = make(WALKING)
    second.restore(state)
    later_ns = START_NS + 10 * 10**9
    assert labels(watch(second, later_ns, frames=3)) == {4: "falling"}
    assert labels(watch(second, later_ns, frames=20)) == {4: "walking"}
    assert second.state() == {"alarms": []}


@pytest.mark.parametrize("later_ns", [HOLD_NS + 2 * 10**9, -(10**9)], ids=["too late", "earlier"])
def test_an_alarm_of_another_time_does_not(
    make: Callable[..., ActionRecognizer], later_ns: int
) -> None:
    first, second = make(), make()
    watch(first, START_NS)
    second.restore(first.state())
    assert watch(second, START_NS + later_ns, frames=3) == []


def test_without_an_alarm_nothing_is_held(make: Callable[..., ActionRecognizer]) -> None:
    recognizer = make(WALKING)
    watch(recognizer, START_NS)
    assert watch(recognizer, START_NS + 10 * 10**9, frames=1) == []


@pytest.mark.parametrize(
    "state",
    [{}, {"alarms": 3}, {"alarms": [{}]}, {"alarms": [{"action": [], "alarm": {}}]}],
)
def test_anything_else_is_refused(make: Callable[..., ActionRecognizer], state: dict) -> None:
    with pytest.raises(ValueError, match="these are no alarms"):
        make().restore(state)


def test_alarms_of_another_model_are_refused(make: Callable[..., ActionRecognizer]) -> None:
    recognizer = make()
    watch(recognizer, START_NS)
    state = recognizer.state()
    state["alarms"][0]["action"]["class_scores"] = [1.0]
    with pytest.raises(ValueError, match="has not 3 classes"):
        recognizer.restore(state)
