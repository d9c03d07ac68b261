# SPDX-License-Identifier: Apache-2.0
"""When the fall alarm counts as lost or degraded."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from re import MULTILINE, findall
from typing import Any

import pytest

from actionrec_node.recognition.alarm_health import AlarmFacts, AlarmState, alarm_health
from perception_kit.resources import package_folder

READY = AlarmFacts(
    state="active",
    alarm_classes=("falling",),
    image_age_s=0.05,
    tracks_age_s=0.1,
    prediction_age_s=0.3,
)
LOST, DEGRADED = AlarmState.LOST, AlarmState.DEGRADED


def test_the_alarm_is_ready_where_everything_comes() -> None:
    assert alarm_health(READY, 3.0) == (AlarmState.READY, "")


@pytest.mark.parametrize(
    ("change", "state", "reason"),
    [
        ({"state": "inactive"}, LOST, "the node is inactive"),
        ({"alarm_classes": ()}, LOST, "the model has no class that raises the alarm"),
        ({"image_age_s": None}, LOST, "no image has come yet"),
        ({"image_age_s": 3.5}, LOST, "no image for 3.5 s"),
        ({"prediction_age_s": None}, LOST, "no prediction yet: the first clip is not complete"),
        ({"prediction_age_s": 4.0}, LOST, "no prediction for 4.0 s although images come"),
        ({"prediction_age_s": None, "empty_age_s": 0.1}, AlarmState.READY, ""),
        ({"prediction_age_s": 60.0, "empty_age_s": 2.0}, AlarmState.READY, ""),
        (
            {"prediction_age_s": 60.0, "empty_age_s": 4.0},
            LOST,
            "no prediction for 60.0 s although images come",
        ),
        (
            {"prediction_age_s": 60.0, "empty_age_s": 0.1, "prediction_wait_s": 4.0},
            LOST,
            "a prediction has been awaited for 4.0 s",
        ),
        ({"tracks_age_s": None}, DEGRADED, "no tracks: the image is watched as a whole"),
        ({"tracks_age_s": 3.5}, DEGRADED, "no tracks for 3.5 s: the image is watched as a whole"),
        (
            {"person_seen": False},
            DEGRADED,
            "nobody has been found yet: does the detector know people?",
        ),
        ({"person_seen": False, "per_person": False}, AlarmState.READY, ""),
        ({"left_out": 2}, DEGRADED, "2 people beyond max_people are not watched"),
        ({"tracks_age_s": None, "per_person": False}, AlarmState.READY, ""),
    ],
)
def test_what_is_missing_is_named(change: dict[str, Any], state: AlarmState, reason: str) -> None:
    assert alarm_health(replace(READY, **change), 3.0) == (state, reason)


def test_a_lost_alarm_names_the_current_problems_of_the_node() -> None:
    facts = replace(READY, prediction_age_s=9.0, problems=["a clip could not be classified: x"])
    assert alarm_health(facts, 3.0)[1].endswith("images come; a clip could not be classified: x")


def test_the_states_are_those_of_the_message() -> None:
    text = Path(package_folder(), "msg", "AlarmHealth.msg").read_text()
    constants = dict(findall(r"^uint8 (\w+)=(\d+)", text, MULTILINE))
    assert {name: int(value) for name, value in constants.items()} == {
        state.name: state.value for state in AlarmState
    }
