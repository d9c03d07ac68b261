# SPDX-License-Identifier: Apache-2.0
"""What the fall alarm makes of labelled videos, to choose its threshold by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from actionrec_node.evaluation.clips import PredictedVideo, label_names
from actionrec_node.recognition.decision import FALL, Decision, RecognizerConfig
from perception_kit.metrics import actions

CHOICES = tuple(percent / 100 for percent in range(30, 100, 5))
"""Values of ``fall_on`` that are tried."""


def alarm_scores(
    videos: Sequence[PredictedVideo], class_names: Sequence[str], clip_fps: float
) -> dict[str, Any]:
    """How the alarm does for each of ``CHOICES``, the node's other parameters at their defaults,
    over the frames that a robot sees.

    ``minutes`` and ``falls`` of the videos, and lists with a value for each ``fall_on``: falls
    ``missed``, ``false_alarms``, ``mean_delay_s`` and ``max_delay_s`` (``fall_reports``).
    """
    reports = [
        actions.joined(
            _reports(video, class_names, clip_fps, RecognizerConfig(fall_on=fall_on))
            for video in videos
        )
        for fall_on in CHOICES
    ]
    return {
        "minutes": sum(len(video.shown()[0]) for video in videos) / clip_fps / 60,
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
    video: PredictedVideo, class_names: Sequence[str], clip_fps: float, config: RecognizerConfig
) -> actions.FallReports:
    """The alarm's reports of one video."""
    names = label_names(class_names)
    decision, alarms = Decision(class_names), np.zeros(len(video.ends), bool)
    for index, (end, scores) in enumerate(zip(video.ends.tolist(), video.scores, strict=True)):
        decision.update(scores, round(end / clip_fps * 1e9), config)
        alarms[index] = decision.alarm
    frames, ground_truth, newest = video.shown()
    return actions.fall_reports(
        frames / clip_fps, names[ground_truth], np.where(alarms[newest], FALL, actions.NONE), FALL
    )


def format_alarm(scores: dict[str, Any]) -> str:
    """``alarm_scores`` as a table for the terminal."""
    lines = [
        f"fall alarm: {scores['falls']} falls in {scores['minutes']:.1f} min",
        "fall_on  missed  false alarms  mean, max delay in s",
    ]
    for row in zip(
        *(
            scores[key]
            for key in ("fall_on", "missed", "false_alarms", "mean_delay_s", "max_delay_s")
        ),
        strict=True,
    ):
        delays = ", ".join("-" if delay is None else f"{delay:.2f}" for delay in row[3:])
        lines.append(f"{row[0]:7.2f}  {row[1]:6d}  {row[2]:12d}  {delays:>20}")
    return "\n".join(lines)
