# SPDX-License-Identifier: Apache-2.0
"""The 6D poses of a frame as arrays, without those that no filter could use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from perception_kit.types import PoseEstimate

# Rounding of a rotation in float32 is far below, a scaled or sheared one far above.
ROTATION_TOLERANCE = 1e-3
# Further than any depth camera sees.
MAX_DISTANCE_M = 1e4


@dataclass
class Poses:
    """N usable poses in the frame in which tracks move.

    ``index`` (N,) of each in the list that was given, ``detection_index`` (N,), ``class_name`` (N,)
    objects, ``position`` (N, 3) in metres, ``rotation`` (N, 3, 3); ``size`` (N, 3) in metres with
    its ``size_variance`` (N, 3), 0 where it is known and NaN where it is of no use.
    """

    index: np.ndarray
    detection_index: np.ndarray
    class_name: np.ndarray
    position: np.ndarray
    rotation: np.ndarray
    size: np.ndarray
    size_variance: np.ndarray

    def __len__(self) -> int:
        return len(self.index)

    def rows(self, index: np.ndarray) -> Poses:
        """The poses that a boolean mask or an array of row numbers selects."""
        return Poses(
            self.index[index],
            self.detection_index[index],
            self.class_name[index],
            self.position[index],
            self.rotation[index],
            self.size[index],
            self.size_variance[index],
        )

    def of_detections(self, detection_index: np.ndarray) -> np.ndarray:
        """(N,) row of the pose of each detection, -1 where it has none."""
        row_of = dict(zip(self.detection_index.tolist(), range(len(self)), strict=True))
        return np.array([row_of.get(index, -1) for index in detection_index.tolist()], np.int64)


def usable_poses(
    poses: Sequence[PoseEstimate], camera: np.ndarray
) -> tuple[Poses, list[tuple[int, str]]]:
    """The usable poses, and (index, reason) of the others.

    ``camera`` (4, 4) transforms the camera's optical frame to the one in which tracks move.
    """
    kept: list[int] = []
    rejected: list[tuple[int, str]] = []
    taken: set[int] = set()
    for index, pose in enumerate(poses):
        reason = _reason_against(pose)
        if not reason and pose.detection_index in taken:
            reason = f"detection {pose.detection_index} has more than one pose"
        if reason:
            rejected.append((index, reason))
        else:
            kept.append(index)
            taken.add(pose.detection_index)

    position = np.array([poses[index].translation for index in kept], np.float64).reshape(-1, 3)
    rotation = np.array([poses[index].rotation for index in kept], np.float64).reshape(-1, 3, 3)
    sizes = [_size_and_variance(poses[index]) for index in kept]
    size, size_variance = np.array(sizes, np.float64).reshape(-1, 2, 3).transpose(1, 0, 2)
    usable = Poses(
        index=np.array(kept, np.int64),
        detection_index=np.array([poses[index].detection_index for index in kept], np.int64),
        class_name=np.array([poses[index].class_name for index in kept], object),
        position=position @ camera[:3, :3].T + camera[:3, 3],
        rotation=camera[:3, :3] @ rotation,
        size=size,
        size_variance=size_variance,
    )
    return usable, rejected


def nearest_equivalents(
    poses: Poses, expected: np.ndarray, symmetries: Mapping[str, np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Positions (N, 3) and rotations (N, 3, 3) of the nearest symmetric equivalents.

    They are those nearest to the rotations ``expected`` (N, 3, 3). ``symmetries`` gives the
    (K, 4, 4) transforms of a class's model onto itself in metres, the identity included: a pose T
    equals T S.
    """
    position, rotation = poses.position.copy(), poses.rotation.copy()
    for row, name in enumerate(poses.class_name):
        if name in symmetries:
            candidates = rotation[row] @ symmetries[name][:, :3, :3]

            # The angle between two rotations falls as the trace of their quotient grows.
            best = np.einsum("kij,ij->k", candidates, expected[row]).argmax()
            position[row] += rotation[row] @ symmetries[name][best, :3, 3]
            rotation[row] = candidates[best]
    return position, rotation


def _size_and_variance(pose: PoseEstimate) -> tuple[np.ndarray, np.ndarray]:
    """Size (3,) of a pose and its variance (3,), NaN for one that no object has."""
    size = np.asarray(pose.size, np.float64)
    std = np.zeros(3) if pose.size_std is None else np.asarray(pose.size_std, np.float64)
    if size.shape != (3,) or not (size > 0).all() or not np.isfinite(size).all():
        return np.zeros(3), np.full(3, np.nan)
    is_good = std.shape == (3,) and bool(((std >= 0) & np.isfinite(std)).all())
    return size, np.square(std) if is_good else np.full(3, np.nan)


def _reason_against(pose: PoseEstimate) -> str:
    """Why a pose cannot be used, empty when it can."""
    translation, rotation = np.asarray(pose.translation), np.asarray(pose.rotation)
    if translation.shape != (3,) or not np.isfinite(translation).all():
        return f"translation {translation.tolist()} is not three finite numbers"
    if np.abs(translation).max() > MAX_DISTANCE_M:
        return f"translation {translation.tolist()} lies more than {MAX_DISTANCE_M:.0f} m out"
    if rotation.shape != (3, 3) or not _is_rotation(rotation):
        return "rotation is not a rotation matrix"
    return ""


def _is_rotation(matrix: np.ndarray) -> bool:
    """Whether a (3, 3) matrix is orthonormal and not a reflection; NaN compares False."""
    is_orthonormal = np.abs(matrix @ matrix.T - np.eye(3)).max() < ROTATION_TOLERANCE
    return bool(is_orthonormal and np.linalg.det(matrix) > 0)
