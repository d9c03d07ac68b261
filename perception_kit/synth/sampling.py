# SPDX-License-Identifier: Apache-2.0
"""Random scenes: independent ones for training frames, and the one that a recording shows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from perception_kit.datasets.mesh import TexturedMesh
from perception_kit.geometry import look_at
from perception_kit.synth import shapes
from perception_kit.synth.catalog import ObjectClass
from perception_kit.synth.lighting import Lighting
from perception_kit.synth.motion import ACTIONS, ActionScript
from perception_kit.synth.person import Person
from perception_kit.synth.placing import TableTop, choose_classes, place_floating, stable_rotation
from perception_kit.synth.render import Item
from perception_kit.synth.room import BAG_ROOM, Room, RoomShape, TexturePool, sample_room
from perception_kit.synth.scene import Placed, Scene
from perception_kit.synth.sensor import Sensor

FLOATING_FRACTION = 0.2
ROOM_VIEW_FRACTION = 0.6


@dataclass
class RandomView:
    """A training frame before it is rendered."""

    scene: Scene
    camera_to_world: np.ndarray
    person: TexturedMesh | None


def sample_lighting(rng: np.random.Generator, varied: bool) -> Lighting:
    """Lamp above and before the table; ``varied`` widens brightness and colour."""
    spread = 0.25 if varied else 0.06
    lamp = (
        rng.uniform([-2.0, -1.8, 1.7], [2.0, 1.0, 2.4])
        if varied
        else rng.uniform([-1.2, -1.5, 2.1], [1.2, -0.5, 2.4])
    )
    brightness = rng.uniform(0.5, 1.4) if varied else rng.uniform(0.85, 1.0)
    ambient = rng.uniform(0.25, 0.75) if varied else rng.uniform(0.42, 0.5)
    return Lighting(
        lamp_position=lamp,
        lamp_color=brightness * rng.uniform(1 - spread, 1 + spread, 3),
        ambient_color=ambient * rng.uniform(1 - spread, 1 + spread, 3),
        lamp_radius=float(rng.uniform(0.05, 0.3)),
        shininess_octaves=int(rng.integers(3, 7)),
    )


def random_distractor(rng: np.random.Generator, textures: TexturePool) -> ObjectClass:
    """A box, cylinder, cone or ball of 4 to 25 cm with a random texture; it belongs to no class."""
    texture = textures.sample(rng)
    size = rng.uniform(0.04, 0.2, 3)
    kind = int(rng.integers(4))
    if kind == 0:
        mesh = shapes.box((float(size[0]), float(size[1]), float(size[2])), texture)
    else:
        angle = np.linspace(0, np.pi, 9)
        ball = np.stack([np.sin(angle), -np.cos(angle)], axis=1)
        profile = {
            1: np.array([[0, -1], [1, -1], [1, 1], [0, 1]]),
            2: np.array([[0, -1], [1, -1], [0.2, 1], [0, 1]]),
            3: ball,
        }[kind]
        mesh = shapes.lathe(profile * [size[0] / 2, size[2] / 2], texture, segments=20)
    return ObjectClass(0, "distractor", mesh)


def random_view(
    rng: np.random.Generator, classes: list[ObjectClass], textures: TexturePool, with_person: bool
) -> RandomView:
    """An independent scene with a camera: things at rest, tilted or floating; sometimes the room
    behind with a person.
    """
    room = sample_room(rng, textures, RoomShape())
    room_view = rng.random() < ROOM_VIEW_FRACTION
    camera = _table_camera(rng, room, room_view)
    scene = Scene(
        room,
        [],
        [],
        sample_lighting(rng, varied=True),
        Sensor.sample(rng, textures.split),
        gloss=float(rng.uniform(0, 0.5)),
    )
    things = choose_classes(rng, classes, int(rng.integers(5, 11)))
    fillers = [random_distractor(rng, textures) for _ in range(int(rng.integers(0, 6)))]
    if rng.random() < FLOATING_FRACTION:
        _fill_air(rng, scene, things, fillers, camera)
    else:
        _fill_table(rng, scene, things, fillers)
    person = (
        _random_person(rng, room, camera, textures.split)
        if with_person and room_view and rng.random() < 0.9
        else None
    )
    return RandomView(scene, camera, person)


def _fill_table(
    rng: np.random.Generator, scene: Scene, things: list[ObjectClass], fillers: list[ObjectClass]
) -> None:
    room = scene.room
    crowd = rng.uniform(0.55, 0.9)
    size = (min(room.table_size[0] - 0.1, crowd), min(room.table_size[1] - 0.1, crowd))
    table = TableTop(size, room.table_height, room.table_yaw)
    upright_fraction = rng.uniform(0.2, 0.8)
    for thing in [*things, *fillers]:
        if rng.random() < 0.15:
            rotation, lift = (
                Rotation.random(random_state=rng).as_matrix(),
                float(rng.uniform(0.0, 0.2)),
            )
        else:
            rotation, lift = (
                stable_rotation(rng, thing, upright_fraction if thing.class_id else 1.0),
                0.0,
            )
        pose = table.place(rng, thing, rotation, lift)
        if pose is not None:
            _put(scene, thing, pose)


def _fill_air(
    rng: np.random.Generator,
    scene: Scene,
    things: list[ObjectClass],
    fillers: list[ObjectClass],
    camera: np.ndarray,
) -> None:
    taken: list[tuple[np.ndarray, float]] = []
    for thing in [*things, *fillers]:
        pose = place_floating(rng, thing, camera, taken, scene.room.table_height)
        if pose is not None:
            _put(scene, thing, pose)


def _put(scene: Scene, thing: ObjectClass, pose: np.ndarray) -> None:
    if thing.class_id:
        scene.objects.append(Placed(thing, pose))
    else:
        scene.distractors.append(Item(thing.surface, pose, 0, scene.gloss))


def _table_camera(rng: np.random.Generator, room: Room, room_view: bool) -> np.ndarray:
    """Camera-to-world pose: a level view over the table into the room, or a view down on the table."""
    azimuth = rng.uniform(-0.6, 0.6)
    if room_view:
        distance, rise, aim_rise = (
            rng.uniform(0.75, 1.25),
            rng.uniform(0.3, 0.65),
            rng.uniform(0.05, 0.45),
        )
        target = np.array([rng.uniform(-0.15, 0.15), 0.3, room.table_height + min(aim_rise, rise)])
    else:
        elevation, radius = rng.uniform(0.25, 1.2), rng.uniform(0.6, 1.3)
        distance, rise = radius * np.cos(elevation), radius * np.sin(elevation)
        target = np.array([*rng.uniform(-0.15, 0.15, 2), room.table_height + 0.05])
    eye = np.array(
        [np.sin(azimuth) * distance, -np.cos(azimuth) * distance, room.table_height + rise]
    )
    camera = look_at(eye, target)
    roll = Rotation.from_euler("z", rng.normal(0, 0.06)).as_matrix()
    camera[:3, :3] = camera[:3, :3] @ roll
    return camera


def _random_person(
    rng: np.random.Generator, room: Room, camera: np.ndarray, split: str
) -> TexturedMesh | None:
    """A posed person in the camera's field of view on the floor behind the table; None when that
    floor is too small.
    """
    x_min, x_max, y_min, y_max = room.floor_bounds
    y = rng.uniform(y_min, max(y_max, y_min + 0.1))
    forward = camera[:3, 2]
    ahead = (y - camera[1, 3]) / max(forward[1], 0.3)
    x = camera[0, 3] + forward[0] * ahead + rng.uniform(-0.38, 0.38) * ahead
    if not x_min < x < x_max:
        return None
    person = Person(rng, split)
    action = str(rng.choice(ACTIONS, p=[0.15, 0.1, 0.2, 0.2, 0.35]))
    reach = ((x - 0.6, x + 0.6), (y - 0.4, y + 0.4))
    script = ActionScript(
        rng,
        [(action, 1.5)],
        reach,
        (float(x), float(y), float(rng.uniform(-np.pi, np.pi))),
        person.skeleton,
    )
    return person.mesh(script.at(float(rng.uniform(0, script.duration)))[0])


def bag_scene(rng: np.random.Generator, classes: list[ObjectClass], textures: TexturePool) -> Scene:
    """The scene of a recording: a low table with two of one class side by side, upright mostly, and
    free floor behind for a person.
    """
    room = sample_room(rng, textures, BAG_ROOM)
    scene = Scene(
        room,
        [],
        [],
        sample_lighting(rng, varied=False),
        Sensor.sample(rng, textures.split),
        gloss=0.25,
    )
    table = TableTop((0.9, 0.42), room.table_height, room.table_yaw)
    things = choose_classes(rng, classes, int(rng.integers(7, 10)))
    for thing in things:
        pose = table.place(rng, thing, stable_rotation(rng, thing, 0.75))
        if pose is not None:
            scene.objects.append(Placed(thing, pose))
    return scene
