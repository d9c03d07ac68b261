# SPDX-License-Identifier: Apache-2.0
"""Decides on a person's action from the class probabilities of one clip after another.

Scores are smoothed over time, a weak best class is "none of these", and falls raise an alarm, which
lasts while the person lies.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from actionrec_node.config import RecognizerConfig
from perception_kit.alarm_classes import default_alarm_classes, default_lying_classes
from perception_kit.colors import FALL_LABEL, NOBODY_LABEL
from perception_kit.types import FallAlarm

NONE = ""  # the label where no class scores high enough
# Lying confirms an alarm from this fraction of the fall's score on. Somebody who has just fallen
# still looks like falling; of false alarms hardly any is followed by lying at all.
_CONFIRMING = 0.5


class Decision:
    """The label of one person (or of the whole image) over time.

    The alarm has hysteresis: it goes on with the clip that scores a fall at least ``fall_on``, but
    not with the first one, before which nothing is known, and off with one that scores falling and
    lying together below ``fall_off``: not before the person gets up. A fall scores the sum of the
    ``alarm_classes``, lying that of the ``lying_classes``. A later clip in which lying scores at
    least half of the fall confirms the alarm, which then goes off only when all clips of
    ``fall_hold`` seconds were below ``fall_off``: of who lies still, some clips look like something
    else. While it is on, the label is that of lying where this scores higher than the fall, and
    else "falling" whatever the model calls it. While it is off, or about to go off, the label is
    the best of the classes that raise no alarm, or ``NONE`` where that scores below
    ``score_threshold``. A model without alarm classes has no alarm, one with the class "nobody" has
    no label where that is the best.

    ``scores`` (C,) are the smoothed probabilities, empty before the first clip; ``alarm`` is the
    alarm that is on. Its first sign is the first clip of the fall that scored at least
    ``fall_off``.
    """

    def __init__(
        self,
        class_names: Sequence[str],
        alarm_classes: Sequence[str] | None = None,
        lying_classes: Sequence[str] | None = None,
    ) -> None:
        self.scores = np.zeros(0)
        self.alarm: FallAlarm | None = None

        self._names = tuple(class_names)
        if alarm_classes is None:
            alarm_classes = default_alarm_classes(self._names)
        if lying_classes is None:
            lying_classes = default_lying_classes(self._names)
        self._nobody = self._names.index(NOBODY_LABEL) if NOBODY_LABEL in self._names else None
        self._falls = [self._names.index(name) for name in alarm_classes]
        self._lying = [self._names.index(name) for name in lying_classes]
        self._first_sign_ns: int | None = None
        self._below_since_ns: int | None = None
        self._stamp_ns = 0

    def hold(self, alarm: FallAlarm) -> None:
        """Go on with an alarm that was on; it ends as any other, by the scores of clips."""
        if self._falls:
            self.alarm, self._first_sign_ns = alarm, alarm.first_sign_ns

    def update(
        self, probabilities: np.ndarray, stamp_ns: int, config: RecognizerConfig
    ) -> tuple[str, float]:
        """Label and its score, from the probabilities (C,) of the clip that ends at ``stamp_ns``.

        Scores are an exponential moving average over time, so that the rate of predictions does not
        change their delay.
        """
        is_first = not len(self.scores)
        if is_first or config.smoothing <= 0:
            self.scores = probabilities
        else:
            kept = math.exp(-(stamp_ns - self._stamp_ns) * 1e-9 / config.smoothing)
            self.scores = kept * self.scores + (1 - kept) * probabilities
        self._stamp_ns = stamp_ns

        self._update_alarm(stamp_ns, config, is_first)
        return self._label(config.score_threshold)

    @property
    def is_nobody(self) -> bool:
        """Whether the clips show nobody."""
        if self._nobody is None or self.alarm is not None or not len(self.scores):
            return False
        return int(self.scores.argmax()) == self._nobody

    def _update_alarm(self, stamp_ns: int, config: RecognizerConfig, is_first: bool) -> None:
        if not self._falls:
            return
        fall, lying = self._score(self._falls), self._score(self._lying)

        # Below the lower threshold the fall, if there was one, is over.
        if (fall if self.alarm is None else fall + lying) < config.fall_off:
            if self._below_since_ns is None:
                self._below_since_ns = stamp_ns
            if not self._is_held(stamp_ns, config):
                self.alarm = self._first_sign_ns = self._below_since_ns = None
            return
        self._below_since_ns = None

        # Between the two the alarm stays as it is, but a fall may have begun.
        if self._first_sign_ns is None:
            self._first_sign_ns = stamp_ns
        if self.alarm is None and fall >= config.fall_on and not is_first:
            self.alarm = FallAlarm(self._first_sign_ns, stamp_ns)
        elif (
            self.alarm is not None
            and self.alarm.confirmed_ns is None
            and lying >= _CONFIRMING * fall
        ):
            self.alarm = replace(self.alarm, confirmed_ns=stamp_ns)

    def _is_held(self, stamp_ns: int, config: RecognizerConfig) -> bool:
        """Whether an alarm that lying confirmed goes on, although the scores are low."""
        if self.alarm is None or self.alarm.confirmed_ns is None or self._below_since_ns is None:
            return False
        return (stamp_ns - self._below_since_ns) * 1e-9 < config.fall_hold

    def _score(self, classes: list[int]) -> float:
        """Probability that it is one of the classes, which exclude each other."""
        return min(float(self.scores[classes].sum()), 1.0)

    def _label(self, score_threshold: float) -> tuple[str, float]:
        if self.alarm is not None and self._below_since_ns is None:
            fall, lying = self._score(self._falls), self._score(self._lying)
            if fall >= lying:
                return FALL_LABEL, fall
            return self._names[max(self._lying, key=lambda index: self.scores[index])], lying

        # Without an alarm, or when it is about to end, a fall is not a choice.
        candidates = self.scores.copy()
        candidates[self._falls] = -1.0
        best = int(candidates.argmax())
        score = float(candidates[best])
        is_action = best != self._nobody and score >= score_threshold
        return (self._names[best] if is_action else NONE), max(score, 0.0)
