# SPDX-License-Identifier: Apache-2.0
"""Pinhole camera and rigid-body geometry.

Camera frame: x right, y down, z forward (optical frame), in metres. Pixel (0, 0) is the center of
the top left pixel.
"""

from __future__ import annotations

import numpy as np

from perception_kit.types import Instance, Intrinsics

WORLD_UP = (0.0, 0.0, 1.0)

# Metres in front of the camera. Nearer points are not projected.
NEAR_PLANE = 0.05


def back_project(depth: np.ndarray, intrinsics: Intrinsics) -> np.ndarray:
    """(H, W, 3) float32 camera-frame points of a (H, W) depth image in metres.

    Where depth is 0 or not finite, the point is (0, 0, 0).
    """
    height, width = depth.shape
    focal = np.array([intrinsics.fx, intrinsics.fy], np.float32)
    center = np.array([intrinsics.cx, intrinsics.cy], np.float32)
    x = (np.arange(width, dtype=np.float32) - center[0]) / focal[0]
    y = (np.arange(height, dtype=np.float32) - center[1]) / focal[1]

    z = np.nan_to_num(depth, nan=0.0, posinf=0.0, neginf=0.0).astype(np.float32)
    return np.stack([z * x[None, :], z * y[:, None], z], axis=-1)


def instance_position(
    instance: Instance, depth: np.ndarray, intrinsics: Intrinsics
) -> np.ndarray | None:
    """(3,) median of the camera-frame points under an instance's mask.

    ``depth`` (H, W) is in metres. None where the mask covers no depth.
    """
    left, top = instance.mask_origin
    rows, columns = np.nonzero(instance.mask)
    u, v = columns + left, rows + top
    z = depth[v, u]
    valid = z > 0
    if not valid.any():
        return None

    u, v, z = u[valid], v[valid], z[valid]
    x = (u - intrinsics.cx) / intrinsics.fx * z
    y = (v - intrinsics.cy) / intrinsics.fy * z
    return np.median(np.stack([x, y, z], axis=1), axis=0)


def project(points: np.ndarray, intrinsics: Intrinsics) -> np.ndarray:
    """(N, 2) pixel coordinates of (N, 3) camera-frame points; points with z <= 0 give NaN."""
    z = np.where(points[:, 2:3] > 0, points[:, 2:3], np.nan)
    scale = np.array([intrinsics.fx, intrinsics.fy])
    center = np.array([intrinsics.cx, intrinsics.cy])
    return points[:, :2] / z * scale + center


def transform(points: np.ndarray, rotation: np.ndarray, translation: np.ndarray) -> np.ndarray:
    """(N, 3) points moved by a (3, 3) rotation and a (3,) translation."""
    return points @ rotation.T + translation


def pose_matrix(rotation: np.ndarray, translation: np.ndarray) -> np.ndarray:
    """(4, 4) homogeneous matrix of a (3, 3) rotation and a (3,) translation."""
    matrix = np.eye(4)
    matrix[:3, :3] = rotation
    matrix[:3, 3] = translation
    return matrix


def is_rotation(matrix: np.ndarray, tolerance: float = 0.01) -> bool:
    """Whether a (3, 3) matrix is orthonormal and not a reflection.

    ``tolerance`` is that of each entry of its Gram matrix.
    """
    return not rotation_fault(matrix, tolerance)


def rotation_fault(matrix: np.ndarray, tolerance: float = 0.01) -> str:
    """Why a (3, 3) matrix is no rotation, as ``is_rotation`` says; empty where it is one."""
    off = float(np.abs(matrix @ matrix.T - np.eye(3)).max())
    if not off <= tolerance:
        return f"not orthonormal, off by {off:.3g}: at most {tolerance:g}"
    return "" if np.linalg.det(matrix) > 0 else "a reflection (its determinant is -1)"


def invert_pose(matrix: np.ndarray) -> np.ndarray:
    """Inverse of a (4, 4) rigid transform."""
    rotation = matrix[:3, :3]
    return pose_matrix(rotation.T, -rotation.T @ matrix[:3, 3])


def look_at(
    eye: np.ndarray, target: np.ndarray, up: np.ndarray | tuple[float, float, float] = WORLD_UP
) -> np.ndarray:
    """(4, 4) camera-to-world matrix of an optical frame at ``eye`` that looks at ``target``.

    Raises ValueError where ``up`` is along the view.
    """
    forward = np.asarray(target, float) - eye
    right = np.cross(forward, up)
    if np.linalg.norm(right) < 1e-9 * max(float(np.linalg.norm(forward)), 1e-12):
        raise ValueError(f"look_at: eye {eye} and target {target} are in line with up {up}")

    forward /= np.linalg.norm(forward)
    right /= np.linalg.norm(right)
    down = np.cross(forward, right)
    return pose_matrix(np.stack([right, down, forward], axis=1), np.asarray(eye, float))


def quaternion_to_matrix(wxyz: np.ndarray) -> np.ndarray:
    """(..., 3, 3) rotation matrices of (..., 4) quaternions w, x, y, z, which need no norm of 1.

    w comes first, unlike in ROS messages.
    """
    q = np.asarray(wxyz, float)
    w, x, y, z = np.moveaxis(q / np.linalg.norm(q, axis=-1, keepdims=True), -1, 0)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def pixel_rays(
    x: np.ndarray, y: np.ndarray, camera_to_item: np.ndarray, intrinsics: Intrinsics
) -> np.ndarray:
    """(..., 6) float32 rays (origin, direction) in the item's frame through pixels (x, y).

    Directions have z = 1 in the camera frame, so that the hit distance is the z-depth.
    """
    rotation = camera_to_item[:3, :3].astype(np.float32)
    u = (x - np.float32(intrinsics.cx)) / np.float32(intrinsics.fx)
    v = (y - np.float32(intrinsics.cy)) / np.float32(intrinsics.fy)

    rays = np.empty((*np.broadcast_shapes(u.shape, v.shape), 6), np.float32)
    rays[..., :3] = camera_to_item[:3, 3]
    for axis in range(3):
        rays[..., 3 + axis] = u * rotation[axis, 0] + (v * rotation[axis, 1] + rotation[axis, 2])
    return rays


def image_rectangle(
    corners: np.ndarray, item_to_camera: np.ndarray, intrinsics: Intrinsics, outside: bool
) -> tuple[int, int, int, int] | None:
    """Pixel rectangle (left, top, right, bottom) of a box with (8, 3) ``corners``.

    With ``outside`` it may reach one image size beyond the borders. None when the box is out of
    sight. A box that reaches behind the camera gets the largest rectangle.
    """
    points = transform(corners, item_to_camera[:3, :3], item_to_camera[:3, 3])
    nearest, farthest = points[:, 2].min(), points[:, 2].max()
    if farthest < NEAR_PLANE:
        return None

    size = np.array([intrinsics.width, intrinsics.height])
    margin = size if outside else np.zeros_like(size)
    low, high = -margin, size + margin
    if nearest > NEAR_PLANE:
        pixels = project(points, intrinsics)
        low = np.maximum(low, np.floor(pixels.min(axis=0)).astype(int))
        high = np.minimum(high, np.ceil(pixels.max(axis=0)).astype(int) + 1)

    if (high <= low).any() or (low >= size).any() or (high <= 0).any():
        return None
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])
