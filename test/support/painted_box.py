# SPDX-License-Identifier: Apache-2.0
"""A box with painted sides, its surface samples, and how a camera sees it."""

from __future__ import annotations

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from perception_kit.datasets.depth_renderer import DepthRenderer
from perception_kit.datasets.mesh_colors import CornerColors
from perception_kit.datasets.object_model import ObjectModel
from perception_kit.geometry import back_project
from perception_kit.types import Intrinsics
from pose6d_node.densefusion.crops import Crops, cut_crop
from pose6d_node.densefusion.object_table import MODEL_POINTS
from pose6d_node.registration.placement import Hypotheses, Surfaces

SIDES = np.array([0.16, 0.10, 0.06])
CAMERA = Intrinsics(500.0, 500.0, 160.0, 120.0, 320, 240)
# +x, -x, +y, -y, +z, -z
PAINT = np.array(
    [[200, 60, 50], [60, 160, 70], [50, 80, 190], [220, 200, 60], [230, 230, 230], [40, 40, 40]],
    np.uint8,
)
ROTATION = Rotation.from_euler("xyz", [35, 40, 15], degrees=True).as_matrix()
TRANSLATION = np.array([0.02, -0.01, 0.6])


def paint_at(points: np.ndarray) -> np.ndarray:
    """(..., 3) uint8 paint at (..., 3) points on the surface, in the model's frame."""
    relative = points / (SIDES / 2)
    axis = np.abs(relative).argmax(axis=-1)
    sign = np.take_along_axis(relative, axis[..., None], axis=-1)[..., 0] < 0
    return PAINT[2 * axis + sign]


def box_model() -> ObjectModel:
    """The box as an object model; each side has four vertices of its own, in its paint."""
    vertices, faces, colors = [], [], []
    for axis in range(3):
        for number, sign in enumerate((0.5, -0.5)):
            u, v = np.eye(3)[(axis + 1) % 3], np.eye(3)[(axis + 2) % 3]
            corners = [
                a * u + b * v for a, b in ((-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5))
            ]
            start = len(vertices)
            vertices += [(corner + sign * np.eye(3)[axis]) * SIDES for corner in corners]
            order = (0, 1, 2, 3) if sign > 0 else (3, 2, 1, 0)
            faces += [[start + order[i] for i in triangle] for triangle in ((0, 1, 2), (0, 2, 3))]
            colors += [PAINT[2 * axis + number]] * 4
    triangles = np.array(faces)
    paint = CornerColors(np.array(colors)[triangles])
    return ObjectModel.from_mesh(1, "box", np.array(vertices), triangles, {}, paint)


def box_surfaces(model: ObjectModel) -> Surfaces:
    """What a pose model of the box holds."""
    samples = model.surface(MODEL_POINTS)
    assert samples.colors is not None
    tables = (samples.points, samples.normals, samples.colors)
    points, normals, colors = (torch.from_numpy(table)[None] for table in tables)
    return Surfaces(points, normals, colors, torch.tensor([model.diameter], dtype=torch.float32))


def box_view(
    model: ObjectModel,
    light: float = 1.0,
    rotation: np.ndarray = ROTATION,
    translation: np.ndarray = TRANSLATION,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """RGB (H, W, 3) uint8 before a grey wall, depth (H, W) in metres and mask (H, W) of the box at
    a pose; ``light`` scales the colors.
    """
    depth, _ = DepthRenderer(*model.mesh()).render(rotation, translation, CAMERA)
    mask = depth > 0
    points = (back_project(depth, CAMERA) - translation) @ rotation
    rgb = np.where(mask[..., None], paint_at(points), 120) * light
    return rgb.clip(0, 255).astype(np.uint8), np.where(mask, depth, 1.2).astype(np.float32), mask


def box_crop(view: tuple[np.ndarray, np.ndarray, np.ndarray]) -> Crops:
    """The crop of the box in a ``box_view``."""
    rgb, depth, mask = view
    return cut_crop(rgb, depth, CAMERA, mask, class_index=0, size=64, margin=1.25)


def hypothesis(rotation: np.ndarray, translation: np.ndarray) -> Hypotheses:
    """One pose of the only instance."""
    return Hypotheses(
        torch.zeros(1, dtype=torch.int64),
        torch.from_numpy(rotation).float()[None],
        torch.from_numpy(translation).float()[None],
    )
