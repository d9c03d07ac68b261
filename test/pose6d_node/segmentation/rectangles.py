# SPDX-License-Identifier: Apache-2.0
"""Tiny BOP folders of coloured rectangles: what the segmentation tests train and score on."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np

COLORS = {1: (220, 40, 40), 2: (40, 60, 220)}
NAMES = {1: "red_box", 2: "blue_box"}


def write_rectangles(
    folder: Path, frames: int, seed: int = 0, size: tuple[int, int] = (160, 120)
) -> Path:
    """Write a BOP folder whose frames show two red and one blue rectangle on noise; later ones
    cover earlier ones.
    """
    rng = np.random.default_rng(seed)
    scene = folder / "train" / "000000"
    for name in ("rgb", "depth", "mask_visib"):
        (scene / name).mkdir(parents=True, exist_ok=True)
    ground_truth, info, camera = {}, {}, {}
    for frame in range(frames):
        rgb, labels, areas = _draw(rng, size)
        cv2.imwrite(str(scene / "rgb" / f"{frame:06d}.png"), rgb[..., ::-1])
        cv2.imwrite(
            str(scene / "depth" / f"{frame:06d}.png"), np.full(labels.shape, 8000, np.uint16)
        )
        for k in range(3):
            cv2.imwrite(
                str(scene / "mask_visib" / f"{frame:06d}_{k:06d}.png"),
                (labels == k + 1).astype(np.uint8) * 255,
            )
        pose = {"cam_R_m2c": np.eye(3).ravel().tolist(), "cam_t_m2c": [10.0, 20.0, 800.0]}
        ground_truth[str(frame)] = [{"obj_id": class_id, **pose} for class_id in (1, 1, 2)]
        info[str(frame)] = [
            {"visib_fract": float(np.mean(labels == k + 1) * labels.size / areas[k])}
            for k in range(3)
        ]
        camera[str(frame)] = {"cam_K": [150.0, 0, 80, 0, 150, 60, 0, 0, 1], "depth_scale": 0.1}
    for name, content in (
        ("scene_gt", ground_truth),
        ("scene_gt_info", info),
        ("scene_camera", camera),
    ):
        (scene / f"{name}.json").write_text(json.dumps(content))
    write_cubes(folder / "models")
    return folder


def write_cubes(folder: Path) -> None:
    """Models folder with two 100 mm cubes and an articulated class."""
    folder.mkdir(parents=True, exist_ok=True)
    extents = {"diameter": 173.2, "size_x": 100.0, "size_y": 100.0, "size_z": 100.0}
    models = {str(class_id): {"name": name, **extents} for class_id, name in NAMES.items()}
    models["3"] = {"name": "person", "articulated": True}
    (folder / "models_info.json").write_text(json.dumps(models))
    corners = [(x, y, z) for x in (-50, 50) for y in (-50, 50) for z in (-50, 50)]
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    faces = [face for a, b, c, d in quads for face in ((a, b, c), (a, c, d))]
    header = (
        f"ply\nformat ascii 1.0\nelement vertex {len(corners)}\nproperty float x\nproperty float"
        " y\nproperty float z\n"
    )
    header += f"element face {len(faces)}\nproperty list uchar int vertex_indices\nend_header\n"
    body = [" ".join(map(str, corner)) for corner in corners] + [
        " ".join(map(str, (3, *face))) for face in faces
    ]
    for class_id in NAMES:
        (folder / f"obj_{class_id:06d}.ply").write_text(header + "\n".join(body) + "\n")


def _draw(
    rng: np.random.Generator, size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray, list[int]]:
    width, height = size
    rgb = rng.integers(90, 160, (height, width, 3)).astype(np.uint8)
    labels = np.zeros((height, width), np.uint8)
    areas = []
    for value, class_id in enumerate((1, 1, 2), start=1):
        w, h = rng.integers(width // 8, width // 3), rng.integers(height // 8, height // 3)
        x, y = rng.integers(0, width - w), rng.integers(0, height - h)
        rgb[y : y + h, x : x + w] = COLORS[class_id]
        labels[y : y + h, x : x + w] = value
        areas.append(int(w * h))
    return rgb, labels, areas
