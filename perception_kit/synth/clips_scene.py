# SPDX-License-Identifier: Apache-2.0
"""One staged take: a room, a person who acts out a script, obstacles, and a camera."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from perception_kit.datasets.mesh import TexturedMesh
from perception_kit.geometry import invert_pose, look_at
from perception_kit.synth import shapes
from perception_kit.synth.actor import Actor
from perception_kit.synth.lighting import Lighting
from perception_kit.synth.motion import ActionScript, Seat
from perception_kit.synth.person import Person
from perception_kit.synth.rejection import best_of
from perception_kit.synth.render import Item
from perception_kit.synth.room import Room, RoomShape, TexturePool, sample_room
from perception_kit.synth.sampling import sample_lighting
from perception_kit.synth.surface import Surface
from perception_kit.types import Intrinsics

CLIP_ROOM = RoomShape(back=(5.0, 8.5), half_width=(2.8, 5.0))
LOOK_RATE = 5.0
"""Poses per second that are looked at to choose cameras and to keep furniture out of the way."""
_FRONT_WALL = -3.0
_TRIES = 6
_CLEARANCE = 0.5
"""Metres between the edge of the free floor and the place where people turn.

They fall at full length.
"""
_FLESH = 0.1
"""Metres from the joints to the skin, roughly."""
_SITTING = 2.5
"""Seconds before sitting and after it in which the body may touch the seat."""
_SEAT_CENTER = -0.06
"""Middle of a seat relative to the pelvis, metres along the heading."""
_PERSON_HEIGHT = 1.7
_GOOD_VIEW = 0.9
"""Score of a camera that is taken without looking for a better one."""


@dataclass
class Take:
    """What is filmed; ``actor`` is None where nobody acts.

    ``items`` stand still. ``bodies`` (N, J, 3) are the actor's joints at ``LOOK_RATE``, metres.
    """

    room: Room
    items: list[Item]
    lighting: Lighting
    actor: Actor | None
    bodies: np.ndarray

    @staticmethod
    def empty(room: Room, items: list[Item], lighting: Lighting) -> Take:
        """A take in which nobody acts."""
        return Take(room, items, lighting, None, np.zeros((0, 1, 3)))


def stage(
    rng: np.random.Generator, textures: TexturePool, segments: list[tuple[str, float]]
) -> Take:
    """A random room in which a random person of the textures' split performs ``segments``.

    Nobody acts when there are none.
    """
    room = sample_room(rng, textures, CLIP_ROOM)
    lighting = sample_lighting(rng, varied=True)
    lamp_x, lamp_y = rng.uniform(-2, 2), rng.uniform(-2.0, 0.8 * room.floor_bounds[3])
    lighting.lamp_position = np.array([lamp_x, lamp_y, rng.uniform(1.9, 2.5)])
    if not segments:
        return Take.empty(room, [*room.furniture, room.shell], lighting)

    person = Person(rng, textures.split)
    script, bodies = _script_that_fits(rng, room, person, segments)

    # Furniture wherever the person is not, and seats where the person sits down.
    blocks = [block for seat in script.seats for block in _seat_blocks(rng, textures, seat)]
    low, high = _extent(bodies)
    for _ in range(int(rng.integers(0, 4))):
        blocks += _obstacle(rng, textures, room, low, high)
    furniture = list(room.furniture)
    if blocks:
        gloss = float(rng.uniform(0, 0.15))
        furniture.insert(0, Item(Surface(blocks), np.eye(4), gloss=gloss))

    return Take(room, [*furniture, room.shell], lighting, Actor(person, script), bodies)


def joints_over_time(script: ActionScript) -> np.ndarray:
    """(N, J, 3) joint positions at ``LOOK_RATE``, metres."""
    return script.joints(_look_times(script))


def _look_times(script: ActionScript) -> np.ndarray:
    return np.arange(0.0, script.duration, 1 / LOOK_RATE)


def _extent(bodies: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(N, 2) lowest and highest x, y of the body at each time."""
    return bodies[:, :, :2].min(axis=1) - _FLESH, bodies[:, :, :2].max(axis=1) + _FLESH


def _script_that_fits(
    rng: np.random.Generator, room: Room, person: Person, segments: list[tuple[str, float]]
) -> tuple[ActionScript, np.ndarray]:
    """A script that stays off the walls, the table and its own seats, and its joints.

    After some tries, the one that comes nearest to that.
    """
    x_min, x_max, y_min, y_max = room.floor_bounds
    inner = (
        (x_min + _CLEARANCE, x_max - _CLEARANCE),
        (y_min + 0.5 * _CLEARANCE, y_max - _CLEARANCE),
    )

    def draw() -> tuple[ActionScript, np.ndarray]:
        script = ActionScript(rng, segments, inner, skeleton=person.skeleton, seats=True)
        return script, joints_over_time(script)

    def beyond(drawn: tuple[ActionScript, np.ndarray]) -> float:
        """Metres by which the body reaches into something."""
        script, bodies = drawn
        low, high = _extent(bodies)
        # Around the free floor there is some space to the table, the walls and the cupboards.
        below = np.array([x_min - 0.55, y_min - 0.5]) - low
        above = high - np.array([x_max + 0.55, y_max + 0.2])
        return max(float(np.max([below, above])), _seat_conflict(script, low, high))

    return best_of(_TRIES, draw, lambda drawn: -beyond(drawn), lambda score: score >= 0)


