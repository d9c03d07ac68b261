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
from perception_kit.synth.motion import ActionScript
from perception_kit.synth.object_sizes import ObjectSizes
from perception_kit.synth.person import Person
from perception_kit.synth.placing import TableTop, choose_classes, place_floating, stable_rotation
from perception_kit.synth.render import Item
from perception_kit.synth.room import BAG_ROOM, Room, RoomShape, TexturePool, sample_room
from perception_kit.synth.scene import PlacedObject, SyntheticScene
from perception_kit.synth.sensor import Sensor

FLOATING_FRACTION = 0.2
"""Fraction of the scenes whose objects float in the air instead of resting on the table."""
ROOM_VIEW_FRACTION = 0.6
"""Fraction of the cameras that look over the table into the room."""
TILTED_FRACTION = 0.15
"""Fraction of the objects on the table that are tilted or lifted instead of resting."""
PERSON_FRACTION = 0.9
"""Fraction of the views into the room with a person."""
_ACTION_ODDS = {"falling": 0.15, "lying": 0.1, "other": 0.2, "running": 0.2, "walking": 0.35}


@dataclass
class RandomView:
    """A training frame before it is rendered; ``camera_to_world`` (4, 4), metres."""

    scene: SyntheticScene
    camera_to_world: np.ndarray
    person: TexturedMesh | None


def sample_lighting(rng: np.random.Generator, varied: bool) -> Lighting:
    """Lamp above and before the table; ``varied`` widens place, brightness and colour."""
    if varied:
        lamp = rng.uniform([-2.0, -1.8, 1.7], [2.0, 1.0, 2.4])
        brightness, ambient = rng.uniform(0.5, 1.4), rng.uniform(0.25, 0.75)
        spread = 0.25
    else:
        lamp = rng.uniform([-1.2, -1.5, 2.1], [1.2, -0.5, 2.4])
        brightness, ambient = rng.uniform(0.85, 1.0), rng.uniform(0.42, 0.5)
        spread = 0.06

    return Lighting(
        lamp_position=lamp,
        lamp_color=brightness * rng.uniform(1 - spread, 1 + spread, 3),
        ambient_color=ambient * rng.uniform(1 - spread, 1 + spread, 3),
        lamp_radius=float(rng.uniform(0.05, 0.3)),
        shininess_octaves=int(rng.integers(3, 7)),
    )


def random_distractor(rng: np.random.Generator, textures: TexturePool) -> ObjectClass:
    """A box, cylinder, cone or ball of 4 to 20 cm with a random texture; it belongs to no class."""
    texture = textures.sample(rng)
    width, depth, height = rng.uniform(0.04, 0.2, 3).tolist()
    kind = int(rng.integers(4))
    if kind == 0:
        return ObjectClass(0, "distractor", shapes.box((width, depth, height), texture))

    # Profiles (radius, z) between -1 and 1.
    cylinder = np.array([[0, -1], [1, -1], [1, 1], [0, 1]])
    cone = np.array([[0, -1], [1, -1], [0.2, 1], [0, 1]])
    angle = np.linspace(0, np.pi, 9)
    ball = np.stack([np.sin(angle), -np.cos(angle)], axis=1)
    profile = (cylinder, cone, ball)[kind - 1] * [width / 2, height / 2]
    return ObjectClass(0, "distractor", shapes.lathe(profile, texture, segments=20))


def random_view(
    rng: np.random.Generator,
    classes: list[ObjectClass],
    textures: TexturePool,
    with_person: bool,
    sizes: ObjectSizes | None = None,
) -> RandomView:
    """An independent scene with a camera.

    Objects are at rest, tilted or floating, with ``sizes`` each of another size; sometimes the room
    is seen behind, with a person.
    """
    room = sample_room(rng, textures, RoomShape())
    room_view = rng.random() < ROOM_VIEW_FRACTION
    camera = _table_camera(rng, room, room_view)
    lighting, sensor = sample_lighting(rng, varied=True), Sensor.sample(rng, textures.split)
    scene = SyntheticScene(room, [], [], lighting, sensor, gloss=float(rng.uniform(0, 0.5)))

    # Objects to find among others that belong to no class.
    objects = choose_classes(rng, classes, int(rng.integers(5, 11)))
    if sizes is not None:
        objects = [sizes.scaled(rng, object_class) for object_class in objects]
    distractors = [random_distractor(rng, textures) for _ in range(int(rng.integers(0, 6)))]
    if rng.random() < FLOATING_FRACTION:
        _fill_air(rng, scene, [*objects, *distractors], camera)
    else:
        _fill_table(rng, scene, [*objects, *distractors])

    person = None
    if with_person and room_view and rng.random() < PERSON_FRACTION:
        person = _random_person(rng, room, camera, textures.split)
    return RandomView(scene, camera, person)


