# SPDX-License-Identifier: Apache-2.0
"""Everyday movements that are neither locomotion nor a fall.

Each starts and ends standing, seated or on the floor as its name says.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from perception_kit.synth.motion_keyframes import STAND, KeyframedMotion, Posture, mirrored, posture
from perception_kit.synth.motion_postures import (
    ALL_FOURS,
    CROUCH,
    FLOOR_SIT,
    HALF_KNEEL,
    LEAN_BACK,
    PRONE,
    RISING,
    SEATED,
    SUPINE,
)
from perception_kit.synth.motion_settle import settle_on_floor
from perception_kit.synth.person_skeleton import CHANNEL_INDEX

Builder = Callable[[np.random.Generator], KeyframedMotion]

_SWAYS: tuple[Posture, ...] = (
    {},
    {},
    {"shoulder_flex": 28, "elbow": 100, "shoulder_rotate": 70},
    {"shoulder_flex": -12, "elbow": 48, "shoulder_abduct": 16},
    {"shoulder_abduct": 35, "elbow": 85, "shoulder_rotate": 45, "shoulder_flex": -12},
    {"right_shoulder_flex": 35, "right_elbow": 130, "right_shoulder_abduct": 20},
    {"shoulder_flex": 35, "elbow": 75, "shoulder_rotate": 25, "neck_flex": 25},
)
"""Arms at the sides (twice as often), crossed, in the pockets, on the hips, or at a phone."""
_STRETCHES = {"spine_side": 28, "spine_twist": 35, "shoulder_flex": 165, "shoulder_abduct": 85}
"""Largest angles of stretching, degrees."""
_GRAVITY = 9.81
"""m/s²."""


def sway_posture(rng: np.random.Generator) -> np.ndarray:
    """A random standing posture."""
    arms = _SWAYS[rng.integers(len(_SWAYS))]
    feet = {"left_hip_abduct": rng.uniform(1, 7), "right_hip_abduct": rng.uniform(1, 7)}
    pose = posture(STAND, arms, feet)
    return mirrored(pose) if rng.random() < 0.5 else pose


def _varied(
    rng: np.random.Generator, poses: Sequence[np.ndarray], spread: float = 0.12
) -> list[np.ndarray]:
    """The poses with every angle scaled by its own factor, and mirrored half of the time.

    Factors are the same in all poses.
    """
    scale = rng.uniform(1 - spread, 1 + spread, poses[0].shape)
    scaled = [pose * scale for pose in poses]
    return [mirrored(pose) for pose in scaled] if rng.random() < 0.5 else scaled


def _timed(
    rng: np.random.Generator, durations: Sequence[float], poses: Sequence[np.ndarray]
) -> KeyframedMotion:
    """Motion through varied poses at a random pace, each step taking about its seconds."""
    pace = rng.uniform(0.8, 1.25)
    times = np.concatenate([[0.0], np.cumsum(np.array(durations) * pace)])
    return KeyframedMotion(times, _varied(rng, poses))


def pick_up(rng: np.random.Generator) -> KeyframedMotion:
    """Bend or squat to the floor, reach for something and stand up again."""
    bend: Posture = {"root_pitch": 62, "spine_flex": 52, "neck_flex": -10}
    bend |= {"hip_flex": 78, "knee": 28, "ankle": 8}
    bend |= {"right_shoulder_flex": 75, "left_shoulder_flex": 45}
    squat = {**CROUCH, "right_shoulder_flex": 75, "right_elbow": 5}

    stand, low = posture(STAND), posture(bend if rng.random() < 0.5 else squat)
    return _timed(rng, [0.9, rng.uniform(0.2, 0.8), 1.0], [stand, low, low, stand])


def wave(rng: np.random.Generator) -> KeyframedMotion:
    """Wave with a raised hand."""
    up: Posture = {"right_shoulder_flex": 100, "right_shoulder_abduct": 60, "right_elbow": 70}
    poses = [posture(STAND)]
    for swing in range(int(rng.integers(4, 9))):
        poses.append(posture(STAND, up, {"right_shoulder_rotate": -40 + 55 * (swing % 2)}))
    return _timed(rng, [0.6] + [0.28] * (len(poses) - 2) + [0.6], [*poses, posture(STAND)])


def reach(rng: np.random.Generator) -> KeyframedMotion:
    """Reach up to a shelf or forward to a table with one or both arms."""
    height, bend = rng.uniform(60, 170), rng.uniform(-5, 25)
    target: Posture = {"right_shoulder_flex": height, "right_elbow": 12, "spine_flex": bend}
    if rng.random() < 0.5:
        target |= {"left_shoulder_flex": height, "left_elbow": 12}

    poses = [posture(STAND), posture(STAND, target), posture(STAND, target), posture(STAND)]
    return _timed(rng, [0.8, rng.uniform(0.3, 1.5), 0.8], poses)


def jump(rng: np.random.Generator) -> KeyframedMotion:
    """One to four jumps on the spot; the flight is ballistic."""
    height = rng.uniform(0.10, 0.30)
    flight = 2 * np.sqrt(2 * height / _GRAVITY)
    arms = rng.choice([40.0, 110.0, 160.0])

    dip: Posture = {"root_pitch": 12, "spine_flex": 15, "shoulder_flex": -35, "elbow": 25}
    dip |= {"hip_flex": 55, "knee": 70, "ankle": 25}
    air: Posture = {"hip_flex": 5, "knee": 8, "ankle": -30, "shoulder_flex": arms, "elbow": 20}
    landing: Posture = {**air, "ankle": -5, "knee": 15}

    times, poses = [0.0], [posture(STAND)]
    for _ in range(int(rng.integers(1, 5))):
        # Down, and up from the toes.
        start = times[-1] + 0.45
        takeoff = start + 0.18
        times += [start, takeoff]
        poses += [posture(dip), posture(air)]

        # The parabola by three of its points.
        for fraction in (0.25, 0.5, 0.75):
            times.append(takeoff + fraction * flight)
            poses.append(posture(air, {"clearance": 4 * height * fraction * (1 - fraction)}))

        # The knees catch the body.
        times += [takeoff + flight, start + 0.36 + flight]
        poses += [posture(landing), posture(dip, {"shoulder_flex": 10})]
    return KeyframedMotion([*times, times[-1] + 0.5], [*poses, posture(STAND)])


def crouch(rng: np.random.Generator) -> KeyframedMotion:
    """Crouch or kneel on one knee for a while."""
    stand, low = posture(STAND), posture(CROUCH if rng.random() < 0.5 else HALF_KNEEL)
    down, stay = rng.uniform(0.6, 1.2), rng.uniform(0.5, 2.5)
    return _timed(rng, [down, stay, 1.0], [stand, low, low, stand])


def stretch(rng: np.random.Generator) -> KeyframedMotion:
    """Arm circles, side bends and twists."""
    names = list(_STRETCHES)
    poses = [posture(STAND)]
    for turn in range(int(rng.integers(3, 7))):
        name = names[rng.integers(len(names))]
        sign = 1 if turn % 2 or name.startswith("shoulder") else -1
        poses.append(posture(STAND, {name: sign * _STRETCHES[name] * rng.uniform(0.5, 1)}))
    return _timed(rng, [0.7] * len(poses), [*poses, posture(STAND)])


def sit_down(rng: np.random.Generator, seconds: float) -> KeyframedMotion:
    """Sit down on a seat, or drop onto it, within 0.6 to 1.5 s; seated until ``seconds``."""
    down = min(rng.uniform(0.6, 1.5), 0.8 * seconds)
    look_around = posture(SEATED, {"neck_twist": 30, "elbow": 75})
    poses = [posture(STAND), posture(RISING), posture(SEATED), look_around]
    times = [0.0, 0.6 * down, down, seconds]
    return KeyframedMotion(times, _varied(rng, poses, spread=0.05), seated=(down, seconds))


def sit_and_rise(rng: np.random.Generator, stay: float | None = None) -> KeyframedMotion:
    """Sit down on a seat, stay for so many seconds (None: a few), and stand up."""
    stand, rising, seated = posture(STAND), posture(RISING), posture(SEATED)
    poses = _varied(rng, [stand, rising, seated, seated, rising, stand], spread=0.05)

    down, rise, short = rng.uniform(0.6, 1.5), rng.uniform(0.9, 1.5), rng.uniform(0.8, 3.5)
    stay = short if stay is None else stay
    times = np.cumsum([0.0, 0.6 * down, 0.4 * down, stay, 0.45 * rise, 0.55 * rise])
    return KeyframedMotion(times, poses, seated=(down, down + stay))


def get_up(rng: np.random.Generator, lying: np.ndarray) -> KeyframedMotion:
    """From the lying pose (channels,) to standing, in 2 to 4 seconds."""
    pitch = np.rad2deg(lying[CHANNEL_INDEX["root_pitch"]])
    roll = np.rad2deg(lying[CHANNEL_INDEX["root_roll"]])

    if pitch > 45:  # on the front: over all fours
        path = [posture(ALL_FOURS), posture(HALF_KNEEL)]
    elif pitch < -45:  # on the back: over sitting
        path = [posture(LEAN_BACK), posture(FLOOR_SIT), posture(CROUCH, {"root_pitch": 25})]
    else:  # on a side: over sitting and a knee
        path = [
            posture(LEAN_BACK, {"root_roll": 0.5 * roll}),
            posture(FLOOR_SIT, {"root_roll": 0.2 * roll}),
            posture(HALF_KNEEL),
        ]
    path.append(posture(STAND))

    # A fall may have turned the body; it gets up facing that way.
    for pose in path:
        pose[CHANNEL_INDEX["root_yaw"]] = lying[CHANNEL_INDEX["root_yaw"]]
    seconds = rng.uniform(2.3, 3.9)
    return KeyframedMotion(np.linspace(0, seconds, len(path) + 1), [lying, *path])


def lie_down(rng: np.random.Generator) -> KeyframedMotion:
    """Lie down on purpose, over crouching and sitting or kneeling, in 2.7 to 4.5 seconds."""
    if rng.random() < 0.6:
        down = [CROUCH, FLOOR_SIT, LEAN_BACK]
        rest = SUPINE
    else:
        down = [HALF_KNEEL, ALL_FOURS]
        rest = PRONE
    path = [posture(STAND), *(posture(key) for key in down), settle_on_floor(posture(rest))]
    seconds = rng.uniform(2.7, 4.5)
    return KeyframedMotion(np.linspace(0, seconds, len(path)), path)


EVERYDAY: tuple[Builder, ...] = (pick_up, wave, reach, jump, crouch, stretch)