def _seat_conflict(script: ActionScript, low: np.ndarray, high: np.ndarray) -> float:
    """Metres by which the body reaches into one of its seats when it does not sit there."""
    times = _look_times(script)
    depth = 0.0
    for seat in script.seats:
        away = (times < seat.time - _SITTING) | (times > seat.until + _SITTING)
        seat_low, seat_high = seat.position - 0.2, seat.position + 0.2
        overlap = np.minimum(high[away] - seat_low, seat_high - low[away])
        overlap = overlap.min(axis=1, initial=np.inf)
        depth = max(depth, float(overlap.max(initial=0.0)))
    return depth


def _seat_blocks(rng: np.random.Generator, textures: TexturePool, seat: Seat) -> list[TexturedMesh]:
    """A stool, a box or a chair with a back."""
    texture = textures.sample(rng)
    height, width = seat.height, rng.uniform(0.36, 0.5)

    # Boxes as (size, center), in a frame on the floor below the pelvis with x ahead.
    boxes: list[tuple[shapes.Vector3, shapes.Vector3]] = [
        ((width, width, 0.06), (_SEAT_CENTER, 0, height - 0.03))
    ]
    if rng.random() < 0.3:
        boxes.append(((width, width, height - 0.06), (_SEAT_CENTER, 0, height / 2 - 0.03)))
    else:
        offset = width / 2 - 0.03
        for x in (-offset, offset):
            for y in (-offset, offset):
                center = (_SEAT_CENTER + x, y, height / 2 - 0.03)
                boxes.append(((0.04, 0.04, height - 0.06), center))
    if rng.random() < 0.6:
        boxes.append(((0.04, width, 0.42), (_SEAT_CENTER - width / 2 - 0.02, 0, height + 0.2)))

    cos, sin = np.cos(seat.heading), np.sin(seat.heading)
    x, y = seat.position
    place = np.array([[cos, -sin, 0, x], [sin, cos, 0, y], [0, 0, 1, 0], [0, 0, 0, 1]])
    return [
        shapes.box(size, texture).transformed(place @ _translation(center))
        for size, center in boxes
    ]


def _translation(center: np.ndarray | shapes.Vector3) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, 3] = center
    return matrix


def _obstacle(
    rng: np.random.Generator, textures: TexturePool, room: Room, low: np.ndarray, high: np.ndarray
) -> list[TexturedMesh]:
    """A box that the person never touches; nothing when no place is found.

    ``low`` and ``high`` (N, 2) are the body's extents over time.
    """
    x_min, x_max, y_min, y_max = room.floor_bounds
    size = rng.uniform([0.25, 0.25, 0.25], [1.2, 0.8, 0.9])
    for _ in range(_TRIES):
        center = np.array([rng.uniform(x_min, x_max), rng.uniform(y_min, y_max)])
        distance = np.maximum(low - (center + size[:2] / 2), (center - size[:2] / 2) - high)
        if distance.max(axis=1).min() > 0.08:
            place = _translation(np.array([*center, size[2] / 2]))
            return [shapes.box(tuple(size), textures.sample(rng)).transformed(place)]
    return []


@dataclass
class CameraTrajectory:
    """``poses`` (T, 4, 4) camera-to-world, one per frame; all the same when ``fixed``."""

    poses: np.ndarray
    intrinsics: Intrinsics
    fixed: bool


def sample_camera(
    rng: np.random.Generator, take: Take, times: np.ndarray, width: int, height: int
) -> CameraTrajectory:
    """A camera at 0.4 to 2.3 m that sees most of the action at ``times`` (T,) seconds.

    It is fixed, drifts, or turns after the person like a robot's head.
    """
    x_min, x_max, _, y_max = take.room.floor_bounds
    mode = str(rng.choice(["fixed", "drift", "follow"], p=[0.55, 0.2, 0.25]))

    def draw() -> CameraTrajectory:
        high = rng.random() < 0.35
        x, y = rng.uniform(x_min - 0.3, x_max + 0.3), rng.uniform(_FRONT_WALL + 0.3, y_max + 0.1)
        eye = np.array([x, y, rng.uniform(1.7, 2.3) if high else rng.uniform(0.4, 1.7)])
        poses = _camera_poses(rng, take, times, eye, mode)
        return CameraTrajectory(poses, _zoom(rng, take, eye, width, height), mode == "fixed")

    return best_of(
        2 * _TRIES,
        draw,
        lambda camera: _visibility(take, camera, times),
        lambda score: score > _GOOD_VIEW,
    )


