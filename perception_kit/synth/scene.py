# SPDX-License-Identifier: Apache-2.0
"""A scene of a room, light, objects and perhaps a person, and what a camera sees of it."""

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
"""Name of the class that comes after the rigid ones."""
_REALSENSE_FOCAL, _REALSENSE_WIDTH = 610.0, 640
"""Focal length of a RealSense colour camera (55 degrees wide) and the width at which it is that."""


def pinhole(width: int, height: int, focal: float | None = None) -> Intrinsics:
    """A camera with its centre in the image's; ``focal`` in pixels, None for a RealSense's."""
    focal = focal or _REALSENSE_FOCAL * width / _REALSENSE_WIDTH
    return Intrinsics(focal, focal, (width - 1) / 2, (height - 1) / 2, width, height)


@dataclass
class PlacedObject:
    """One rigid object instance; ``pose`` (4, 4) object-to-world, metres."""

    object_class: ObjectClass
    pose: np.ndarray


@dataclass
class SyntheticScene:
    """Everything that stands still, complete before it is first rendered.

    The k-th object is instance k + 1; a person comes last.
    """

    room: Room
    objects: list[PlacedObject]
    distractors: list[Item]
    lighting: Lighting
    sensor: Sensor
    gloss: float = 0.2

    @cached_property
    def items(self) -> list[Item]:
        """What stands in the room."""
        objects = [
            Item(placed.object_class.surface, placed.pose, number, self.gloss)
            for number, placed in enumerate(self.objects, start=1)
        ]
        return [*objects, *self.distractors, *self.room.furniture]

    @cached_property
    def shadows(self) -> o3d.t.geometry.RaycastingScene:
        """What of it casts shadows: all."""
        return shadow_scene(self.items)


@dataclass
class RenderedInstance:
    """Ground truth of one instance in one frame.

    ``pose`` (4, 4) object-to-camera in metres, None for the articulated person; ``mask`` (H, W)
    bool, the visible pixels; ``visible_fraction`` of the whole silhouette; ``scale`` (3,) factors
    along the axes of the class's model.
    """

    class_id: int
    class_name: str
    pose: np.ndarray | None
    visible_fraction: float
    mask: np.ndarray
    scale: np.ndarray


@dataclass
class RenderedFrame:
    """``rgb`` (H, W, 3) uint8, ``depth_mm`` (H, W) uint16, and the ground truth by instance number.

    Instances outside the image are not listed.
    """

    rgb: np.ndarray
    depth_mm: np.ndarray
    instances: dict[int, RenderedInstance]


def observe(
    scene: SyntheticScene,
    camera_to_world: np.ndarray,
    intrinsics: Intrinsics,
    rng: np.random.Generator,
    person: TexturedMesh | None = None,
    person_class_id: int = 0,
) -> RenderedFrame:
    """A frame of the scene and, when there is one, of a posed person, as the camera sees it."""
    # Geometry and light.
    casters = [scene.shadows]
    moving: list[Item] = []
    person_instance = len(scene.objects) + 1
    if person is not None:
        moving = [Item(Surface([person]), np.eye(4), person_instance)]
        casters.append(shadow_scene(moving))
    rendering = render([*scene.items, *moving, scene.room.shell], camera_to_world, intrinsics)
    radiance = shade(rendering, scene.lighting, casters, camera_to_world, intrinsics, rng)

    # The camera's imperfections.
    rgb = scene.sensor.color_image(radiance, rng)
    depth = scene.sensor.depth_image(rendering, intrinsics, rng)

    # Ground truth of what is in the image.
    instances: dict[int, RenderedInstance] = {}
    for number, placed in enumerate(scene.objects, start=1):
        pose = invert_pose(camera_to_world) @ placed.pose
        _add_visible(instances, number, placed.object_class, pose, rendering)
    if person is not None:
        of_person = ObjectClass(person_class_id, PERSON, person)
        _add_visible(instances, person_instance, of_person, None, rendering)
    return RenderedFrame(rgb, depth, instances)


def _add_visible(
    instances: dict[int, RenderedInstance],
    number: int,
    object_class: ObjectClass,
    pose: np.ndarray | None,
    rendering: Rendering,
) -> None:
    """Add the instance, unless nothing of it is in the image."""
    mask = rendering.labels == number
    if mask.any():
        fraction = rendering.visible_fraction(number)
        class_id, name = object_class.class_id, object_class.name
        instances[number] = RenderedInstance(
            class_id, name, pose, fraction, mask, object_class.scale
        )
