# SPDX-License-Identifier: Apache-2.0
"""Whether a fall would raise the alarm now, from what the node has received and done lately."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum


class AlarmState(IntEnum):
    """As in ``AlarmHealth.msg``: what is not known to work is lost."""

    LOST = 0
    DEGRADED = 1
    READY = 2


@dataclass(frozen=True)
class AlarmFacts:
    """What the alarm depends on; ages in seconds by a steady clock, None where there was none.

    ``state`` is that of the node's life cycle, ``problems`` are its current ones. ``left_out`` is
    the number of people beyond ``max_people``. ``tracks_age_s`` is that of the newest image with
    tracks of its time, ``empty_age_s`` that of the newest in which the tracker found nobody: it
    needs no prediction. ``person_seen``: somebody was among the tracks since the start, as is never
    so with a detector that knows no people. ``prediction_wait_s`` is how long a prediction has been
    awaited.
    """

    state: str
    alarm_classes: Sequence[str] = ()
    image_age_s: float | None = None
    tracks_age_s: float | None = None
    prediction_age_s: float | None = None
    empty_age_s: float | None = None
    prediction_wait_s: float = 0.0
    per_person: bool = True
    person_seen: bool = True
    left_out: int = 0
    problems: Sequence[str] = ()


def alarm_health(facts: AlarmFacts, deadline_s: float) -> tuple[AlarmState, str]:
    """State of the alarm, and the reason where it is not READY.

    The alarm is LOST where no prediction was finished within ``deadline_s``, whatever the cause.
    Without tracks the whole image is watched, in which a fall of one of several people may be
    missed: DEGRADED. So it is until somebody is found for the first time.
    """
    lost = _why_lost(facts, deadline_s)
    if lost:
        return AlarmState.LOST, "; ".join([lost, *facts.problems])

    if facts.left_out:
        return AlarmState.DEGRADED, f"{facts.left_out} people beyond max_people are not watched"
    if facts.per_person and (facts.tracks_age_s is None or facts.tracks_age_s > deadline_s):
        since = "" if facts.tracks_age_s is None else f" for {facts.tracks_age_s:.1f} s"
        return AlarmState.DEGRADED, f"no tracks{since}: the image is watched as a whole"
    if facts.per_person and not facts.person_seen:
        return AlarmState.DEGRADED, "nobody has been found yet: does the detector know people?"
    return AlarmState.READY, ""


def _why_lost(facts: AlarmFacts, deadline_s: float) -> str:
    """Why no fall would be noticed; empty where it would."""
    if facts.state != "active":
        return f"the node is {facts.state}"
    if not facts.alarm_classes:
        return "the model has no class that raises the alarm"
    if facts.image_age_s is None:
        return "no image has come yet"
    if facts.image_age_s > deadline_s:
        return f"no image for {facts.image_age_s:.1f} s"
    if facts.prediction_wait_s > deadline_s:
        return f"a prediction has been awaited for {facts.prediction_wait_s:.1f} s"
    if facts.empty_age_s is not None and facts.empty_age_s <= deadline_s:
        return ""
    if facts.prediction_age_s is None:
        return "no prediction yet: the first clip is not complete"
    if facts.prediction_age_s > deadline_s:
        return f"no prediction for {facts.prediction_age_s:.1f} s although images come"
    return ""
