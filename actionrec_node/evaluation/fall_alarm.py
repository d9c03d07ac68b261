# SPDX-License-Identifier: Apache-2.0
"""Scores of the fall alarm on labeled videos, to choose its threshold by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from actionrec_node.config import RecognizerConfig
from actionrec_node.evaluation.clip_scores import PredictedVideo, fall_names, label_names
from actionrec_node.recognition.decision import Decision
from perception_kit.alarm_classes import default_alarm_classes, default_lying_classes
from perception_kit.colors import FALL_LABEL
from perception_kit.metrics import actions

CHOICES = tuple(percent / 100 for percent in range(30, 100, 5))
"""Values of ``fall_on`` that are tried."""


CONFIRMATION_S = 4.0
"""A confirmed alarm may come so long after the end of its fall: the person has to lie first."""

LYING_S = 0.5
"""Falls of which the video shows less than this afterwards are not asked for a confirmed alarm."""


def alarm_scores(
    videos: Sequence[PredictedVideo],
    class_names: Sequence[str],
    clip_fps: float,
    alarm_classes: Sequence[str] | None = None,
    lying_classes: Sequence[str] | None = None,
) -> dict[str, Any]:
    """How the alarm does for each of ``CHOICES``, over the frames that a robot sees.

    Falls are the ``alarm_classes``, confirmed by the ``lying_classes``; None: the default ones. The
    node's other parameters have their defaults. ``minutes`` and ``falls`` of the videos, and lists
    with a value for each ``fall_on``: falls ``missed``, ``recall``,
    ``false_alarms``, ``false_alarms_per_hour``, ``mean_delay_s`` and ``max_delay_s``
    (``fall_reports``). ``confirmed`` has the same lists for a robot that waits until lying confirms
    the alarm, at most ``CONFIRMATION_S`` after the fall, for the ``falls`` whose video goes on for
    ``LYING_S``, and ``ended_lying``: how many of these alarms went off while somebody lay.
    """
    if alarm_classes is None:
        alarm_classes = default_alarm_classes(class_names)
    if lying_classes is None:
        lying_classes = default_lying_classes(class_names)
    called = fall_names(class_names, alarm_classes)
    lying = np.isin(label_names(class_names), list(lying_classes))
    minutes = sum(len(video.live_frames()[0]) for video in videos) / clip_fps / 60
    on, confirmed, ended_lying = [], [], []
    for fall_on in CHOICES:
        config = RecognizerConfig(fall_on=fall_on)
        decisions = [Decision(class_names, alarm_classes, lying_classes) for _ in videos]
        reports = [
            _reports(video, decision, called, lying, clip_fps, config)
            for video, decision in zip(videos, decisions, strict=True)
        ]
        on.append(actions.joined(each for each, _, _ in reports))
        confirmed.append(actions.joined(each for _, each, _ in reports))
        ended_lying.append(sum(count for _, _, count in reports))

    return {
        "minutes": minutes,
        "falls": len(on[0].delays_s),
        "fall_on": list(CHOICES),
        **_columns(on, minutes),
        "confirmed": {
            "falls": len(confirmed[0].delays_s),
            **_columns(confirmed, minutes),
            "ended_lying": ended_lying,
        },
    }


def _columns(reports: Sequence[actions.FallReports], minutes: float) -> dict[str, list[Any]]:
    """Lists with a value for each of the reports, which are of one threshold each."""
    falls = len(reports[0].delays_s)
    return {
        "missed": [report.missed for report in reports],
        "recall": [1 - report.missed / falls if falls else None for report in reports],
        "false_alarms": [report.false_alarms for report in reports],
        "false_alarms_per_hour": [
            report.false_alarms / minutes * 60 if minutes else None for report in reports
        ],
        "mean_delay_s": [report.mean_s for report in reports],
        "max_delay_s": [
            max((delay for delay in report.delays_s if delay is not None), default=None)
            for report in reports
        ],
    }


def _reports(
    video: PredictedVideo,
    decision: Decision,
    called: np.ndarray,
    lying: np.ndarray,
    clip_fps: float,
    config: RecognizerConfig,
) -> tuple[actions.FallReports, actions.FallReports, int]:
    """Reports by the alarm, and by the confirmed alarm, in one video.

    The third value is how many confirmed alarms ended while somebody lay. ``called`` are the
    classes' names by ``fall_names``, ``lying`` says which of them are lying.
    """
    # Whether the alarm is on, and confirmed, after each window.
    is_on, is_confirmed = np.zeros((2, len(video.ends)), bool)
    for index, (end, scores) in enumerate(zip(video.ends.tolist(), video.scores, strict=True)):
        decision.update(scores, round(end / clip_fps * 1e9), config)
        is_on[index] = decision.alarm is not None
        is_confirmed[index] = decision.alarm is not None and decision.alarm.confirmed_ns is not None

    ends = is_confirmed[:-1] & ~is_confirmed[1:] & lying[video.labels[video.ends[1:]]]

    # It holds until the next window.
    frames, ground_truth, newest = video.live_frames()
    stamps, truth = (frames / clip_fps).tolist(), called[ground_truth].tolist()

    def reports(alarms: np.ndarray, grace_s: float, after_s: float) -> actions.FallReports:
        reported = np.where(alarms[newest], FALL_LABEL, actions.NONE)
        return actions.fall_reports(stamps, truth, reported.tolist(), FALL_LABEL, grace_s, after_s)

    return (
        reports(is_on, actions.GRACE_S, 0.0),
        reports(is_confirmed, CONFIRMATION_S, LYING_S),
        int(ends.sum()),
    )


def format_alarm(scores: dict[str, Any]) -> str:
    """``alarm_scores`` as a table for the terminal."""
    lines = [
        f"fall alarm: {scores['falls']} falls in {scores['minutes']:.1f} min",
        "                        alarm is on                  |  and lying confirms it"
        f", of {scores['confirmed']['falls']} falls",
        "fall_on  missed  false  an hour  mean, max delay in s  |"
        "  missed  false  an hour  mean, max delay in s  ended lying",
    ]
    on, confirmed = _cells(scores), _cells(scores["confirmed"])
    ended = scores["confirmed"]["ended_lying"]
    for fall_on, *cells, count in zip(scores["fall_on"], on, confirmed, ended, strict=True):
        lines.append(f"{fall_on:7.2f}  " + "  |  ".join(cells) + f"  {count:11d}")
    lines.append(
        f"An alarm counts for a fall until {actions.GRACE_S:g} s after it, a confirmed one until"
        f" {CONFIRMATION_S:g} s after it, and is false later.\nEnded lying: confirmed alarms that"
        " went off before the person got up."
    )
    return "\n".join(lines)


def _cells(columns: dict[str, Any]) -> list[str]:
    """A row for each threshold."""
    rows = zip(
        columns["missed"],
        columns["false_alarms"],
        columns["false_alarms_per_hour"],
        columns["mean_delay_s"],
        columns["max_delay_s"],
        strict=True,
    )
    cells = []
    for missed, false_alarms, hourly, *delays_s in rows:
        per_hour = "-" if hourly is None else f"{hourly:.1f}"
        delays = ", ".join("-" if delay is None else f"{delay:.2f}" for delay in delays_s)
        cells.append(f"{missed:6d}  {false_alarms:5d}  {per_hour:>7}  {delays:>20}")
    return cells
