# SPDX-License-Identifier: Apache-2.0
"""One staged take: a room, a person who acts out a script in it, things in the way, and a camera
that watches.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from perception_kit.datasets.mesh import TexturedMesh
from perception_kit.geometry import invert_pose, look_at
from perception_kit.synth import shapes
from perception_kit.synth.lighting import Lighting
from perception_kit.synth.motion import ActionScript
from perception_kit.synth.person import Person
from perception_kit.synth.render import Item, Surface
from perception_kit.synth.room import Room, RoomShape, TexturePool, sample_room
from perception_kit.synth.sampling import sample_lighting
from perception_kit.types import Intrinsics

CLIP_ROOM = RoomShape(back=(5.0, 8.5), half_width=(2.8, 5.0))
_FRONT_WALL = -3.0
_TRIES = 6
_CLEARANCE = 0.5
"""Metres between the walls' side of the free floor and the place where people turn, because they
fall at full length.
"""
_FLESH = 0.1
"""Metres from the joints to the skin, roughly."""
LOOK_RATE = 5.0
"""Poses per second that are looked at to choose cameras and to keep furniture out of the way."""


@dataclass
class Take:
    """``bodies`` (N, J, 3) joints at ``LOOK_RATE``, metres, empty when nobody acts; ``items`` what
    stands still.
    """

    room: Room
    items: list[Item]
    lighting: Lighting
    person: Person | None
    script: ActionScript | None
    bodies: np.ndarray


def stage(
    rng: np.random.Generator, textures: TexturePool, segments: list[tuple[str, float]]
) -> Take:
    """A random room in which a random person of the textures' split performs ``segments``; nobody
    acts when there are none.
    """
    room = sample_room(rng, textures, CLIP_ROOM)
    lighting = sample_lighting(rng, varied=True)
    lighting.lamp_position = np.array(
        [
            *rng.uniform(-2, 2, 1),
            rng.uniform(-2.0, 0.8 * room.floor_bounds[3]),
            rng.uniform(1.9, 2.5),
        ]
    )
    if not segments:
        return Take(room, [*room.furniture, room.shell], lighting, None, None, np.zeros((0, 1, 3)))
    person = Person(rng, textures.split)
    script, bodies = _script_that_fits(rng, room, person, segments)
    blocks = _seats(rng, textures, script)
    low, high = _extent(bodies)
    for _ in range(int(rng.integers(0, 4))):
        blocks += _obstacle(rng, textures, room, low, high)
    furniture = (
        [Item(Surface(blocks), np.eye(4), gloss=float(rng.uniform(0, 0.15)))] if blocks else []
    )
    return Take(room, [*furniture, *room.furniture, room.shell], lighting, person, script, bodies)


def _extent(bodies: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(N, 2) lowest and highest x, y of the body at each time."""
    return bodies[:, :, :2].min(axis=1) - _FLESH, bodies[:, :, :2].max(axis=1) + _FLESH


def _script_that_fits(
    rng: np.random.Generator, room: Room, person: Person, segments: list[tuple[str, float]]
) -> tuple[ActionScript, np.ndarray]:
    """A script that stays off the walls, the table and its own seats, or the one that comes nearest
    to it after some tries.
    """
    x_min, x_max, y_min, y_max = room.floor_bounds
    inner = (
        (x_min + _CLEARANCE, x_max - _CLEARANCE),
        (y_min + 0.5 * _CLEARANCE, y_max - _CLEARANCE),
    )
    best: tuple[float, ActionScript, np.ndarray] | None = None
    for _ in range(_TRIES):
        script = ActionScript(rng, segments, inner, skeleton=person.skeleton, seats=True)
        times = np.arange(0.0, script.duration, 1 / LOOK_RATE)
        bodies = script.joints(times)
        low, high = _extent(bodies)
        walls = (
            np.array([x_min - 0.55, y_min - 0.5]) - low,
            high - np.array([x_max + 0.55, y_max + 0.2]),
        )
        beyond = max(float(np.max(walls)), _seat_conflict(script, low, high, times))
        if best is None or beyond < best[0]:
            best = (beyond, script, bodies)
        if beyond <= 0:
            break
    return best[1], best[2]