def _fill_table(
    rng: np.random.Generator, scene: SyntheticScene, classes: list[ObjectClass]
) -> None:
    """Place the objects on a part of the table, the smaller the more they cover each other."""
    room = scene.room
    extent, gap = rng.uniform(0.3, 0.9), rng.uniform(0.001, 0.006)
    size = (min(room.table_size[0] - 0.1, extent), min(room.table_size[1] - 0.1, extent))
    table = TableTop(size, room.table_height, room.table_yaw, gap)

    upright_fraction = rng.uniform(0.2, 0.8)
    for object_class in classes:
        if rng.random() < TILTED_FRACTION:
            rotation = Rotation.random(random_state=rng).as_matrix()
            lift = float(rng.uniform(0.0, 0.2))
        else:
            upright = upright_fraction if object_class.class_id else 1.0
            rotation, lift = stable_rotation(rng, object_class, upright), 0.0
        _put(scene, object_class, table.place(rng, object_class, rotation, lift))


def _fill_air(
    rng: np.random.Generator,
    scene: SyntheticScene,
    classes: list[ObjectClass],
    camera: np.ndarray,
) -> None:
    taken: list[tuple[np.ndarray, float]] = []
    for object_class in classes:
        pose = place_floating(rng, object_class, camera, taken, scene.room.table_height)
        _put(scene, object_class, pose)


def _put(scene: SyntheticScene, object_class: ObjectClass, pose: np.ndarray | None) -> None:
    """Add an object to the scene, unless there was no place for it."""
    if pose is None:
        return
    if object_class.class_id:
        scene.objects.append(PlacedObject(object_class, pose))
    else:
        scene.distractors.append(Item(object_class.surface, pose, 0, scene.gloss))


def _table_camera(rng: np.random.Generator, room: Room, room_view: bool) -> np.ndarray:
    """Camera-to-world pose, level over the table into the room, or down on the table."""
    azimuth = rng.uniform(-0.6, 0.6)
    if room_view:
        distance, rise = rng.uniform(0.75, 1.25), rng.uniform(0.3, 0.65)
        target_rise = min(rng.uniform(0.05, 0.45), rise)
        target = np.array([rng.uniform(-0.15, 0.15), 0.3, room.table_height + target_rise])
    else:
        elevation, radius = rng.uniform(0.25, 1.2), rng.uniform(0.6, 1.3)
        distance, rise = radius * np.cos(elevation), radius * np.sin(elevation)
        target = np.array([*rng.uniform(-0.15, 0.15, 2), room.table_height + 0.05])

    x, y = np.sin(azimuth) * distance, -np.cos(azimuth) * distance
    camera = look_at(np.array([x, y, room.table_height + rise]), target)
    roll = Rotation.from_euler("z", rng.normal(0, 0.06)).as_matrix()
    camera[:3, :3] = camera[:3, :3] @ roll
    return camera


def _random_person(
    rng: np.random.Generator, room: Room, camera: np.ndarray, split: str
) -> TexturedMesh | None:
    """A posed person in the camera's field of view on the floor behind the table.

    None when that floor is too small.
    """
    # A place between the lines of sight to the left and right.
    x_min, x_max, y_min, y_max = room.floor_bounds
    y = rng.uniform(y_min, max(y_max, y_min + 0.1))
    forward = camera[:3, 2]
    ahead = (y - camera[1, 3]) / max(forward[1], 0.3)
    x = camera[0, 3] + forward[0] * ahead + rng.uniform(-0.38, 0.38) * ahead
    if not x_min < x < x_max:
        return None

    # A moment of a short action there.
    person = Person(rng, split)
    action = str(rng.choice(list(_ACTION_ODDS), p=list(_ACTION_ODDS.values())))
    area = ((x - 0.6, x + 0.6), (y - 0.4, y + 0.4))
    start = (float(x), float(y), float(rng.uniform(-np.pi, np.pi)))
    script = ActionScript(rng, [(action, 1.5)], area, start, person.skeleton)
    pose, _ = script.at(float(rng.uniform(0, script.duration)))
    return person.mesh(pose)


def bag_scene(
    rng: np.random.Generator, classes: list[ObjectClass], textures: TexturePool
) -> SyntheticScene:
    """The scene of a recording: objects on a low table, and free floor behind for a person.

    Two of one class lie side by side; most objects stand upright.
    """
    room = sample_room(rng, textures, BAG_ROOM)
    lighting, sensor = sample_lighting(rng, varied=False), Sensor.sample(rng, textures.split)
    scene = SyntheticScene(room, [], [], lighting, sensor, gloss=0.25)

    table = TableTop((0.9, 0.42), room.table_height, room.table_yaw)
    for object_class in choose_classes(rng, classes, int(rng.integers(7, 10))):
        rotation = stable_rotation(rng, object_class, 0.75)
        _put(scene, object_class, table.place(rng, object_class, rotation))
    return scene
