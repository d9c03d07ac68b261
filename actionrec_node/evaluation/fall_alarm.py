# SPDX-License-Identifier: Apache-2.0
"""Scores of the fall alarm on labeled videos, to choose its threshold by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from actionrec_node.config import RecognizerConfig
from actionrec_node.evaluation.clip_scores import PredictedVideo, fall_names
from actionrec_node.recognition.decision import Decision
from perception_kit.alarm_classes import default_alarm_classes
from perception_kit.colors import FALL_LABEL
from perception_kit.metrics import actions

CHOICES = tuple(percent / 100 for percent in range(30, 100, 5))
"""Values of ``fall_on`` that are tried."""


def alarm_scores(
    videos: Sequence[PredictedVideo],
    class_names: Sequence[str],
    clip_fps: float,
    alarm_classes: Sequence[str] | None = None,
) -> dict[str, Any]:
    """How the alarm does for each of ``CHOICES``, over the frames that a robot sees.

    Falls are the ``alarm_classes``, None the default ones. The node's other parameters have their
    defaults. ``minutes`` and ``falls`` of the videos, and lists with a value for each ``fall_on``:
    falls ``missed``, ``false_alarms``, ``mean_delay_s`` and ``max_delay_s`` (``fall_reports``).
    """
    if alarm_classes is None:
        alarm_classes = default_alarm_classes(class_names)
    reports = [
        actions.joined(
            _reports(video, class_names, alarm_classes, clip_fps, RecognizerConfig(fall_on=fall_on))
            for video in videos
        )
        for fall_on in CHOICES
    ]

    return {
        "minutes": sum(len(video.live_frames()[0]) for video in videos) / clip_fps / 60,
        "falls": len(reports[0].delays_s),
        "fall_on": list(CHOICES),
        "missed": [report.missed for report in reports],
        "false_alarms": [report.false_alarms for report in reports],
        "mean_delay_s": [report.mean_s for report in reports],
        "max_delay_s": [
            max((delay for delay in report.delays_s if delay is not None), default=None)
            for report in reports
        ],
    }


def _reports(
    video: PredictedVideo,
    class_names: Sequence[str],
    alarm_classes: Sequence[str],
    clip_fps: float,
    config: RecognizerConfig,
) -> actions.FallReports:
    """The alarm's reports of one video."""
    # Whether the alarm is on after each window.
    decision = Decision(class_names, alarm_classes)
    alarms = np.zeros(len(video.ends), bool)
    for index, (end, scores) in enumerate(zip(video.ends.tolist(), video.scores, strict=True)):
        decision.update(scores, round(end / clip_fps * 1e9), config)
        alarms[index] = decision.alarm

    # It holds until the next window.
    frames, ground_truth, newest = video.live_frames()
    reported = np.where(alarms[newest], FALL_LABEL, actions.NONE)
    return actions.fall_reports(
        (frames / clip_fps).tolist(),
        fall_names(class_names, alarm_classes)[ground_truth].tolist(),
        reported.tolist(),
        FALL_LABEL,
    )


def format_alarm(scores: dict[str, Any]) -> str:
    """``alarm_scores`` as a table for the terminal."""
    lines = [
        f"fall alarm: {scores['falls']} falls in {scores['minutes']:.1f} min",
        "fall_on  missed  false alarms  mean, max delay in s",
    ]
    columns = ("fall_on", "missed", "false_alarms", "mean_delay_s", "max_delay_s")
    rows = zip(*(scores[column] for column in columns), strict=True)

    for fall_on, missed, false_alarms, *delays_s in rows:
        delays = ", ".join("-" if delay is None else f"{delay:.2f}" for delay in delays_s)
        lines.append(f"{fall_on:7.2f}  {missed:6d}  {false_alarms:12d}  {delays:>20}")
    return "\n".join(lines)
