# SPDX-License-Identifier: Apache-2.0
"""Places rigid objects: at rest on the table without touching, or floating before the camera."""

from __future__ import annotations

import cv2
import numpy as np
from scipy.spatial.transform import Rotation

from perception_kit.geometry import pose_matrix
from perception_kit.synth.catalog import ObjectClass

TRIES = 80
"""Random places that are tried before an object is left out."""


def choose_classes(
    rng: np.random.Generator, classes: list[ObjectClass], count: int
) -> list[ObjectClass]:
    """``count`` classes in random order of which the first two are the same."""
    order = [classes[int(index)] for index in rng.permutation(len(classes))]
    extra = [classes[int(index)] for index in rng.integers(0, len(classes), count)]
    # Mostly every class once, sometimes any mixture.
    chosen = [order[0], *order] if rng.random() < 0.7 else [order[0], order[0], *extra]
    return (chosen + extra)[:count]


def stable_rotation(
    rng: np.random.Generator, object_class: ObjectClass, upright_fraction: float
) -> np.ndarray:
    """(3, 3) rotation of a stable pose turned by a random yaw.

    With probability ``upright_fraction`` the way it is usually put down.
    """
    yaw = Rotation.from_euler("z", rng.uniform(0, 2 * np.pi)).as_matrix()
    if rng.random() < upright_fraction:
        return yaw
    poses = object_class.stable_poses
    weights = np.array([pose.weight for pose in poses])
    return yaw @ poses[int(rng.choice(len(weights), p=weights))].rotation


class TableTop:
    """Places objects on a rectangle of (width, depth) metres at ``height``, turned by ``yaw``.

    Their outlines seen from above (smallest enclosing rectangles) stay ``gap`` metres apart, so
    they do not touch whatever their heights.
    """

    def __init__(
        self, size: tuple[float, float], height: float, yaw: float, gap: float = 0.006
    ) -> None:
        self.size, self.height, self.yaw, self.gap = size, height, yaw, gap
        self._taken: list[cv2.typing.RotatedRect] = []

    def place(
        self,
        rng: np.random.Generator,
        object_class: ObjectClass,
        rotation: np.ndarray,
        lift: float = 0.0,
    ) -> np.ndarray | None:
        """(4, 4) object-to-world pose at a free random place, ``lift`` metres above the table.

        None when no place was found.
        """
        turned = object_class.hull @ rotation.T
        outline = turned[:, :2].astype(np.float32)
        z = self.height + lift - turned[:, 2].min()

        cosine, sine = np.cos(self.yaw), np.sin(self.yaw)
        for _ in range(TRIES):
            x, y = ((rng.random(2) - 0.5) * self.size).tolist()
            position = np.array([cosine * x - sine * y, sine * x + cosine * y, z])
            footprint = self._footprint(outline + position[:2].astype(np.float32))
            if not any(_overlap(footprint, taken) for taken in self._taken):
                self._taken.append(footprint)
                return pose_matrix(rotation, position)
        return None

    def _footprint(self, outline: np.ndarray) -> cv2.typing.RotatedRect:
        """Smallest rectangle in millimetres around (n, 2) float32 points in metres, and the gap."""
        center, (width, depth), angle = cv2.minAreaRect(outline * np.float32(1000))
        return center, (width + 1000 * self.gap, depth + 1000 * self.gap), angle


def _overlap(first: cv2.typing.RotatedRect, second: cv2.typing.RotatedRect) -> bool:
    return cv2.rotatedRectangleIntersection(first, second)[0] != cv2.INTERSECT_NONE


def place_floating(
    rng: np.random.Generator,
    object_class: ObjectClass,
    camera_to_world: np.ndarray,
    taken: list[tuple[np.ndarray, float]],
    floor: float,
) -> np.ndarray | None:
    """(4, 4) pose at a random place 0.45 to 1.4 m before the camera, any way up.

    None when no place was found. ``taken`` lists (centre, radius) of the spheres in use and gets
    the new one; nothing comes below ``floor`` metres.
    """
    rotation = Rotation.random(random_state=rng).as_matrix()
    middle = object_class.hull.mean(axis=0)
    radius = float(np.linalg.norm(object_class.hull - middle, axis=1).max())

    for _ in range(TRIES):
        # A point in the camera's field of view.
        z = rng.uniform(0.45, 1.4)
        local = np.array([rng.uniform(-0.45, 0.45) * z, rng.uniform(-0.33, 0.33) * z, z])
        center = camera_to_world[:3, :3] @ local + camera_to_world[:3, 3]

        if center[2] - radius < floor:
            continue
        if any(np.linalg.norm(center - place) < radius + size for place, size in taken):
            continue
        taken.append((center, radius))
        return pose_matrix(rotation, center - rotation @ middle)
    return None
