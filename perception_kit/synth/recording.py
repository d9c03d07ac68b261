# SPDX-License-Identifier: Apache-2.0
"""A recording before it is written: one scene, a moving camera, and a person who acts in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from perception_kit.geometry import invert_pose
from perception_kit.synth.actor import Actor
from perception_kit.synth.camera_path import CameraPath
from perception_kit.synth.choices import PathKind
from perception_kit.synth.motion import ActionScript, Bounds
from perception_kit.synth.person import Person
from perception_kit.synth.robot_path import CirclePath, DrivePath, Path, RigPath
from perception_kit.synth.room import Room
from perception_kit.synth.sampling import bag_scene
from perception_kit.synth.scene import RenderedFrame, SyntheticScene, observe
from perception_kit.synth.splits import seeded
from perception_kit.synth.world import WorldConfig

FALL_SECONDS = 1.2
ROUND_SECONDS = 12.5
"""Shortest time for which the person goes through all actions once."""
STANDING_ROUND_SECONDS = 14
"""Length from which on a round has time for standing as well."""
VELOCITY_STEP = 0.005
"""Seconds over which velocities are differences of poses."""


def action_segments(seconds: float) -> list[tuple[str, float]]:
    """Actions for a recording: rounds of walking, running, a fall and lying, some with standing."""
    rounds = max(1, int(seconds // ROUND_SECONDS))
    length = seconds / rounds

    walking, running = 0.35 * length, 0.25 * length
    standing = 0.12 * length if length >= STANDING_ROUND_SECONDS else 0.0
    lying = max(length - walking - running - standing - FALL_SECONDS, 0.3)
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
    """Velocity of an object in the camera frame, relative to the camera.

    ``linear`` (3,) m/s and ``angular`` (3,) rad/s.
    """

    linear: np.ndarray
    angular: np.ndarray


@dataclass
class RecordedFrame:
    """One frame of one ``camera``, by number, with its ground truth.

    ``camera_to_world`` (4, 4); ``action`` is None when there is no person; velocities by instance
    number.
    """

    index: int
    frame: RenderedFrame
    velocities: dict[int, Velocity]
    action: str | None
    person_instance: int
    camera_to_world: np.ndarray
    camera: int = 0


@dataclass
class SyntheticRecording:
    """Frame ``index`` of each camera is taken ``index / fps`` seconds after the start.

    Of several ``cameras`` each takes its frames a little later than the one before. Any image can
    be rendered by itself. Raises ValueError for a length or rate that is not positive.
    """

    world: WorldConfig
    seed: int
    seconds: float
    fps: float
    cameras: int = 1
    path: PathKind = "table"

    def __post_init__(self) -> None:
        if not (self.seconds > 0 and self.fps > 0):
            raise ValueError(
                "a recording needs a positive length and rate,"
                f" got {self.seconds} s at {self.fps} frames per second"
            )

    @property
    def num_frames(self) -> int:
        """Frames of one camera in the whole recording."""
        return max(1, round(self.seconds * self.fps))

    @property
    def num_images(self) -> int:
        """Frames of all cameras."""
        return self.num_frames * self.cameras

    def moment(self, index: int, camera: int) -> float:
        """Seconds after the start of frame ``index`` of a camera."""
        return (index + camera / self.cameras) / self.fps

    def renderer(self) -> Callable[[int], RecordedFrame]:
        """The function that renders one image of all, frame by frame, in each camera by camera.

        Builds the scene, so each worker calls it once.
        """
        rng = seeded(self.world.split, self.seed)
        classes = self.world.classes()
        scene = bag_scene(rng, classes, self.world.textures())
        path = CameraPath.sample(rng, self.world.split)

        actor = None
        if self.world.with_person:
            person = Person(rng, self.world.split)
            segments, area = action_segments(self.seconds), walking_area(scene.room)
            script = ActionScript(rng, segments, area, skeleton=person.skeleton)
            actor = Actor(person, script)
        paths = self._paths(path, scene.room, seeded(self.world.split, self.seed, 0, 0))
        return RecordingRenderer(self, scene, paths, actor, len(classes) + 1).frame

    def _paths(self, hand: CameraPath, room: Room, rng: np.random.Generator) -> list[Path]:
        """The path of each camera; a single one before the table is held by a ``hand``."""
        base: Path = hand
        if self.path == "drive":
            base = DrivePath(self.seconds, rng)
        elif self.path == "circle":
            base = CirclePath(room.table_height, self.seconds, rng)
        if self.cameras == 1:
            return [base]
        phase = float(rng.uniform(0, 2 * np.pi))
        return [RigPath(base, number, phase) for number in range(self.cameras)]


@dataclass
class RecordingRenderer:
    """Everything that the frames of a recording have in common."""

    recording: SyntheticRecording
    scene: SyntheticScene
    paths: Sequence[Path]
    actor: Actor | None
    person_class_id: int

    def frame(self, number: int) -> RecordedFrame:
        """Render image ``number`` of all."""
        index, camera_number = divmod(number, self.recording.cameras)
        seconds = self.recording.moment(index, camera_number)
        world, path = self.recording.world, self.paths[camera_number]
        camera = path.at(seconds)
        body, action = (None, None) if self.actor is None else self.actor.at(seconds)

        rng = seeded(world.split, self.recording.seed, number)
        frame = observe(self.scene, camera, world.intrinsics, rng, body, self.person_class_id)

        # Objects stand still, so they move in the camera frame because the camera does.
        after = path.at(seconds + VELOCITY_STEP)
        velocities = {
            instance: _velocity(placed.pose, camera, after)
            for instance, placed in enumerate(self.scene.objects, start=1)
        }
        person_instance = len(self.scene.objects) + 1
        return RecordedFrame(
            index, frame, velocities, action, person_instance, camera, camera_number
        )


def walking_area(room: Room) -> Bounds:
    """The free floor that the camera sees all the time, metres."""
    return (-1.2, 1.2), (2.3, min(3.8, room.floor_bounds[3]))


def _velocity(pose: np.ndarray, camera: np.ndarray, camera_after: np.ndarray) -> Velocity:
    """Velocity of an object (``pose`` to the world) by the difference of two camera poses."""
    before, after = invert_pose(camera) @ pose, invert_pose(camera_after) @ pose
    shift = after[:3, 3] - before[:3, 3]
    turn = Rotation.from_matrix(after[:3, :3] @ before[:3, :3].T).as_rotvec()
    return Velocity(shift / VELOCITY_STEP, turn / VELOCITY_STEP)