def _seat_conflict(
    script: ActionScript, low: np.ndarray, high: np.ndarray, times: np.ndarray
) -> float:
    """How far, in metres, the body reaches into one of its own seats while it is not near the time
    of sitting there.
    """
    depth = 0.0
    for seat in script.seats:
        away = np.abs(times - seat.time) > 6.0
        overlap = np.minimum(
            high[away] - (seat.position - 0.2), seat.position + 0.2 - low[away]
        ).min(axis=1, initial=np.inf)
        depth = max(depth, float(overlap.max(initial=0.0)))
    return depth


def _seats(
    rng: np.random.Generator, textures: TexturePool, script: ActionScript
) -> list[TexturedMesh]:
    """A stool, a box or a chair with a back where the person sits."""
    parts: list[TexturedMesh] = []
    for seat in script.seats:
        texture = textures.sample(rng)
        height, width = seat.height, rng.uniform(0.36, 0.5)
        cos, sin = np.cos(seat.heading), np.sin(seat.heading)
        place = np.array(
            [
                [cos, -sin, 0, seat.position[0]],
                [sin, cos, 0, seat.position[1]],
                [0, 0, 1, 0],
                [0, 0, 0, 1],
            ]
        )
        blocks = [((width, width, 0.06), (-0.06, 0, height - 0.03))]
        if rng.random() < 0.3:
            blocks.append(((width, width, height - 0.06), (-0.06, 0, height / 2 - 0.03)))
        else:
            offset = width / 2 - 0.03
            blocks += [
                ((0.04, 0.04, height - 0.06), (-0.06 + x, y, height / 2 - 0.03))
                for x in (-offset, offset)
                for y in (-offset, offset)
            ]
        if rng.random() < 0.6:
            blocks.append(((0.04, width, 0.42), (-0.06 - width / 2 - 0.02, 0, height + 0.2)))
        for size, center in blocks:
            shift = np.eye(4)
            shift[:3, 3] = center
            parts.append(shapes.box(size, texture).transformed(place @ shift))
    return parts


def _obstacle(
    rng: np.random.Generator, textures: TexturePool, room: Room, low: np.ndarray, high: np.ndarray
) -> list[TexturedMesh]:
    """A box that the person never touches; nothing when no place is found."""
    x_min, x_max, y_min, y_max = room.floor_bounds
    size = rng.uniform([0.25, 0.25, 0.25], [1.2, 0.8, 0.9])
    for _ in range(_TRIES):
        center = np.array([rng.uniform(x_min, x_max), rng.uniform(y_min, y_max)])
        apart = np.maximum(low - (center + size[:2] / 2), (center - size[:2] / 2) - high).max(
            axis=1
        )
        if apart.min() > 0.08:
            shift = np.eye(4)
            shift[:3, 3] = [*center, size[2] / 2]
            return [shapes.box(tuple(size), textures.sample(rng)).transformed(shift)]
    return []


@dataclass
class CameraPath:
    """``poses`` (T, 4, 4) camera-to-world, one per frame; all the same when ``fixed``."""

    poses: np.ndarray
    intrinsics: Intrinsics
    fixed: bool


def sample_camera(
    rng: np.random.Generator, take: Take, times: np.ndarray, width: int, height: int
) -> CameraPath:
    """A camera at 0.4 to 2.3 m that sees most of the action: fixed, drifting, or turning after the
    person like a robot's head.
    """
    x_min, x_max, _, y_max = take.room.floor_bounds
    mode = str(rng.choice(["fixed", "drift", "follow"], p=[0.55, 0.2, 0.25]))
    best: tuple[float, CameraPath] | None = None
    for _ in range(2 * _TRIES):
        high = rng.random() < 0.35
        place = [rng.uniform(x_min - 0.3, x_max + 0.3), rng.uniform(_FRONT_WALL + 0.3, y_max + 0.1)]
        eye = np.array([*place, rng.uniform(1.7, 2.3) if high else rng.uniform(0.4, 1.7)])
        poses = _camera_poses(rng, take, times, eye, mode)
        path = CameraPath(poses, _zoom(rng, take, eye, width, height), mode == "fixed")
        score = _quality(take, path, times)
        if best is None or score > best[0]:
            best = (score, path)
        if score > 0.9:
            break
    return best[1]


