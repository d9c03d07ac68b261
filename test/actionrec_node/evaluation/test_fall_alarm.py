# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from actionrec_node.evaluation.clip_scores import PredictedVideo, clip_scores
from actionrec_node.evaluation.fall_alarm import CHOICES, alarm_scores, format_alarm


def test_each_threshold_has_its_misses_and_false_alarms() -> None:
    # One prediction a second, so far apart that nothing is smoothed: a fall at 2 to 3 s that scores
    # 0.72, and 0.52 where nobody falls.
    falling = np.array([0.0, 0.0, 0.0, 0.72, 0.0, 0.0, 0.0, 0.52, 0.0])
    labels = np.array([1, 1, 0, 0, 1, 1, 1, 1, 1])
    video = PredictedVideo(labels, np.arange(9), np.stack([falling, 1 - falling], axis=1))
    too_short = PredictedVideo(np.array([0, 0]), np.zeros(0, np.int64), np.zeros((0, 2)))
    scores = alarm_scores([video, too_short], ["falling", "walking"], clip_fps=1.0)
    assert scores["minutes"] == pytest.approx(9 / 60)
    assert (scores["falls"], scores["fall_on"]) == (1, list(CHOICES))
    assert scores["missed"] == [int(fall_on > 0.72) for fall_on in CHOICES]
    assert scores["false_alarms"] == [int(fall_on < 0.52) for fall_on in CHOICES]
    assert scores["recall"] == [float(fall_on < 0.72) for fall_on in CHOICES]
    assert scores["false_alarms_per_hour"][0] == pytest.approx(400)
    delays = [1.0 if fall_on < 0.72 else None for fall_on in CHOICES]
    assert scores["mean_delay_s"] == scores["max_delay_s"] == delays

    lines = format_alarm(scores).splitlines()
    assert lines[0] == f"fall alarm: 1 falls in {9 / 60:.1f} min"
    never = ["|", "1", "0", "0.0", "-,", "-", "0"]  # without a class of lying
    assert lines[3].split() == ["0.30", "0", "1", "400.0", "1.00,", "1.00", *never]
    assert lines[-3].split() == ["0.95", "1", "0", "0.0", "-,", "-", *never]


def test_lying_confirms_the_alarm() -> None:
    # Somebody falls at 1 s and lies from 3 s on; later they sit down as if they fell, and sit.
    names = ["falling", "lying", "sitting"]
    order = [2, 0, 0, 1, 1, 2, 2, 2, 0, 2, 2]
    labels = np.array([2, 0, 0, 1, 1, 2, 2, 2, 2, 2, 2])
    scores = np.eye(3)[order] * 0.9 + 0.05
    table = alarm_scores([PredictedVideo(labels, np.arange(11), scores)], names, 1.0)
    fall_on = CHOICES.index(0.75)
    assert (table["missed"][fall_on], table["false_alarms"][fall_on]) == (0, 1)
    confirmed = table["confirmed"]
    assert (confirmed["missed"][fall_on], confirmed["false_alarms"][fall_on]) == (0, 0)
    assert confirmed["mean_delay_s"][fall_on] == 2.0
    assert confirmed["ended_lying"][fall_on] == 0


def test_alarms_that_end_while_somebody_lies_are_counted() -> None:
    names = ["falling", "lying", "sitting"]
    scores = np.eye(3)[[2, 0, 0, 1, 2, 2, 2, 1]] * 0.9 + 0.05
    labels = np.array([2, 0, 0, 1, 1, 1, 1, 1])
    table = alarm_scores([PredictedVideo(labels, np.arange(8), scores)], names, 1.0)
    assert table["confirmed"]["ended_lying"][CHOICES.index(0.75)] == 1


def test_the_alarm_is_scored_for_the_alarm_classes_of_the_model() -> None:
    scores = np.array([[0.1, 0.1, 0.8], [0.5, 0.4, 0.1], [0.1, 0.1, 0.8]])
    video = PredictedVideo(np.array([2, 0, 2]), np.arange(3), scores)
    names, alarms = ["Fall Down", "Slip", "walking"], ["Fall Down", "Slip"]
    table = alarm_scores([video], names, 1.0, alarms)
    assert table["falls"] == 1
    assert table["missed"] == [int(fall_on > 0.89) for fall_on in CHOICES]
    result = clip_scores([video], names, clip_length=1, clip_fps=1.0, alarm_classes=alarms)
    assert (result["falls"], result["falls_missed"]) == (1, 0)
