# SPDX-License-Identifier: Apache-2.0
"""Skeleton of the articulated person: joints, pose channels, proportions and forward kinematics.

Body frame: x forward, y to the person's left, z up; in the rest pose (all angles 0) the person
stands upright with hanging arms. Segment lengths are fractions of the body height after Drillis and
Contini (1966), as tabulated in Winter, "Biomechanics and Motor Control of Human Movement".
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.spatial.transform import Rotation

_LIMBS = ("upper_arm", "forearm", "hand", "thigh", "shin", "foot")
JOINTS = (
    *("pelvis", "spine", "chest", "neck", "head"),
    *(f"{side}_{limb}" for side in ("left", "right") for limb in _LIMBS),
)
JOINT_INDEX = {name: index for index, name in enumerate(JOINTS)}

_PARENT_NAMES = {"spine": "pelvis", "chest": "spine", "neck": "chest", "head": "neck"}
for _side in ("left", "right"):
    _PARENT_NAMES |= {
        f"{_side}_upper_arm": "chest",
        f"{_side}_forearm": f"{_side}_upper_arm",
        f"{_side}_hand": f"{_side}_forearm",
        f"{_side}_thigh": "pelvis",
        f"{_side}_shin": f"{_side}_thigh",
        f"{_side}_foot": f"{_side}_shin",
    }
PARENTS = tuple(
    JOINT_INDEX[_PARENT_NAMES[name]] if name in _PARENT_NAMES else -1 for name in JOINTS
)
"""Index of each joint's parent, -1 for the pelvis; parents come before their children."""

_LIMB_CHANNELS = (
    *("shoulder_flex", "shoulder_abduct", "shoulder_rotate", "elbow", "wrist"),
    *("hip_flex", "hip_abduct", "hip_rotate", "knee", "ankle"),
)
CHANNELS = (
    *("clearance", "root_pitch", "root_roll", "root_yaw"),
    *("spine_flex", "spine_side", "spine_twist", "neck_flex", "neck_side", "neck_twist"),
    *(f"{side}_{name}" for side in ("left", "right") for name in _LIMB_CHANNELS),
)
"""Pose channels: ``clearance`` and joint angles.

``clearance`` is the height of the body's lowest point above the floor in metres. Angles are in
radians: flexion, abduction and inward rotation positive; the root pitches forward and rolls to the
right.
"""
CHANNEL_INDEX = {name: index for index, name in enumerate(CHANNELS)}
PELVIS_CONTACT = 1
"""Index of the pelvis among the contact points."""


def _angle_map() -> np.ndarray:
    """(channels, joints * 3) linear map from channels to joint angles.

    Those are the intrinsic Y, X, Z Euler angles of each joint.
    """
    matrix = np.zeros((len(CHANNELS), len(JOINTS), 3))

    def drive(channel: str, joint: str, axis: int, factor: float) -> None:
        matrix[CHANNEL_INDEX[channel], JOINT_INDEX[joint], axis] = factor

    drive("root_pitch", "pelvis", 0, 1.0)
    drive("root_roll", "pelvis", 1, 1.0)

    # Two joints each share the bending of spine and neck.
    for motion, axis in (("flex", 0), ("side", 1), ("twist", 2)):
        for joint in ("spine", "chest"):
            drive(f"spine_{motion}", joint, axis, 0.5)
        for joint in ("neck", "head"):
            drive(f"neck_{motion}", joint, axis, 0.5)

    for side, sign in (("left", 1.0), ("right", -1.0)):
        # Ball joints.
        for channel, joint in (("shoulder", "upper_arm"), ("hip", "thigh")):
            drive(f"{side}_{channel}_flex", f"{side}_{joint}", 0, -1.0)
            drive(f"{side}_{channel}_abduct", f"{side}_{joint}", 1, sign)
            drive(f"{side}_{channel}_rotate", f"{side}_{joint}", 2, -sign)
        # Hinges: only the knee bends backward.
        drive(f"{side}_elbow", f"{side}_forearm", 0, -1.0)
        drive(f"{side}_wrist", f"{side}_hand", 0, -1.0)
        drive(f"{side}_knee", f"{side}_shin", 0, 1.0)
        drive(f"{side}_ankle", f"{side}_foot", 0, -1.0)
    return matrix.reshape(len(CHANNELS), -1)


_ANGLE_MAP = _angle_map()


@dataclass(frozen=True)
class BodyPose:
    """A posture and its place in the world.

    ``channels`` (len(CHANNELS),) see ``CHANNELS``; ``position`` (2,) metres, x and y of the pelvis;
    ``heading`` radians about z, 0 facing +x. The height of the pelvis is not stored: it follows
    from ``clearance`` and the body's shape.
    """

    channels: np.ndarray
    position: np.ndarray
    heading: float

    @staticmethod
    def standing(position: tuple[float, float] = (0.0, 0.0), heading: float = 0.0) -> BodyPose:
        """Upright rest pose at ``position``."""
        return BodyPose(np.zeros(len(CHANNELS)), np.asarray(position, float), heading)