def _zoom(
    rng: np.random.Generator, take: Take, eye: np.ndarray, width: int, height: int
) -> Intrinsics:
    """Intrinsics that show a standing person at 0.35 to 0.95 of the image's height, as far as usual
    lenses allow (30 to 80 degrees).
    """
    distance = 3.5
    if len(take.bodies):
        distance = float(
            np.median(np.linalg.norm(take.bodies.mean(axis=1)[:, :2] - eye[:2], axis=1))
        )
    focal = np.clip(rng.uniform(0.35, 0.95) * height * distance / 1.7, 0.6 * width, 1.9 * width)
    return Intrinsics(focal, focal, (width - 1) / 2, (height - 1) / 2, width, height)


def _camera_poses(
    rng: np.random.Generator, take: Take, times: np.ndarray, eye: np.ndarray, mode: str
) -> np.ndarray:
    """(T, 4, 4) camera-to-world poses at ``times``."""
    centers = (
        _body_centers(take, times)
        if len(take.bodies)
        else np.tile([0.0, 2.0, 0.9], (len(times), 1))
    )
    aim = np.tile((centers.min(axis=0) + centers.max(axis=0)) / 2, (len(times), 1))
    if mode == "follow":
        lag = np.exp(-np.arange(len(times)) * (times[1] - times[0]) / rng.uniform(0.2, 0.7))
        padded = np.concatenate([np.repeat(centers[:1], len(times), axis=0), centers])
        aim = np.stack(
            [
                np.convolve(padded[:, axis], lag / lag.sum())[len(times) : 2 * len(times)]
                for axis in range(3)
            ],
            axis=1,
        )
    aim = aim + rng.normal(0, [0.25, 0.25, 0.15])
    aim[:, 2] = np.clip(0.5 * aim[:, 2] + 0.4, 0.3, 1.3)
    eyes = np.tile(eye, (len(times), 1))
    if mode == "drift":
        x_min, x_max, _, y_max = take.room.floor_bounds
        eyes = (
            eyes
            + np.outer(times, rng.normal(0, [0.06, 0.06, 0.01]))
            + 0.02 * np.sin(np.outer(times * rng.uniform(1, 5), [1.0, 1.3, 0.7]))
        )
        eyes = np.clip(
            eyes, [x_min - 0.4, _FRONT_WALL + 0.15, 0.3], [x_max + 0.4, y_max + 0.2, 2.3]
        )
    roll = rng.normal(0, 0.04)
    turn = np.array([[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]])
    poses = np.stack([look_at(e, a) for e, a in zip(eyes, aim, strict=True)])
    poses[:, :3, :3] = poses[:, :3, :3] @ turn
    return poses


def _body_centers(take: Take, times: np.ndarray) -> np.ndarray:
    """(T, 3) middle of the body at ``times``."""
    centers = (take.bodies.min(axis=1) + take.bodies.max(axis=1)) / 2
    known = np.arange(len(centers)) / LOOK_RATE
    return np.stack([np.interp(times, known, centers[:, axis]) for axis in range(3)], axis=1)


def _quality(take: Take, path: CameraPath, times: np.ndarray) -> float:
    """Mean share of the body inside the image, less where the body is too near, too small or too
    large to make out.
    """
    if not len(take.bodies):
        return 1.0
    k = path.intrinsics
    scores = []
    for index in range(0, len(take.bodies), 3):
        camera = path.poses[
            min(int(np.searchsorted(times, index / LOOK_RATE)), len(path.poses) - 1)
        ]
        points = take.bodies[index] @ invert_pose(camera)[:3, :3].T + invert_pose(camera)[:3, 3]
        z = np.maximum(points[:, 2], 1e-3)
        u, v = points[:, 0] / z * k.fx + k.cx, points[:, 1] / z * k.fy + k.cy
        inside = (points[:, 2] > 0.5) & (u > 0) & (u < k.width) & (v > 0) & (v < k.height)
        size = 1.7 * k.fy / max(float(np.median(points[:, 2])), 0.1) / k.height
        scores.append(inside.mean() * (0.25 < size < 1.3))
    return float(np.mean(scores))
