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
    """Write a BOP folder whose frames show two red and one blue rectangle on noise.

    Later rectangles cover earlier ones.
    """
    rng = np.random.default_rng(seed)
    scene = folder / "train" / "000000"
    for name in ("rgb", "depth", "mask_visib"):
        (scene / name).mkdir(parents=True, exist_ok=True)

    pose = {"cam_R_m2c": np.eye(3).ravel().tolist(), "cam_t_m2c": [10.0, 20.0, 800.0]}
    camera = {"cam_K": [150.0, 0, 80, 0, 150, 60, 0, 0, 1], "depth_scale": 0.1}
    files: dict[str, dict[str, object]] = {"scene_gt": {}, "scene_gt_info": {}, "scene_camera": {}}
    for frame in range(frames):
        rgb, labels, areas = _draw(rng, size)
        depth = np.full(labels.shape, 8000, np.uint16)
        cv2.imwrite(str(scene / "rgb" / f"{frame:06d}.png"), rgb[..., ::-1])
        cv2.imwrite(str(scene / "depth" / f"{frame:06d}.png"), depth)

        visible = []
        for k in range(3):
            mask = labels == k + 1
            path = scene / "mask_visib" / f"{frame:06d}_{k:06d}.png"
            cv2.imwrite(str(path), mask.astype(np.uint8) * 255)
            visible.append({"visib_fract": float(np.mean(mask) * labels.size / areas[k])})

        files["scene_gt"][str(frame)] = [{"obj_id": class_id, **pose} for class_id in (1, 1, 2)]
        files["scene_gt_info"][str(frame)] = visible
        files["scene_camera"][str(frame)] = camera

    for name, content in files.items():
        (scene / f"{name}.json").write_text(json.dumps(content))
    write_cubes(folder / "models")
    return folder


def write_cubes(folder: Path) -> None:
    """Models folder with two 100 mm cubes and an articulated class."""
    folder.mkdir(parents=True, exist_ok=True)
    extents = {"diameter": 173.2, "size_x": 100.0, "size_y": 100.0, "size_z": 100.0}
    models: dict[str, dict[str, object]] = {
        str(class_id): {"name": name, **extents} for class_id, name in NAMES.items()
    }
    models["3"] = {"name": "person", "articulated": True}
    (folder / "models_info.json").write_text(json.dumps(models))

    corners = [(x, y, z) for x in (-50, 50) for y in (-50, 50) for z in (-50, 50)]
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    faces = [face for a, b, c, d in quads for face in ((a, b, c), (a, c, d))]
    lines = [
        "ply",
        "format ascii 1.0",
        f"element vertex {len(corners)}",
        *(f"property float {axis}" for axis in "xyz"),
        f"element face {len(faces)}",
        "property list uchar int vertex_indices",
        "end_header",
        *(" ".join(map(str, corner)) for corner in corners),
        *(" ".join(map(str, (3, *face))) for face in faces),
    ]
    for class_id in NAMES:
        (folder / f"obj_{class_id:06d}.ply").write_text("\n".join(lines) + "\n")


def _draw(
    rng: np.random.Generator, size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray, list[int]]:
    """Image, labels and the areas of the three rectangles before they cover each other."""
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
