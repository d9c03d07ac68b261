# SPDX-License-Identifier: Apache-2.0
"""Decides on a person's action from the class probabilities of one clip after another.

Scores are smoothed over time, a weak best class is "none of these", and falls raise an alarm.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from actionrec_node.config import RecognizerConfig
from perception_kit.alarm_classes import default_alarm_classes
from perception_kit.colors import FALL_LABEL, NOBODY_LABEL

NONE = ""  # the label where no class scores high enough


class Decision:
    """The label of one person (or of the whole image) over time.

    The alarm has hysteresis: it is on, and the label is "falling" whatever the model calls it, from
    the clip that scores a fall at least ``fall_on`` until one scores it below ``fall_off``. A fall
    scores the sum of the ``alarm_classes``. While the alarm is off the label is the best of the
    other classes, or ``NONE`` where that scores below ``score_threshold``. A model without alarm
    classes has no alarm, one with the class "nobody" has no label where that is the best.

    ``scores`` (C,) are the smoothed probabilities, empty before the first clip. ``fall_sign_ns`` is
    the end of the first clip of this fall that scored at least ``fall_off``.
    """

    def __init__(
        self, class_names: Sequence[str], alarm_classes: Sequence[str] | None = None
    ) -> None:
        self.scores = np.zeros(0)
        self.fall_sign_ns: int | None = None
        self.alarm = False

        self._names = tuple(class_names)
        if alarm_classes is None:
            alarm_classes = default_alarm_classes(self._names)
        self._nobody = self._names.index(NOBODY_LABEL) if NOBODY_LABEL in self._names else None
        self._falls = [self._names.index(name) for name in alarm_classes]
        self._stamp_ns = 0

    def hold(self, fall_sign_ns: int) -> None:
        """Go on with an alarm that was on; it ends as any other, by the scores of clips."""
        if self._falls:
            self.alarm, self.fall_sign_ns = True, fall_sign_ns

    def update(
        self, probabilities: np.ndarray, stamp_ns: int, config: RecognizerConfig
    ) -> tuple[str, float]:
        """Label and its score, from the probabilities (C,) of the clip that ends at ``stamp_ns``.

        Scores are an exponential moving average over time, so that the rate of predictions does not
        change their delay.
        """
        if not len(self.scores) or config.smoothing <= 0:
            self.scores = probabilities
        else:
            kept = math.exp(-(stamp_ns - self._stamp_ns) * 1e-9 / config.smoothing)
            self.scores = kept * self.scores + (1 - kept) * probabilities
        self._stamp_ns = stamp_ns

        self._update_alarm(stamp_ns, config)
        return self._label(config.score_threshold)

    @property
    def is_nobody(self) -> bool:
        """Whether the clips show nobody."""
        if self._nobody is None or self.alarm or not len(self.scores):
            return False
        return int(self.scores.argmax()) == self._nobody

    def _update_alarm(self, stamp_ns: int, config: RecognizerConfig) -> None:
        if not self._falls:
            return
        score = self._fall_score()

        # Below the lower threshold the fall, if there was one, is over.
        if score < config.fall_off:
            self.alarm, self.fall_sign_ns = False, None
            return

        # Between the two the alarm stays as it is, but a fall may have begun.
        if self.fall_sign_ns is None:
            self.fall_sign_ns = stamp_ns
        self.alarm = self.alarm or bool(score >= config.fall_on)

    def _fall_score(self) -> float:
        """Probability of a fall: the classes exclude each other."""
        return min(float(self.scores[self._falls].sum()), 1.0)

    def _label(self, score_threshold: float) -> tuple[str, float]:
        if self.alarm:
            return FALL_LABEL, self._fall_score()

        # Without an alarm a fall is not a choice.
        candidates = self.scores.copy()
        candidates[self._falls] = -1.0
        best = int(candidates.argmax())
        score = float(candidates[best])
        is_action = best != self._nobody and score >= score_threshold
        return (self._names[best] if is_action else NONE), max(score, 0.0)
