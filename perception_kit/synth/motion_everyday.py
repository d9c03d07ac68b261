# SPDX-License-Identifier: Apache-2.0
"""Everyday movements that are neither locomotion nor a fall: each starts and ends standing, seated
or on the floor as its name says.
"""

from __future__ import annotations

from collections.abc import Callable

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

Builder = Callable[[np.random.Generator], KeyframedMotion]


def sway_posture(rng: np.random.Generator) -> np.ndarray:
    """A standing posture with arms at the sides, crossed, in the pockets, on the hips or at a
    phone.
    """
    options: list[Posture] = [
        {},
        {},
        {"shoulder_flex": 28, "elbow": 100, "shoulder_rotate": 70},
        {"shoulder_flex": -12, "elbow": 48, "shoulder_abduct": 16},
        {"shoulder_abduct": 35, "elbow": 85, "shoulder_rotate": 45, "shoulder_flex": -12},
        {"right_shoulder_flex": 35, "right_elbow": 130, "right_shoulder_abduct": 20},
        {"shoulder_flex": 35, "elbow": 75, "shoulder_rotate": 25, "neck_flex": 25},
    ]
    pose = posture(
        STAND,
        options[rng.integers(len(options))],
        {"left_hip_abduct": rng.uniform(1, 7), "right_hip_abduct": rng.uniform(1, 7)},
    )
    return mirrored(pose) if rng.random() < 0.5 else pose


def _varied(
    rng: np.random.Generator, poses: list[np.ndarray], spread: float = 0.12
) -> list[np.ndarray]:
    """The poses with every angle scaled by its own factor, the same in all poses, and mirrored half
    of the time.
    """
    scale = rng.uniform(1 - spread, 1 + spread, poses[0].shape)
    scaled = [pose * scale for pose in poses]
    return [mirrored(pose) for pose in scaled] if rng.random() < 0.5 else scaled


def _timed(
    rng: np.random.Generator, durations: list[float], poses: list[np.ndarray], spread: float = 0.12
) -> KeyframedMotion:
    """Motion through varied poses, each step taking about its duration (seconds) at a common random
    pace.
    """
    pace = rng.uniform(0.8, 1.25)
    return KeyframedMotion(
        np.concatenate([[0.0], np.cumsum(np.array(durations) * pace)]), _varied(rng, poses, spread)
    )


def pick_up(rng: np.random.Generator) -> KeyframedMotion:
    """Bend or squat to the floor, reach for something and stand up again."""
    bend: Posture = {
        "root_pitch": 62,
        "hip_flex": 78,
        "spine_flex": 52,
        "knee": 28,
        "ankle": 8,
        "right_shoulder_flex": 75,
        "left_shoulder_flex": 45,
        "neck_flex": -10,
    }
    squat = {**CROUCH, "right_shoulder_flex": 75, "right_elbow": 5}
    low = posture(bend if rng.random() < 0.5 else squat)
    stand = posture(STAND)
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
    height = rng.uniform(60, 170)
    target: Posture = {
        "right_shoulder_flex": height,
        "right_elbow": 12,
        "spine_flex": rng.uniform(-5, 25),
    }
    if rng.random() < 0.5:
        target |= {"left_shoulder_flex": height, "left_elbow": 12}
    poses = [posture(STAND), posture(STAND, target), posture(STAND, target), posture(STAND)]
    return _timed(rng, [0.8, rng.uniform(0.3, 1.5), 0.8], poses)


def jump(rng: np.random.Generator) -> KeyframedMotion:
    """One to four jumps on the spot; the flight is ballistic."""
    height = rng.uniform(0.10, 0.30)
    flight = 2 * np.sqrt(2 * height / 9.81)
    dip: Posture = {
        "hip_flex": 55,
        "knee": 70,
        "ankle": 25,
        "root_pitch": 12,
        "spine_flex": 15,
        "shoulder_flex": -35,
        "elbow": 25,
    }
    air: Posture = {
        "hip_flex": 5,
        "knee": 8,
        "ankle": -30,
        "shoulder_flex": rng.choice([40.0, 110.0, 160.0]),
        "elbow": 20,
    }
    times, poses = [0.0], [posture(STAND)]
    for _ in range(int(rng.integers(1, 5))):
        start = times[-1] + 0.45
        times += [start, start + 0.18]
        poses += [posture(dip), posture(air)]
        for fraction in (0.25, 0.5, 0.75):
            times.append(start + 0.18 + fraction * flight)
            poses.append(posture(air, {"clearance": 4 * height * fraction * (1 - fraction)}))
        times += [start + 0.18 + flight, start + 0.36 + flight]
        poses += [posture(air, {"ankle": -5, "knee": 15}), posture(dip, {"shoulder_flex": 10})]
    return KeyframedMotion([*times, times[-1] + 0.5], [*poses, posture(STAND)])