def _zoom(
    rng: np.random.Generator, take: Take, eye: np.ndarray, width: int, height: int
) -> Intrinsics:
    """Intrinsics that show a standing person at 0.35 to 0.95 of the image's height.

    As far as usual lenses allow, which are 30 to 80 degrees wide.
    """
    distance = 3.5
    if len(take.bodies):
        offsets = take.bodies.mean(axis=1)[:, :2] - eye[:2]
        distance = float(np.median(np.linalg.norm(offsets, axis=1)))
    wanted = rng.uniform(0.35, 0.95) * height * distance / _PERSON_HEIGHT
    focal = np.clip(wanted, 0.6 * width, 1.9 * width)
    return Intrinsics(focal, focal, (width - 1) / 2, (height - 1) / 2, width, height)


def _camera_poses(
    rng: np.random.Generator, take: Take, times: np.ndarray, eye: np.ndarray, mode: str
) -> np.ndarray:
    """(T, 4, 4) camera-to-world poses at ``times``."""
    if len(take.bodies):
        centers = _body_centers(take, times)
    else:
        centers = np.tile([0.0, 2.0, 0.9], (len(times), 1))

    # Where it looks: at the middle of the action, or after the person with a first-order lag.
    aim = np.tile((centers.min(axis=0) + centers.max(axis=0)) / 2, (len(times), 1))
    if mode == "follow":
        interval = times[1] - times[0]
        lag = np.exp(-np.arange(len(times)) * interval / rng.uniform(0.2, 0.7))
        padded = np.concatenate([np.repeat(centers[:1], len(times), axis=0), centers])
        followed = [np.convolve(padded[:, axis], lag / lag.sum()) for axis in range(3)]
        aim = np.stack([along[len(times) : 2 * len(times)] for along in followed], axis=1)
    aim = aim + rng.normal(0, [0.25, 0.25, 0.15])
    aim[:, 2] = np.clip(0.5 * aim[:, 2] + 0.4, 0.3, 1.3)

    # Where it is: at one place, or carried along slowly by an unsteady hand, inside the room.
    eyes = np.tile(eye, (len(times), 1))
    if mode == "drift":
        carried = np.outer(times, rng.normal(0, [0.06, 0.06, 0.01]))
        swaying = 0.02 * np.sin(np.outer(times * rng.uniform(1, 5), [1.0, 1.3, 0.7]))
        x_min, x_max, _, y_max = take.room.floor_bounds
        low = [x_min - 0.4, _FRONT_WALL + 0.15, 0.3]
        high = [x_max + 0.4, y_max + 0.2, 2.3]
        eyes = np.clip(eyes + carried + swaying, low, high)

    # Nobody holds a camera quite level.
    roll = rng.normal(0, 0.04)
    turn = np.array([[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]])
    poses = np.stack([look_at(at, target) for at, target in zip(eyes, aim, strict=True)])
    poses[:, :3, :3] = poses[:, :3, :3] @ turn
    return poses


def _body_centers(take: Take, times: np.ndarray) -> np.ndarray:
    """(T, 3) middle of the body at ``times``."""
    centers = (take.bodies.min(axis=1) + take.bodies.max(axis=1)) / 2
    known = np.arange(len(centers)) / LOOK_RATE
    return np.stack([np.interp(times, known, centers[:, axis]) for axis in range(3)], axis=1)


def _visibility(take: Take, camera: CameraTrajectory, times: np.ndarray) -> float:
    """Mean fraction of the body inside the image.

    Moments at which the body is too near, too small or too large to make out count as 0.
    """
    if not len(take.bodies):
        return 1.0

    k = camera.intrinsics
    scores = []
    for index in range(0, len(take.bodies), 3):
        frame = min(int(np.searchsorted(times, index / LOOK_RATE)), len(camera.poses) - 1)
        world_to_camera = invert_pose(camera.poses[frame])
        points = take.bodies[index] @ world_to_camera[:3, :3].T + world_to_camera[:3, 3]

        # Pinhole projection of the joints.
        z = np.maximum(points[:, 2], 1e-3)
        u, v = points[:, 0] / z * k.fx + k.cx, points[:, 1] / z * k.fy + k.cy
        inside = (points[:, 2] > 0.5) & (u > 0) & (u < k.width) & (v > 0) & (v < k.height)

        distance = max(float(np.median(points[:, 2])), 0.1)
        size = _PERSON_HEIGHT * k.fy / distance / k.height
        scores.append(inside.mean() * (0.25 < size < 1.3))
    return float(np.mean(scores))
