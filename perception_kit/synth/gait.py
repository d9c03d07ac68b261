# SPDX-License-Identifier: Apache-2.0
"""Walking and running as joint-angle curves over one gait cycle.

A cycle goes from heel strike to heel strike of the same foot. Sagittal curves start from the
normative data of Winter, "Biomechanics and Motor Control of Human Movement" (walking) and
Novacheck, "The biomechanics of running", Gait and Posture 7 (1998) (running), with hip angles taken
from the vertical. They were then moved by the few degrees (least squares) that make heel and toe of
the stance foot stay on the floor while the pelvis advances at a constant speed. Speed is not an
input: it follows from cadence, leg length and amplitude, because the stance foot stays in place.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import CubicSpline

from perception_kit.synth.person_skeleton import CHANNEL_INDEX, CHANNELS


def _cycle(points: dict[float, float]) -> CubicSpline:
    """Periodic smooth curve in radians from {percent of the cycle: degrees}.

    The value at 100 % is that at 0 %.
    """
    percent = np.array([*sorted(points), 100.0])
    values = np.array([points[p] for p in sorted(points)] + [points[0]])
    return CubicSpline(percent / 100, np.deg2rad(values), bc_type="periodic")


WALK_CURVES = {
    "hip_flex": _cycle(
        {0: 21, 10: 18, 20: 11, 30: -1, 40: -11, 50: -13, 57: -10, 65: -1, 75: 15, 85: 30, 93: 26}
    ),
    "knee": _cycle(
        {0: 5, 7: 11, 15: 16, 25: 12, 38: 4, 47: 10, 55: 24, 63: 41, 71: 61, 80: 50, 90: 16, 96: 6}
    ),
    "ankle": _cycle(
        {0: -3, 6: -5, 15: 3, 30: 11, 45: 14, 52: 9, 60: -9, 64: -21, 72: -5, 82: 5, 92: 0}
    ),
}
RUN_CURVES = {
    "hip_flex": _cycle(
        {0: 33, 10: 27, 20: 10, 30: -10, 38: -17, 45: -9, 55: 6, 68: 33, 80: 54, 90: 36}
    ),
    "knee": _cycle(
        {0: 23, 8: 37, 16: 38, 26: 26, 36: 19, 42: 29, 52: 61, 62: 100, 72: 94, 84: 54, 93: 19}
    ),
    "ankle": _cycle({0: 1, 8: 12, 18: 26, 28: 21, 37: -5, 43: -23, 55: -10, 72: -1, 88: 7}),
}
RUN_STANCE = 0.38
"""Fraction of the running cycle in which a foot is on the ground; in walking it is about 0.6."""


@dataclass(frozen=True)
class GaitStyle:
    """One person's way of walking or running.

    ``cadence`` steps per second; ``amplitude`` and ``knee_lift`` scale the swing of hips and knees;
    ``lean``, ``arm_swing``, ``elbow`` and ``arm_abduct`` in degrees; ``bounce`` is how high a
    runner flies, metres.
    """

    running: bool
    cadence: float
    amplitude: float
    lean: float
    arm_swing: float
    elbow: float
    arm_abduct: float
    knee_lift: float
    bounce: float = 0.0

    @staticmethod
    def sample(rng: np.random.Generator, running: bool) -> GaitStyle:
        """Random style: walks of about 0.8 to 1.6 m/s, runs of about 2 to 4 m/s."""
        # Who goes faster takes longer steps as well as more of them.
        effort = rng.uniform(0, 1)

        if running:
            return GaitStyle(
                True,
                cadence=2.55 + 0.55 * effort + rng.uniform(-0.08, 0.1),
                amplitude=0.85 + 0.32 * effort + rng.uniform(-0.05, 0.05),
                lean=rng.uniform(5, 13),
                arm_swing=rng.uniform(26, 48),
                elbow=rng.uniform(75, 105),
                arm_abduct=rng.uniform(8, 20),
                knee_lift=rng.uniform(0.85, 1.1),
                bounce=rng.uniform(0.03, 0.08),
            )

        return GaitStyle(
            False,
            cadence=1.65 + 0.4 * effort + rng.uniform(-0.05, 0.05),
            amplitude=0.95 + 0.32 * effort + rng.uniform(-0.06, 0.06),
            lean=rng.uniform(0, 6),
            arm_swing=rng.uniform(8, 30),
            elbow=rng.uniform(12, 32),
            arm_abduct=rng.uniform(4, 10),
            knee_lift=rng.uniform(0.92, 1.08),
        )

    def poses(self, phase: np.ndarray) -> np.ndarray:
        """(T, channels) poses at (T,) gait cycles.

        1 is two steps; the left foot lands at whole numbers.
        """
        channels = np.zeros((len(phase), len(CHANNELS)))

        def put(name: str, values: np.ndarray | float) -> None:
            channels[:, CHANNEL_INDEX[name]] = values

        running = self.running
        curves = RUN_CURVES if running else WALK_CURVES
        for side, shift in (("left", 0.0), ("right", 0.5)):
            # Legs follow the curves.
            cycle = (phase + shift) % 1
            hip = curves["hip_flex"](cycle)
            put(f"{side}_hip_flex", hip * self.amplitude)
            put(f"{side}_hip_abduct", np.deg2rad(-2.0))
            put(f"{side}_knee", curves["knee"](cycle) * self.knee_lift)
            put(f"{side}_ankle", curves["ankle"](cycle))

            # An arm swings forward with the leg of the other side, whose foot lands at 0.5.
            swing = np.cos(2 * np.pi * (cycle - 0.5 - (0.02 if running else 0.0)))
            shoulder = (-4 if running else 2) + self.arm_swing * swing
            elbow = self.elbow + (16 if running else 9) * swing
            put(f"{side}_shoulder_flex", np.deg2rad(shoulder))
            put(f"{side}_shoulder_abduct", np.deg2rad(self.arm_abduct))
            put(f"{side}_shoulder_rotate", np.deg2rad(18 if running else 8))
            put(f"{side}_elbow", np.deg2rad(elbow))

        # Pelvis and shoulders turn against each other, and the trunk sways over the stance foot.
        sway = np.sin(2 * np.pi * phase)
        twist = np.cos(2 * np.pi * phase)
        put("root_yaw", np.deg2rad(-5 if running else -4) * twist)
        put("spine_twist", np.deg2rad(7 if running else 5) * twist)
        put("root_roll", np.deg2rad(2.0) * sway)
        put("spine_side", np.deg2rad(-2.5) * sway)

        # The trunk leans forward, the head stays upright.
        put("root_pitch", np.deg2rad(0.45 * self.lean))
        put("spine_flex", np.deg2rad(0.55 * self.lean))
        put("neck_flex", np.deg2rad(-0.7 * self.lean))

        # Between the stances of the two feet a runner flies along a parabola.
        if running:
            step = (2 * phase) % 1
            flight = np.clip((step - 2 * RUN_STANCE) / (1 - 2 * RUN_STANCE), 0, 1)
            put("clearance", self.bounce * 4 * flight * (1 - flight))
        return channels
