# SPDX-License-Identifier: Apache-2.0
"""Training frames in the layout of BOP (https://bop.felk.cvut.cz): every frame is an independent
random scene.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from perception_kit.synth.catalog import ObjectClass
from perception_kit.synth.room import TexturePool
from perception_kit.synth.sampling import random_view
from perception_kit.synth.scene import SceneFrame, TrueInstance, observe, seeded
from perception_kit.synth.world import WorldConfig
from perception_kit.types import Intrinsics

FRAMES_PER_FOLDER = 1000
MIN_VISIBLE_PIXELS = 20
JPEG_QUALITY = 95


@dataclass
class BopJob:
    """What a worker needs to know to write frames into ``root``, the split folder of the data set."""

    root: Path
    world: WorldConfig
    seed: int

    def renderer(self) -> Callable[[int], tuple[int, dict]]:
        """The function that writes one frame. Reads the meshes, so each worker calls it once."""
        return BopRenderer(
            self.root,
            self.world.classes(),
            self.world.textures(),
            self.world.intrinsics,
            self.seed,
            self.world.with_person,
        ).write_frame


@dataclass
class BopRenderer:
    """Renders and writes single frames; any process can write any frame."""

    root: Path
    classes: list[ObjectClass]
    textures: TexturePool
    intrinsics: Intrinsics
    seed: int
    with_person: bool

    def write_frame(self, index: int) -> tuple[int, dict]:
        """Render frame ``index`` and write its images.

        Returns the index and its entries for the scene files.
        """
        rng = seeded(self.textures.split, self.seed, index)
        view = random_view(rng, self.classes, self.textures, self.with_person)
        frame = observe(
            view.scene,
            view.camera_to_world,
            self.intrinsics,
            rng,
            view.person,
            len(self.classes) + 1,
        )
        folder, name = (
            self.root / f"{index // FRAMES_PER_FOLDER:06d}",
            f"{index % FRAMES_PER_FOLDER:06d}",
        )
        for sub in ("rgb", "depth", "mask_visib"):
            (folder / sub).mkdir(parents=True, exist_ok=True)
        _write(
            folder / "rgb" / f"{name}.jpg",
            frame.rgb[:, :, ::-1],
            [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY],
        )
        _write(folder / "depth" / f"{name}.png", frame.depth_mm, [cv2.IMWRITE_PNG_COMPRESSION, 1])
        return index, self._ground_truth(folder, name, frame)

    def _ground_truth(self, folder: Path, name: str, frame: SceneFrame) -> dict:
        ground_truth, info = [], []
        for one in frame.instances.values():
            if np.count_nonzero(one.mask) < MIN_VISIBLE_PIXELS:
                continue
            _write(
                folder / "mask_visib" / f"{name}_{len(ground_truth):06d}.png",
                one.mask.astype(np.uint8) * 255,
                [cv2.IMWRITE_PNG_BILEVEL, 1],
            )
            ground_truth.append(_pose_entry(one))
            info.append(_mask_entry(one, frame.depth_mm))
        camera = {"cam_K": self.intrinsics.matrix.reshape(-1).tolist(), "depth_scale": 1.0}
        return {"scene_gt": ground_truth, "scene_gt_info": info, "scene_camera": camera}


def _pose_entry(one: TrueInstance) -> dict:
    pose = np.eye(4) if one.pose is None else one.pose
    return {
        "obj_id": one.class_id,
        "cam_R_m2c": pose[:3, :3].reshape(-1).tolist(),
        "cam_t_m2c": (pose[:3, 3] * 1000).tolist(),
    }


def _mask_entry(one: TrueInstance, depth_mm: np.ndarray) -> dict:
    rows, columns = np.flatnonzero(one.mask.any(axis=1)), np.flatnonzero(one.mask.any(axis=0))
    visible = int(np.count_nonzero(one.mask))
    return {
        "bbox_visib": [
            int(columns[0]),
            int(rows[0]),
            int(columns[-1] - columns[0] + 1),
            int(rows[-1] - rows[0] + 1),
        ],
        "px_count_all": round(visible / one.visible_fraction),
        "px_count_valid": int(np.count_nonzero(depth_mm[one.mask])),
        "px_count_visib": visible,
        "visib_fract": one.visible_fraction,
    }


def _write(path: Path, image: np.ndarray, options: list[int]) -> None:
    if not cv2.imwrite(str(path), image, options):
        raise OSError(f"{path}: could not be written (disk full?)")


def write_scene_files(root: Path, frames: Iterator[tuple[int, dict]]) -> None:
    """Collect the frames' entries into scene_gt.json, scene_gt_info.json and scene_camera.json of
    each folder.
    """
    scenes: dict[int, dict[str, dict]] = {}
    for index, entries in frames:
        scene = scenes.setdefault(index // FRAMES_PER_FOLDER, {key: {} for key in entries})
        for key, entry in entries.items():
            scene[key][str(index % FRAMES_PER_FOLDER)] = entry
    for number, scene in scenes.items():
        for key, entries in scene.items():
            (root / f"{number:06d}" / f"{key}.json").write_text(json.dumps(entries))
