# SPDX-License-Identifier: Apache-2.0
"""Postures by name and smooth motion through key postures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.interpolate import PchipInterpolator

from perception_kit.synth.person_skeleton import CHANNEL_INDEX, CHANNELS

Posture = dict[str, float]
"""Angles in degrees by channel; a limb channel without a side sets both sides."""

STAND: Posture = {
    "shoulder_abduct": 6,
    "elbow": 14,
    "hip_abduct": 2,
    "knee": 3,
    "hip_flex": 2,
    "ankle": 1,
}

_SIGN_CHANGES = ("root_roll", "root_yaw", "spine_side", "spine_twist", "neck_side", "neck_twist")
"""Channels of the middle of the body that a mirror turns around."""


def posture(*layers: Mapping[str, float]) -> np.ndarray:
    """(channels,) pose of angles in degrees (``clearance`` in metres); later layers override.

    Raises KeyError for an unknown channel.
    """
    channels = np.zeros(len(CHANNELS))
    for layer in layers:
        for name, value in layer.items():
            names = [name] if name in CHANNEL_INDEX else [f"left_{name}", f"right_{name}"]
            for channel in names:
                is_length = name == "clearance"
                channels[CHANNEL_INDEX[channel]] = value if is_length else np.deg2rad(value)
    return channels


def mirrored(channels: np.ndarray) -> np.ndarray:
    """The same poses (..., channels) with left and right exchanged."""
    result = channels.copy()
    for name, index in CHANNEL_INDEX.items():
        if name.startswith("left_"):
            opposite = CHANNEL_INDEX[f"right_{name.removeprefix('left_')}"]
            result[..., [index, opposite]] = channels[..., [opposite, index]]
        elif name in _SIGN_CHANGES:
            result[..., index] = -channels[..., index]
    return result


class KeyframedMotion:
    """Motion through poses (K, channels) at increasing ``times`` (K,) seconds.

    The first and last pose are held outside. ``seated`` (from, until) seconds between which the
    body rests on a seat, None when it never does.
    """

    def __init__(
        self,
        times: Sequence[float] | np.ndarray,
        poses: Sequence[np.ndarray],
        seated: tuple[float, float] | None = None,
    ) -> None:
        self.duration = float(times[-1])
        self.seated = seated
        self._times = np.asarray(times, float)
        self._curve = PchipInterpolator(self._times, np.stack(poses))

    def __call__(self, t: np.ndarray) -> np.ndarray:
        """(T, channels) poses at (T,) seconds."""
        return self._curve(np.clip(t, self._times[0], self._times[-1]))


class Fidget:
    """Small slow movements that no living body is without: a few random sinusoids per channel.

    ``amplitudes`` maps channels (or limb channels without a side) to degrees; ``rate`` scales the
    frequencies (about 0.1 to 0.6 Hz at 1).
    """

    def __init__(
        self, rng: np.random.Generator, amplitudes: Mapping[str, float], rate: float = 1.0
    ) -> None:
        self._amplitudes = posture(amplitudes)
        self._frequencies = rng.uniform(0.1, 0.6, (3, len(CHANNELS))) * rate
        self._phases = rng.uniform(0, 2 * np.pi, (3, len(CHANNELS)))

    def __call__(self, t: np.ndarray) -> np.ndarray:
        """(T, channels) offsets at (T,) seconds."""
        waves = np.sin(2 * np.pi * self._frequencies[None] * t[:, None, None] + self._phases[None])
        return waves.mean(axis=1) * self._amplitudes
