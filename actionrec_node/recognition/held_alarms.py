# SPDX-License-Identifier: Apache-2.0
"""Fall alarms that are on, which outlive a gap in the images and the process that raised them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from perception_kit.types import ActionEstimate, FallAlarm

# An alarm is taken up again after so long at the most: by then somebody else may lie there.
HOLD_NS = 60 * 1_000_000_000


@dataclass(frozen=True)
class HeldAlarm:
    """The newest action of somebody whose alarm is on, and the alarm."""

    action: ActionEstimate
    alarm: FallAlarm

    def to_json(self) -> dict[str, Any]:
        """Plain values, for a state file."""
        scores = [float(score) for score in self.action.class_scores]
        action = {**vars(self.action), "class_scores": scores}
        return {"action": action, "alarm": vars(self.alarm)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> HeldAlarm:
        """The inverse of ``to_json``. Raises KeyError, TypeError or ValueError for other values."""
        given = values["action"]
        scores = np.array(given["class_scores"], np.float64).reshape(-1)
        score = float(given["score"])
        if not np.isfinite([score, *scores]).all():
            raise ValueError("scores that are not finite")
        action = ActionEstimate(
            label=str(given["label"]),
            score=score,
            class_scores=scores,
            clip_start_ns=int(given["clip_start_ns"]),
            clip_end_ns=int(given["clip_end_ns"]),
            track_id=int(given["track_id"]),
        )
        times = values["alarm"]
        confirmed_ns = times["confirmed_ns"]
        alarm = FallAlarm(
            int(times["first_sign_ns"]),
            int(times["raised_ns"]),
            None if confirmed_ns is None else int(confirmed_ns),
        )
        return cls(action, alarm)


class HeldAlarms:
    """Alarms that are on, by track id."""

    def __init__(self) -> None:
        self._alarms: dict[int, HeldAlarm] = {}

    def update(self, action: ActionEstimate, alarm: FallAlarm | None) -> None:
        """A clip was classified; ``alarm`` is None where it is off."""
        if alarm is None:
            self._alarms.pop(action.track_id, None)
        else:
            self._alarms[action.track_id] = HeldAlarm(action, alarm)

    def end(self, track_id: int) -> None:
        """The alarm of somebody is over, whatever the scores."""
        self._alarms.pop(track_id, None)

    def hand_over(self, track_id: int, to: int) -> None:
        """Somebody's track goes on under another id."""
        if (held := self._alarms.pop(track_id, None)) is not None:
            self._alarms[to] = replace(held, action=replace(held.action, track_id=to))

    def of(self, track_id: int, stamp_ns: int) -> HeldAlarm | None:
        """The alarm of somebody who is seen again at ``stamp_ns``, where theirs is on."""
        held = self._alarms.get(track_id)
        if held is None or not 0 <= stamp_ns - held.action.clip_end_ns <= HOLD_NS:
            return None
        return held

    def on(self, track_ids: Collection[int]) -> list[FallAlarm]:
        """The alarms of these, by track id."""
        return [
            replace(held.alarm, track_id=track_id)
            for track_id, held in sorted(self._alarms.items())
            if track_id in track_ids
        ]

    def clear(self) -> None:
        """No alarm is on."""
        self._alarms.clear()

    def state(self) -> dict[str, Any]:
        """What another process needs to go on: see ``restore``."""
        return {"alarms": [held.to_json() for held in self._alarms.values()]}

    def restore(self, state: Mapping[str, Any], num_classes: int) -> None:
        """Take up the ``state`` of an earlier process.

        Raises ValueError where it is none, or of a model with other classes.
        """
        try:
            held = [HeldAlarm.from_json(values) for values in state["alarms"]]
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise ValueError(f"these are no alarms ({error!r})") from error
        if any(len(alarm.action.class_scores) != num_classes for alarm in held):
            raise ValueError(f"alarms of a model that has not {num_classes} classes")
        self._alarms = {alarm.action.track_id: alarm for alarm in held}
