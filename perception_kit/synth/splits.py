# SPDX-License-Identifier: Apache-2.0
"""Training, validation and test draw from pools of their own, with random numbers of their own."""

from __future__ import annotations

import numpy as np

SPLITS = ("train", "val", "test")


def seeded(split: str, *key: int) -> np.random.Generator:
    """Random numbers of one split and key (seed, frame, …), the same in every run."""
    return np.random.default_rng([SPLITS.index(split), *key])
