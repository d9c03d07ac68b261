# SPDX-License-Identifier: Apache-2.0
"""From the class probabilities of one clip after another to an answer: smoothing, "none of these",
and the fall alarm.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from actionrec_node.data.crops import CONTEXT

FALL = "falling"
NONE = ""  # the label where no class is sure enough


@dataclass(frozen=True)
class RecognizerConfig:
    """How a stream is watched and how its clips become answers.

    A clip is due every ``stride`` frames at the model's clip rate and starts over after ``max_gap``
    seconds without an image; a person's clip shows ``context`` times their box. ``smoothing`` in
    seconds, 0 for none; ``score_threshold``, ``fall_on`` and ``fall_off`` are probabilities. Raises
    ValueError for values that make no sense.
    """

    stride: int = 4
    max_gap: float = 0.5
    context: float = CONTEXT
    smoothing: float = 0.15
    score_threshold: float = 0.3
    fall_on: float = 0.75
    fall_off: float = 0.3

    def __post_init__(self) -> None:
        if self.stride < 1:
            raise ValueError(f"stride must be at least 1 frame, got {self.stride}")
        if self.context < 1:
            raise ValueError(
                f"context must be at least 1, the person's own box, got {self.context}"
            )
        if self.fall_off > self.fall_on:
            raise ValueError(
                f"fall_off must not be above fall_on, got {self.fall_off} and {self.fall_on}: the"
                " alarm would end at once"
            )


class Decision:
    """The answer for one person (or the whole image) over time.

    The alarm has hysteresis: it is on, and the label is "falling", from the clip that scores
    "falling" at least ``fall_on`` until one scores it below ``fall_off``. While it is off the label
    is the best of the other classes, or ``NONE`` where that scores below ``score_threshold``. A
    model without the class "falling" has no alarm.
    """

    def __init__(self, class_names: Sequence[str]) -> None:
        self.scores: np.ndarray | None = None
        self.fall_sign_ns: int | None = (
            None  # end of the first clip of this fall that scored at least fall_off
        )
        self.alarm = False
        self._names = tuple(class_names)
        self._fall = self._names.index(FALL) if FALL in self._names else None
        self._stamp_ns = 0

    def update(
        self, probabilities: np.ndarray, stamp_ns: int, config: RecognizerConfig
    ) -> tuple[str, float]:
        """Label and its score, from the probabilities (C,) of the clip that ends at ``stamp_ns``.

        Scores are an exponential moving average over time, so that the rate of predictions does not
        change their delay.
        """
        if self.scores is None or config.smoothing <= 0:
            self.scores = probabilities
        else:
            kept = math.exp(-(stamp_ns - self._stamp_ns) * 1e-9 / config.smoothing)
            self.scores = kept * self.scores + (1 - kept) * probabilities
        self._stamp_ns = stamp_ns
        self._update_alarm(stamp_ns, config)
        return self._answer(config.score_threshold)

    def _update_alarm(self, stamp_ns: int, config: RecognizerConfig) -> None:
        if self._fall is None:
            return
        score = self.scores[self._fall]
        if score < config.fall_off:
            self.alarm, self.fall_sign_ns = False, None
            return
        if self.fall_sign_ns is None:
            self.fall_sign_ns = stamp_ns
        self.alarm = self.alarm or score >= config.fall_on

    def _answer(self, score_threshold: float) -> tuple[str, float]:
        if self.alarm:
            return FALL, float(self.scores[self._fall])
        others = self.scores.copy()
        if self._fall is not None:
            others[self._fall] = -1.0
        best = int(others.argmax())
        score = float(others[best])
        return (self._names[best] if score >= score_threshold else NONE), max(score, 0.0)