def crouch(rng: np.random.Generator) -> KeyframedMotion:
    """Crouch or kneel on one knee for a while."""
    low = posture(CROUCH if rng.random() < 0.5 else HALF_KNEEL)
    quick = rng.uniform(0.6, 1.2)
    return _timed(
        rng, [quick, rng.uniform(0.5, 2.5), 1.0], [posture(STAND), low, low, posture(STAND)]
    )


def stretch(rng: np.random.Generator) -> KeyframedMotion:
    """Arm circles, side bends and twists."""
    names = ["spine_side", "spine_twist", "shoulder_flex", "shoulder_abduct"]
    sizes = {"spine_side": 28, "spine_twist": 35, "shoulder_flex": 165, "shoulder_abduct": 85}
    poses = [posture(STAND)]
    for turn in range(int(rng.integers(3, 7))):
        name = names[rng.integers(4)]
        sign = 1 if turn % 2 or name.startswith("shoulder") else -1
        poses.append(posture(STAND, {name: sign * sizes[name] * rng.uniform(0.5, 1)}))
    return _timed(rng, [0.7] * len(poses), [*poses, posture(STAND)])


def sit_down(rng: np.random.Generator, seconds: float) -> KeyframedMotion:
    """Sit down on a seat, or drop onto it, within 0.6 to 1.5 s and stay seated until ``seconds``."""
    down = min(rng.uniform(0.6, 1.5), 0.8 * seconds)
    poses = _varied(
        rng,
        [
            posture(STAND),
            posture(RISING),
            posture(SEATED),
            posture(SEATED, {"neck_twist": 30, "elbow": 75}),
        ],
        spread=0.05,
    )
    return KeyframedMotion([0.0, 0.6 * down, down, seconds], poses, seated_at=down)


def sit_and_rise(rng: np.random.Generator) -> KeyframedMotion:
    """Sit down on a seat, stay, and stand up."""
    seated = posture(SEATED)
    poses = _varied(
        rng,
        [posture(STAND), posture(RISING), seated, seated, posture(RISING), posture(STAND)],
        spread=0.05,
    )
    down, rise = rng.uniform(0.6, 1.5), rng.uniform(0.9, 1.5)
    stay = rng.uniform(0.8, 3.5)
    times = np.cumsum([0.0, 0.6 * down, 0.4 * down, stay, 0.45 * rise, 0.55 * rise])
    return KeyframedMotion(times, poses, seated_at=down)


def get_up(rng: np.random.Generator, lying: np.ndarray) -> KeyframedMotion:
    """From the lying pose (channels,) to standing, over all fours or over sitting, in 2 to 4
    seconds.
    """
    pitch, roll = np.rad2deg(lying[[1, 2]])
    if pitch > 45:
        path = [posture(ALL_FOURS), posture(HALF_KNEEL)]
    elif pitch < -45:
        path = [posture(LEAN_BACK), posture(FLOOR_SIT), posture(CROUCH, {"root_pitch": 25})]
    else:
        path = [
            posture(LEAN_BACK, {"root_roll": 0.5 * roll}),
            posture(FLOOR_SIT, {"root_roll": 0.2 * roll}),
            posture(HALF_KNEEL),
        ]
    path.append(posture(STAND))
    for pose in path:
        pose[3] = lying[3]
    seconds = rng.uniform(2.3, 3.9)
    return KeyframedMotion(np.linspace(0, seconds, len(path) + 1), [lying, *path])


def lie_down(rng: np.random.Generator) -> KeyframedMotion:
    """Lie down on purpose, over crouching and sitting or kneeling, in 2.7 to 4.5 seconds."""
    if rng.random() < 0.6:
        path = [
            posture(CROUCH),
            posture(FLOOR_SIT),
            posture(LEAN_BACK),
            settle_on_floor(posture(SUPINE)),
        ]
    else:
        path = [posture(HALF_KNEEL), posture(ALL_FOURS), settle_on_floor(posture(PRONE))]
    seconds = rng.uniform(2.7, 4.5)
    return KeyframedMotion(np.linspace(0, seconds, len(path) + 1), [posture(STAND), *path])


EVERYDAY: tuple[Builder, ...] = (pick_up, wave, reach, jump, crouch, stretch)
