# SPDX-License-Identifier: Apache-2.0
"""Smooth camera motion before the table, looking over it into the room."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from perception_kit.geometry import look_at

EYE = np.array([0.0, -1.16, 0.93])
TARGET = np.array([0.0, 2.9, 0.3])
"""Mean place of the camera and of the point that it looks at, metres in the world."""
EYE_SWING = np.array([0.2, 0.07, 0.06])
TARGET_SWING = np.array([0.28, 0.1, 0.08])
"""Amplitudes of the slow swings, metres."""
PERIODS = {"train": (9.0,), "val": (7.0, 14.0), "test": (11.3, 5.3, 2.9)}
"""Seconds of the slow swings of each split.

A single one is an orbit, two are a figure of eight, three never repeat.
"""
TREMOR_PERIODS = (0.83, 0.47)
TREMOR_POSITION = 0.002
TREMOR_ANGLE = 0.0025
"""Seconds, metres and radians of the hand's tremor."""


@dataclass(frozen=True)
class CameraPath:
    """Eye and target swing as sums of sines, and a hand trembles.

    Phases: (swings, 6) and (tremors, 6) radians.
    """

    periods: tuple[float, ...]
    swing_phases: np.ndarray
    tremor_phases: np.ndarray

    @staticmethod
    def sample(rng: np.random.Generator, split: str) -> CameraPath:
        """A random path of the split's kind."""
        periods = tuple(period * float(rng.uniform(0.9, 1.1)) for period in PERIODS[split])
        phases = rng.uniform(0, 2 * np.pi, (len(periods) + len(TREMOR_PERIODS), 6))
        return CameraPath(periods, phases[: len(periods)], phases[len(periods) :])

    def at(self, seconds: float) -> np.ndarray:
        """(4, 4) camera-to-world pose of the optical frame."""
        # Slow swings (6,) between -1 and 1: the second is half as large as the first, and so on.
        swing = np.zeros(6)
        for number, (period, phase) in enumerate(zip(self.periods, self.swing_phases, strict=True)):
            swing = swing + np.sin(2 * np.pi * seconds / period + phase) / (1 + number)
        swing = swing / sum(1 / (1 + number) for number in range(len(self.periods)))

        tremor = np.zeros(6)
        for period, phase in zip(TREMOR_PERIODS, self.tremor_phases, strict=True):
            tremor = tremor + np.sin(2 * np.pi * seconds / period + phase)

        eye = EYE + EYE_SWING * swing[:3] + TREMOR_POSITION * tremor[:3]
        target = TARGET + TARGET_SWING * swing[3:]
        camera = look_at(eye, target)
        shake = Rotation.from_rotvec(TREMOR_ANGLE * tremor[3:]).as_matrix()
        camera[:3, :3] = camera[:3, :3] @ shake
        return camera