@dataclass(frozen=True)
class Skeleton:
    """Body proportions.

    ``height`` metres; ``leg_ratio``, ``shoulder_ratio``, ``girth`` and ``head_ratio`` scale the
    average adult's.
    """

    height: float = 1.72
    leg_ratio: float = 1.0
    shoulder_ratio: float = 1.0
    girth: float = 1.0
    head_ratio: float = 1.0

    @property
    def hip_height(self) -> float:
        """Height of the hip joints above the floor when standing, metres."""
        return 0.53 * self.leg_ratio * self.height

    @cached_property
    def offsets(self) -> np.ndarray:
        """(joints, 3) rest position of each joint in its parent's frame, metres."""
        # Lengths as fractions of the body height; arms grow half as much as legs do.
        h, hip = self.height, self.hip_height
        shin = 0.246 * self.leg_ratio * h
        ankle = 0.043 * h
        trunk = 0.818 * h - hip - 0.015 * h
        arm = 0.5 * (self.leg_ratio + 1.0) * h

        table: dict[str, tuple[float, float, float]] = {
            "pelvis": (0, 0, 0),
            "spine": (0, 0, 0.18 * trunk),
            "chest": (0, 0, 0.37 * trunk),
            "neck": (-0.005 * h, 0, 0.845 * h - hip - 0.55 * trunk),
            "head": (0.008 * h, 0, 0.020 * h),
        }
        for side, sign in (("left", 1), ("right", -1)):
            shoulder = sign * 0.104 * h * self.shoulder_ratio
            table[f"{side}_upper_arm"] = (-0.005 * h, shoulder, 0.43 * trunk)
            table[f"{side}_forearm"] = (0, 0, -0.183 * arm)
            table[f"{side}_hand"] = (0, 0, -0.147 * arm)
            table[f"{side}_thigh"] = (0, sign * 0.052 * h, 0)
            table[f"{side}_shin"] = (0, 0, -(hip - shin - ankle))
            table[f"{side}_foot"] = (0, 0, -shin)
        return np.array([table[name] for name in JOINTS], float)

    def rest_joints(self) -> np.ndarray:
        """(joints, 3) joint positions of the rest pose with the pelvis at the origin, metres."""
        return self.forward_kinematics(np.zeros((1, len(CHANNELS))))[1][0]

    def forward_kinematics(self, channels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Rotations (T, joints, 3, 3) and positions (T, joints, 3) of (T, channels) poses.

        Pelvis at the origin, heading 0, metres.
        """
        count = len(channels)
        angles = (channels @ _ANGLE_MAP).reshape(-1, 3)
        local = Rotation.from_euler("YXZ", angles).as_matrix().reshape(count, len(JOINTS), 3, 3)
        yaw = Rotation.from_euler("z", channels[:, [CHANNEL_INDEX["root_yaw"]]]).as_matrix()

        # From the pelvis outwards, each joint in the frame of its parent.
        rotations = np.empty_like(local)
        positions = np.zeros((count, len(JOINTS), 3))
        rotations[:, 0] = yaw @ local[:, 0]
        for joint in range(1, len(JOINTS)):
            parent = PARENTS[joint]
            rotations[:, joint] = rotations[:, parent] @ local[:, joint]
            positions[:, joint] = positions[:, parent] + rotations[:, parent] @ self.offsets[joint]
        return rotations, positions

    @cached_property
    def _contact_table(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The spheres with which the body touches the floor.

        Joint index (P,), offset (P, 3) in its frame and radius (P,), metres.
        """
        h = self.height
        rows: list[tuple[str, tuple[float, float, float], float]] = [
            ("head", (0.0, 0.0, 0.06 * h), 0.055 * h),
            ("pelvis", (-0.02 * h, 0.0, 0.0), 0.055 * h),
            ("chest", (0.0, 0.0, 0.12 * h), 0.065 * h),
        ]
        for side in ("left", "right"):
            rows += [
                (f"{side}_foot", (-0.035 * h, 0.0, -0.033 * h), 0.010 * h),  # the heel
                (f"{side}_foot", (0.088 * h, 0.0, -0.033 * h), 0.010 * h),  # the toes
                (f"{side}_shin", (0.0, 0.0, 0.0), 0.033 * h),
                (f"{side}_forearm", (0.0, 0.0, 0.0), 0.023 * h),
                (f"{side}_hand", (0.0, 0.0, -0.05 * h), 0.015 * h),
                (f"{side}_upper_arm", (0.0, 0.0, 0.0), 0.033 * h),
                (f"{side}_thigh", (0.0, 0.0, 0.0), 0.055 * h),
            ]

        joints, offsets, radii = zip(*rows, strict=True)
        return np.array([JOINT_INDEX[name] for name in joints]), np.array(offsets), np.array(radii)

    def contact_points(self, channels: np.ndarray) -> np.ndarray:
        """(T, P, 3) lowest points of the contact spheres for (T, channels) poses, metres.

        Pelvis at the origin, heading 0.
        """
        rotations, positions = self.forward_kinematics(channels)
        joints, offsets, radii = self._contact_table
        points = positions[:, joints] + np.einsum("tpij,pj->tpi", rotations[:, joints], offsets)
        points[..., 2] -= radii
        return points
