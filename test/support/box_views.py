# SPDX-License-Identifier: Apache-2.0
"""A tiny world for pose tests: one box with six differently coloured faces, ray-cast in NumPy."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import open3d as o3d
from scipy.spatial.transform import Rotation

from perception_kit.types import Instance, Intrinsics

SIZE = np.array([0.10, 0.06, 0.16])
CAMERA = Intrinsics(150.0, 150.0, 79.5, 59.5, 160, 120)
FACES = np.array(
    [[230, 40, 40], [40, 230, 40], [40, 40, 230], [230, 230, 40], [230, 40, 230], [40, 230, 230]],
    np.uint8,
)


@dataclass
class BoxView:
    """A rendered box: (120, 160) images and its ground-truth pose."""

    rgb: np.ndarray
    depth: np.ndarray
    mask: np.ndarray
    rotation: np.ndarray
    translation: np.ndarray

    def instance(self, class_name: str = "box") -> Instance:
        """The box as a segmenter would give it."""
        x, y, width, height = cv2.boundingRect(self.mask.view(np.uint8))
        box = np.array([x, y, x + width, y + height], np.float32)
        mask = self.mask[y : y + height, x : x + width]
        return Instance(7, class_name, 1.0, box, mask, (x, y))


def render_box(rotation: np.ndarray, translation: np.ndarray) -> BoxView:
    """Slab intersection of every pixel's ray with the box, in the box's frame."""
    u, v = np.meshgrid(np.arange(CAMERA.width), np.arange(CAMERA.height))
    x, y = (u - CAMERA.cx) / CAMERA.fx, (v - CAMERA.cy) / CAMERA.fy
    rays = np.stack([x, y, np.ones(u.shape)], axis=-1) @ rotation
    origin = -translation @ rotation

    # A ray enters the box at the last of the three slabs and leaves it at the first.
    sides = np.stack([(-SIZE / 2 - origin) / rays, (SIZE / 2 - origin) / rays])
    entry, leave = sides.min(axis=0), sides.max(axis=0).min(axis=-1)
    near = entry.max(axis=-1)
    mask = (near < leave) & (near > 0)

    # The slab that is entered last is the visible face; behind the box stands a grey wall.
    axis = entry.argmax(axis=-1)
    face = 2 * axis + (np.take_along_axis(rays, axis[..., None], axis=-1)[..., 0] < 0)
    rgb = np.where(mask[..., None], FACES[face], np.uint8(90))
    depth = np.where(mask, near, translation[2] + 0.5).astype(np.float32)
    return BoxView(rgb, depth, mask, rotation, translation)


def random_box(rng: np.random.Generator) -> BoxView:
    """A box somewhere in view."""
    translation = np.array([*rng.uniform(-0.12, 0.12, 2), rng.uniform(0.4, 0.7)])
    rotation = Rotation.random(random_state=int(rng.integers(2**31)))
    return render_box(rotation.as_matrix(), translation)


def write_bop(folder: Path, views: list[BoxView]) -> Path:
    """The views as a BOP folder of one class, ``box``."""
    _write_model(folder / "models")

    scene = folder / "train/000000"
    for name in ("rgb", "depth", "mask_visib"):
        (scene / name).mkdir(parents=True)

    files: dict[str, dict[str, object]] = {"scene_gt": {}, "scene_gt_info": {}, "scene_camera": {}}
    for number, view in enumerate(views):
        depth = np.round(view.depth * 10000).astype(np.uint16)
        cv2.imwrite(str(scene / f"rgb/{number:06d}.png"), view.rgb[..., ::-1])
        cv2.imwrite(str(scene / f"depth/{number:06d}.png"), depth)
        mask = view.mask.astype(np.uint8) * 255
        cv2.imwrite(str(scene / f"mask_visib/{number:06d}_000000.png"), mask)

        pose = {
            "cam_R_m2c": view.rotation.ravel().tolist(),
            "cam_t_m2c": (view.translation * 1000).tolist(),
        }
        camera = {"cam_K": CAMERA.matrix.ravel().tolist(), "depth_scale": 0.1}
        files["scene_gt"][str(number)] = [{"obj_id": 1, **pose}]
        files["scene_gt_info"][str(number)] = [{"visib_fract": 1.0}]
        files["scene_camera"][str(number)] = camera

    for name, content in files.items():
        (scene / f"{name}.json").write_text(json.dumps(content))
    return folder


def _write_model(folder: Path) -> None:
    folder.mkdir(parents=True)
    mesh = o3d.geometry.TriangleMesh.create_box(*(SIZE * 1000)).translate(-SIZE * 500)
    o3d.io.write_triangle_mesh(str(folder / "obj_000001.ply"), mesh)
    sizes = {f"size_{axis}": SIZE[k] * 1000 for k, axis in enumerate("xyz")}
    info = {"1": {"name": "box", "diameter": np.linalg.norm(SIZE) * 1000, **sizes}}
    (folder / "models_info.json").write_text(json.dumps(info))
