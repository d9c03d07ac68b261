# SPDX-License-Identifier: Apache-2.0
"""Writes tiny datasets in every layout."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import yaml
from scipy.io import savemat
from scipy.spatial.transform import Rotation

HEIGHT, WIDTH = 12, 16
MATERIAL = "newmtl m\nmap_Kd texture.png\n"


def write_mesh(path: Path, scale: float = 1.0) -> None:
    """A tetrahedron of 100 x 60 x 40 mm; ``scale`` spoils its unit."""
    vertices = np.array([[0, 0, 0], [100, 0, 0], [0, 60, 0], [0, 0, 40]]) * scale
    header = """ply
format ascii 1.0
element vertex 4
property float x
property float y
property float z
element face 4
property list uchar int vertex_indices
end_header"""
    points = [f"{x} {y} {z}" for x, y, z in vertices]
    triangles = ["3 0 2 1", "3 0 1 3", "3 0 3 2", "3 1 2 3"]
    path.write_text("\n".join([header, *points, *triangles]) + "\n")


def write_models(folder: Path, scale: float = 1.0) -> None:
    """A rigid and an articulated class."""
    folder.mkdir(parents=True, exist_ok=True)
    write_mesh(folder / "obj_000004.ply", scale)
    rigid = {"name": "wedge", "diameter": 117.0, "size_x": 100.0, "size_y": 60.0, "size_z": 40.0}
    (folder / "models_info.json").write_text(
        json.dumps({"9": {"name": "person", "articulated": True}, "4": rigid})
    )


def write_scene(folder: Path) -> Path:
    """One frame: a wedge whose lower part is covered by a person; depth in units of 0.1 mm."""
    write_models(folder / "models")
    scene = folder / "train" / "000002"
    for name in ("rgb", "depth", "mask_visib"):
        (scene / name).mkdir(parents=True)

    # Images.
    rgb = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    rgb[..., 0] = 200
    cv2.imwrite(str(scene / "rgb" / "000007.png"), rgb[..., ::-1])
    cv2.imwrite(str(scene / "depth" / "000007.png"), np.full((HEIGHT, WIDTH), 12345, np.uint16))
    for number, rows in enumerate([slice(2, 6), slice(6, 9)]):
        mask = np.zeros((HEIGHT, WIDTH), np.uint8)
        mask[rows, 3:10] = 255
        cv2.imwrite(str(scene / "mask_visib" / f"000007_{number:06d}.png"), mask)

    # Poses and camera.
    rotation = Rotation.from_euler("z", 90, degrees=True).as_matrix().ravel().tolist()
    poses = [
        {"obj_id": class_id, "cam_R_m2c": rotation, "cam_t_m2c": [10.0, -20.0, 900.0]}
        for class_id in (4, 9)
    ]
    files = {
        "scene_gt": {"7": poses},
        "scene_gt_info": {"7": [{"visib_fract": 0.5}, {"visib_fract": 1.0}]},
        "scene_camera": {"7": {"cam_K": [500, 0, 8, 0, 510, 6, 0, 0, 1], "depth_scale": 0.1}},
    }
    for name, content in files.items():
        (scene / f"{name}.json").write_text(json.dumps(content))
    return scene


def write_linemod(folder: Path, diameters: dict[int, float]) -> Path:
    """A folder per object, each with two frames, of which the first is for training.

    Depth is in units of 0.5 mm.
    """
    extents = {"size_x": 100.0, "size_y": 60.0, "size_z": 40.0}
    (folder / "models").mkdir(parents=True)
    (folder / "models" / "models_info.yml").write_text(
        yaml.safe_dump({k: {"diameter": d, **extents} for k, d in diameters.items()})
    )
    for number in diameters:
        write_mesh(folder / "models" / f"obj_{number:02d}.ply")
        scene = folder / "data" / f"{number:02d}"
        for name in ("rgb", "depth", "mask"):
            (scene / name).mkdir(parents=True)

        ground_truth, camera = {}, {}
        for frame in (0, 3):
            mask = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
            mask[2:6, 3:10] = 255
            bgr = np.full((HEIGHT, WIDTH, 3), (0, 0, 200), np.uint8)
            depth = np.full((HEIGHT, WIDTH), 1600, np.uint16)
            for name, pixels in (("rgb", bgr), ("depth", depth), ("mask", mask)):
                cv2.imwrite(str(scene / name / f"{frame:04d}.png"), pixels)

            pose = {"cam_R_m2c": np.eye(3).ravel().tolist(), "obj_bb": [3, 2, 7, 4]}
            ground_truth[frame] = [
                {**pose, "obj_id": number + 1, "cam_t_m2c": [0.0, 0.0, 500.0]},
                {**pose, "obj_id": number, "cam_t_m2c": [10.0, -20.0, 800.0 + frame]},
            ]
            camera[frame] = {"cam_K": [500.0, 0, 8, 0, 510, 6, 0, 0, 1], "depth_scale": 0.5}

        (scene / "gt.yml").write_text(yaml.safe_dump(ground_truth))
        (scene / "info.yml").write_text(yaml.safe_dump(camera))
        (scene / "train.txt").write_text("0000\n")
        (scene / "test.txt").write_text("0003\n")
    return folder


def write_obj(folder: Path, scale: float = 1.0) -> None:
    """A textured 0.1 x 0.06 x 0.04 tetrahedron times ``scale``."""
    folder.mkdir(parents=True, exist_ok=True)
    vertices = np.array([[0, 0, 0], [0.1, 0, 0], [0, 0.06, 0], [0, 0, 0.04]]) * scale
    lines = ["mtllib textured.mtl", *(f"v {x} {y} {z}" for x, y, z in vertices), "vt 0 0"]
    lines += [f"f {a}/1 {b}/1 {c}/1" for a, b, c in ((1, 3, 2), (1, 2, 4), (1, 4, 3), (2, 3, 4))]
    (folder / "textured.obj").write_text("\n".join(lines) + "\n")
    (folder / "textured.mtl").write_text(MATERIAL)
    cv2.imwrite(str(folder / "texture.png"), np.full((4, 4, 3), 128, np.uint8))


def write_ycb_video(folder: Path) -> Path:
    """Three models and two frames of classes 2 (visible) and 3 (hidden)."""
    for name in ("002_can", "003_box", "024_bowl"):
        write_obj(folder / "models" / name)
    scene = folder / "data" / "0007"
    scene.mkdir(parents=True)
    for k in (1, 2):
        labels = np.zeros((HEIGHT, WIDTH), np.uint8)
        labels[2:6, 3:10] = 2
        bgra = np.full((HEIGHT, WIDTH, 4), (0, 0, 200, 255), np.uint8)
        depth = np.full((HEIGHT, WIDTH), 4000, np.uint16)
        for name, pixels in (("label", labels), ("color", bgra), ("depth", depth)):
            cv2.imwrite(str(scene / f"{k:06d}-{name}.png"), pixels)

        poses = np.stack([np.hstack([np.eye(3), [[0.1 * k], [0], [1]]]), np.zeros((3, 4))], axis=2)
        camera = {
            "intrinsic_matrix": np.array([[500.0, 0, 8], [0, 510, 6], [0, 0, 1]]),
            "factor_depth": 5000,
        }
        savemat(scene / f"{k:06d}-meta.mat", {"cls_indexes": [[2], [3]], "poses": poses, **camera})
    return folder


def rewrite_json(path: Path, change: Callable[[Any], Any]) -> None:
    """Change what a JSON file holds, in place or to what ``change`` returns."""
    content = json.loads(path.read_text())
    changed = change(content)
    path.write_text(json.dumps(content if changed is None else changed))
