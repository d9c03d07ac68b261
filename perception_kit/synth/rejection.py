# SPDX-License-Identifier: Apache-2.0
"""Rejection sampling with a limited number of tries."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

Sample = TypeVar("Sample")


def best_of(
    tries: int,
    draw: Callable[[], Sample],
    score: Callable[[Sample], float],
    is_good: Callable[[float], bool],
) -> Sample:
    """The first of up to ``tries`` samples with a good score, or the one that scores highest."""
    best = draw()
    best_score = score(best)
    for _ in range(tries - 1):
        if is_good(best_score):
            break
        sample = draw()
        sample_score = score(sample)
        if sample_score > best_score:
            best, best_score = sample, sample_score
    return best
