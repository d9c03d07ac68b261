# SPDX-License-Identifier: Apache-2.0
"""A scene: room, light, things on the table, perhaps a person; and what a camera sees of it, with
the truth.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import open3d as o3d

from perception_kit.datasets.mesh import TexturedMesh
from perception_kit.geometry import invert_pose
from perception_kit.synth.catalog import ObjectClass
from perception_kit.synth.lighting import Lighting, shade, shadow_scene
from perception_kit.synth.render import Item, Rendering, render
from perception_kit.synth.room import Room
from perception_kit.synth.sensor import Sensor
from perception_kit.synth.surface import Surface
from perception_kit.types import Intrinsics

PERSON = "person"
SPLITS = ("train", "val", "test")


def seeded(split: str, *key: int) -> np.random.Generator:
    """Random numbers that differ between splits, seeds and frames, and are the same in every run."""
    return np.random.default_rng([SPLITS.index(split), *key])


def pinhole(width: int, height: int, focal: float | None = None) -> Intrinsics:
    """A camera of ``focal`` pixels with its centre in the image's; None: like a RealSense colour
    camera, 55 degrees wide at 4:3.
    """
    focal = focal or 610.0 * width / 640
    return Intrinsics(focal, focal, (width - 1) / 2, (height - 1) / 2, width, height)


@dataclass
class Placed:
    """One rigid object instance; ``pose`` (4, 4) object-to-world, metres."""

    thing: ObjectClass
    pose: np.ndarray


@dataclass
class Scene:
    """Everything that stands still, complete before it is first rendered.

    The k-th object is instance k + 1; a person comes last.
    """

    room: Room
    objects: list[Placed]
    distractors: list[Item]
    lighting: Lighting
    sensor: Sensor
    gloss: float = 0.2

    @cached_property
    def items(self) -> list[Item]:
        """What stands in the room."""
        placed = [
            Item(one.thing.surface, one.pose, number, self.gloss)
            for number, one in enumerate(self.objects, start=1)
        ]
        return [*placed, *self.distractors, *self.room.furniture]

    @cached_property
    def shadows(self) -> o3d.t.geometry.RaycastingScene:
        """What of it casts shadows: all."""
        return shadow_scene(self.items)


@dataclass
class TrueInstance:
    """Truth of one instance in one frame.

    ``pose`` (4, 4) object-to-camera in metres, None for the articulated person.
    """

    class_id: int
    class_name: str
    pose: np.ndarray | None
    visible_fraction: float
    mask: np.ndarray


@dataclass
class SceneFrame:
    """``rgb`` (H, W, 3) uint8, ``depth_mm`` (H, W) uint16, and the truth.

    Instances outside the image are not listed.
    """

    rgb: np.ndarray
    depth_mm: np.ndarray
    instances: dict[int, TrueInstance]


def observe(
    scene: Scene,
    camera_to_world: np.ndarray,
    intrinsics: Intrinsics,
    rng: np.random.Generator,
    person: TexturedMesh | None = None,
    person_class_id: int = 0,
) -> SceneFrame:
    """Render the scene and, when there is one, a posed person; then apply the camera's
    imperfections.
    """
    casters, moving = [scene.shadows], []
    person_instance = len(scene.objects) + 1
    if person is not None:
        moving = [Item(Surface([person]), np.eye(4), person_instance)]
        casters.append(shadow_scene(moving))
    rendering = render([*scene.items, *moving, scene.room.shell], camera_to_world, intrinsics)
    radiance = shade(rendering, scene.lighting, casters, camera_to_world, intrinsics, rng)
    rgb = scene.sensor.color_image(radiance, rng)
    depth = scene.sensor.depth_image(rendering, intrinsics, rng)
    instances = {}
    for number, one in enumerate(scene.objects, start=1):
        pose = invert_pose(camera_to_world) @ one.pose
        _add(instances, number, one.thing.class_id, one.thing.name, pose, rendering)
    if person is not None:
        _add(instances, person_instance, person_class_id, PERSON, None, rendering)
    return SceneFrame(rgb, depth, instances)


def _add(
    instances: dict[int, TrueInstance],
    number: int,
    class_id: int,
    name: str,
    pose: np.ndarray | None,
    rendering: Rendering,
) -> None:
    mask = rendering.labels == number
    if mask.any():
        instances[number] = TrueInstance(
            class_id, name, pose, rendering.visible_fraction(number), mask
        )
