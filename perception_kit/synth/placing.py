# SPDX-License-Identifier: Apache-2.0
"""Where rigid things go: at rest on the table without touching each other, or floating in front of
the camera.
"""

from __future__ import annotations

import cv2
import numpy as np
from scipy.spatial.transform import Rotation

from perception_kit.geometry import pose_matrix
from perception_kit.synth.catalog import ObjectClass

GAP_MM = 6.0
TRIES = 80
Footprint = tuple[tuple[float, float], tuple[float, float], float]


def choose_classes(
    rng: np.random.Generator, classes: list[ObjectClass], count: int
) -> list[ObjectClass]:
    """``count`` classes in random order of which the first two are the same."""
    order = [classes[int(index)] for index in rng.permutation(len(classes))]
    extra = [classes[int(index)] for index in rng.integers(0, len(classes), count)]
    chosen = [order[0], *order] if rng.random() < 0.7 else [order[0], order[0], *extra]
    return (chosen + extra)[:count]


def stable_rotation(
    rng: np.random.Generator, thing: ObjectClass, upright_fraction: float
) -> np.ndarray:
    """(3, 3) rotation of a stable pose turned by a random yaw; with probability ``upright_fraction``
    the way it is usually put down.
    """
    yaw = Rotation.from_euler("z", rng.uniform(0, 2 * np.pi)).as_matrix()
    if rng.random() < upright_fraction:
        return yaw
    weights = np.array([pose.weight for pose in thing.stable_poses])
    return yaw @ thing.stable_poses[int(rng.choice(len(weights), p=weights))].rotation


class TableTop:
    """Places things on a rectangle of (width, depth) metres at ``height``, turned by ``yaw``.

    Their outlines seen from above (smallest enclosing rectangles) stay apart, so they do not touch
    whatever their heights.
    """

    def __init__(self, size: tuple[float, float], height: float, yaw: float) -> None:
        self.size, self.height, self.yaw = size, height, yaw
        self._taken: list[Footprint] = []

    def place(
        self, rng: np.random.Generator, thing: ObjectClass, rotation: np.ndarray, lift: float = 0.0
    ) -> np.ndarray | None:
        """(4, 4) object-to-world pose at a free random place, ``lift`` metres above the table; None
        when no place was found.
        """
        turned = thing.hull @ rotation.T
        outline = turned[:, :2].astype(np.float32)
        cosine, sine = np.cos(self.yaw), np.sin(self.yaw)
        for _ in range(TRIES):
            x, y = ((rng.random(2) - 0.5) * self.size).tolist()
            position = np.array(
                [
                    cosine * x - sine * y,
                    sine * x + cosine * y,
                    self.height + lift - turned[:, 2].min(),
                ]
            )
            center, extent, angle = cv2.minAreaRect(
                (outline + position[:2].astype(np.float32)) * np.float32(1000)
            )
            footprint = (center, (extent[0] + GAP_MM, extent[1] + GAP_MM), angle)
            if all(
                cv2.rotatedRectangleIntersection(footprint, other)[0] == cv2.INTERSECT_NONE
                for other in self._taken
            ):
                self._taken.append(footprint)
                return pose_matrix(rotation, position)
        return None


def place_floating(
    rng: np.random.Generator,
    thing: ObjectClass,
    camera_to_world: np.ndarray,
    taken: list[tuple[np.ndarray, float]],
    floor: float,
) -> np.ndarray | None:
    """(4, 4) pose at a random place 0.45 to 1.4 m before the camera, any way up; None when no place
    was found.

    ``taken`` lists (centre, radius) of the spheres in use and gets the new one; nothing comes below
    ``floor`` metres.
    """
    rotation = Rotation.random(random_state=rng).as_matrix()
    middle = thing.hull.mean(axis=0)
    radius = float(np.linalg.norm(thing.hull - middle, axis=1).max())
    for _ in range(TRIES):
        z = rng.uniform(0.45, 1.4)
        local = np.array([rng.uniform(-0.45, 0.45) * z, rng.uniform(-0.33, 0.33) * z, z])
        center = camera_to_world[:3, :3] @ local + camera_to_world[:3, 3]
        if center[2] - radius < floor or any(
            np.linalg.norm(center - other) < radius + size for other, size in taken
        ):
            continue
        taken.append((center, radius))
        return pose_matrix(rotation, center - rotation @ middle)
    return None
