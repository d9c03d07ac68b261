# SPDX-License-Identifier: Apache-2.0
"""A take as a robot films it that looks up from a table.

Objects stand before the people, who are cut off by the image's edges at times.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from perception_kit.synth.actor import Actor
from perception_kit.synth.camera_path import CameraPath
from perception_kit.synth.clips_scene import CameraTrajectory, Take, joints_over_time
from perception_kit.synth.motion import ActionScript
from perception_kit.synth.objects import builtin_classes
from perception_kit.synth.person import Person
from perception_kit.synth.recording import walking_area
from perception_kit.synth.room import TexturePool
from perception_kit.synth.sampling import bag_scene, sample_lighting
from perception_kit.synth.scene import pinhole
from perception_kit.types import Intrinsics

_ZOOM = (0.8, 1.3)
"""Range of the focal length as a multiple of a RealSense's."""


def stage_behind_table(
    rng: np.random.Generator, textures: TexturePool, segments: Sequence[tuple[str, float]]
) -> Take:
    """The scene of a recording, in varied light, behind whose table a random person acts.

    The person performs ``segments``; nobody does when there are none.
    """
    scene = bag_scene(rng, builtin_classes(), textures)
    lighting = sample_lighting(rng, varied=True)
    # Only the person is told apart: everything else is background, instance 0.
    items = [replace(item, instance=0) for item in (*scene.items, scene.room.shell)]
    if not segments:
        return Take.empty(scene.room, items, lighting)

    person = Person(rng, textures.split)
    script = ActionScript(rng, segments, walking_area(scene.room), skeleton=person.skeleton)
    return Take(scene.room, items, lighting, Actor(person, script), joints_over_time(script))


def robot_camera(
    rng: np.random.Generator, split: str, times: np.ndarray, width: int, height: int
) -> CameraTrajectory:
    """The moving camera of the split's recordings at ``times`` (T,) seconds, with a random lens."""
    path = CameraPath.sample(rng, split)
    focal = pinhole(width, height).fx * rng.uniform(*_ZOOM)
    intrinsics = Intrinsics(focal, focal, (width - 1) / 2, (height - 1) / 2, width, height)
    return CameraTrajectory(np.stack([path.at(t) for t in times]), intrinsics, fixed=False)
