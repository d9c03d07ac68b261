# SPDX-License-Identifier: Apache-2.0
"""A recording before it is written: one scene, a moving camera, and a person who walks, runs and
falls.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from perception_kit.geometry import invert_pose
from perception_kit.synth.camera_path import CameraPath
from perception_kit.synth.motion import ActionScript
from perception_kit.synth.person import Person
from perception_kit.synth.room import Room
from perception_kit.synth.sampling import bag_scene
from perception_kit.synth.scene import Scene, SceneFrame, observe, seeded
from perception_kit.synth.world import WorldConfig

FALL_SECONDS = 1.2
ROUND_SECONDS = 12.5
VELOCITY_STEP = 0.005


def action_segments(seconds: float) -> list[tuple[str, float]]:
    """Actions for a recording: rounds of walking, running, a fall and lying; rounds of 14 s and
    more have some standing as well.
    """
    rounds = max(1, int(seconds // ROUND_SECONDS))
    each = seconds / rounds
    walking, running, standing = 0.35 * each, 0.25 * each, 0.12 * each if each >= 14 else 0.0
    lying = max(each - walking - running - standing - FALL_SECONDS, 0.3)
    segments = [
        ("walking", walking),
        ("other", standing),
        ("running", running),
        ("falling", FALL_SECONDS),
        ("lying", lying),
    ]
    return [segment for segment in segments if segment[1] > 0] * rounds


@dataclass
class Velocity:
    """``linear`` m/s and ``angular`` rad/s (3,) of an object in the camera frame, relative to the
    camera.
    """

    linear: np.ndarray
    angular: np.ndarray


@dataclass
class RecordedFrame:
    """One frame with its truth.

    ``action`` is None when there is no person; velocities by instance number.
    """

    index: int
    frame: SceneFrame
    velocities: dict[int, Velocity]
    action: str | None
    person_instance: int


@dataclass
class Recording:
    """Frame ``index`` is taken ``index / fps`` seconds after the start; any frame can be rendered
    by itself.
    """

    world: WorldConfig
    seed: int
    seconds: float
    fps: float

    def __post_init__(self) -> None:
        if not (self.seconds > 0 and self.fps > 0):
            raise ValueError(
                f"a recording needs a positive length and rate, got {self.seconds} s at {self.fps}"
                " frames per second"
            )

    @property
    def num_frames(self) -> int:
        """Frames of the whole recording."""
        return max(1, round(self.seconds * self.fps))

    def renderer(self) -> Callable[[int], RecordedFrame]:
        """The function that renders one frame. Builds the scene, so each worker calls it once."""
        rng = seeded(self.world.split, self.seed)
        classes = self.world.classes()
        scene = bag_scene(rng, classes, self.world.textures())
        path = CameraPath.sample(rng, self.world.split)
        person, script = None, None
        if self.world.with_person:
            person = Person(rng, self.world.split)
            script = ActionScript(
                rng,
                action_segments(self.seconds),
                walking_area(scene.room),
                skeleton=person.skeleton,
            )
        return RecordingRenderer(self, scene, path, person, script, len(classes) + 1).frame


@dataclass
class RecordingRenderer:
    """The built scene of a recording."""

    recording: Recording
    scene: Scene
    path: CameraPath
    person: Person | None
    script: ActionScript | None
    person_class_id: int

    def frame(self, index: int) -> RecordedFrame:
        """Render frame ``index``."""
        seconds = index / self.recording.fps
        world = self.recording.world
        camera = self.path.at(seconds)
        mesh, action = None, None
        if self.person is not None and self.script is not None:
            pose, action = self.script.at(seconds)
            mesh = self.person.mesh(pose)
        rng = seeded(world.split, self.recording.seed, index)
        frame = observe(self.scene, camera, world.intrinsics, rng, mesh, self.person_class_id)
        after = self.path.at(seconds + VELOCITY_STEP)
        velocities = {
            number: _velocity(one.pose, camera, after)
            for number, one in enumerate(self.scene.objects, start=1)
        }
        return RecordedFrame(index, frame, velocities, action, len(self.scene.objects) + 1)


def walking_area(room: Room) -> tuple[tuple[float, float], tuple[float, float]]:
    """((x_min, x_max), (y_min, y_max)) of the free floor that the camera sees all the time."""
    return (-1.2, 1.2), (2.3, min(3.8, room.floor_bounds[3]))


def _velocity(pose: np.ndarray, camera: np.ndarray, camera_after: np.ndarray) -> Velocity:
    before, after = invert_pose(camera) @ pose, invert_pose(camera_after) @ pose
    turn = Rotation.from_matrix(after[:3, :3] @ before[:3, :3].T).as_rotvec()
    return Velocity((after[:3, 3] - before[:3, 3]) / VELOCITY_STEP, turn / VELOCITY_STEP)
