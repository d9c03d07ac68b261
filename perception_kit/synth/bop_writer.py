# SPDX-License-Identifier: Apache-2.0
"""Writes training frames in the layout of BOP; every frame is an independent random scene.

Layout: https://bop.felk.cvut.cz (``SPLIT/NNNNNN`` with images and the three scene files).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from perception_kit.datasets.bop_entries import SCALE_KEY
from perception_kit.synth.catalog import ObjectClass
from perception_kit.synth.object_sizes import ObjectSizes
from perception_kit.synth.room import TexturePool
from perception_kit.synth.sampling import random_view
from perception_kit.synth.scene import RenderedFrame, RenderedInstance, observe
from perception_kit.synth.splits import seeded
from perception_kit.synth.world import WorldConfig
from perception_kit.types import Intrinsics

FRAMES_PER_FOLDER = 1000
MIN_VISIBLE_PIXELS = 20
"""Instances of which less is seen are not annotated: nobody could tell what they are."""
JPEG_QUALITY = 95

FrameEntries = dict[str, Any]
"""What scene_gt, scene_gt_info and scene_camera hold about a frame."""


@dataclass
class BopJob:
    """What a worker needs to know to write frames into ``root``, the folder of a split."""

    root: Path
    world: WorldConfig
    seed: int

    def renderer(self) -> Callable[[int], tuple[int, FrameEntries]]:
        """The function that writes one frame. Reads the meshes, so each worker calls it once."""
        world = self.world
        return BopRenderer(
            self.root,
            world.classes(),
            world.textures(),
            world.intrinsics,
            self.seed,
            world.with_person,
            world.sizes,
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
    sizes: ObjectSizes | None = None

    def write_frame(self, index: int) -> tuple[int, FrameEntries]:
        """Render frame ``index`` and write its images.

        Returns the index and its entries for the scene files. Raises OSError for a file that cannot
        be written.
        """
        rng = seeded(self.textures.split, self.seed, index)
        view = random_view(rng, self.classes, self.textures, self.with_person, self.sizes)
        person_class_id = len(self.classes) + 1
        frame = observe(
            view.scene, view.camera_to_world, self.intrinsics, rng, view.person, person_class_id
        )

        folder = self.root / f"{index // FRAMES_PER_FOLDER:06d}"
        name = f"{index % FRAMES_PER_FOLDER:06d}"
        for kind in ("rgb", "depth", "mask_visib"):
            (folder / kind).mkdir(parents=True, exist_ok=True)

        bgr, quality = frame.rgb[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
        _write(folder / "rgb" / f"{name}.jpg", bgr, quality)
        _write(folder / "depth" / f"{name}.png", frame.depth_mm, [cv2.IMWRITE_PNG_COMPRESSION, 1])
        return index, self._annotate(folder, name, frame)

    def _annotate(self, folder: Path, name: str, frame: RenderedFrame) -> FrameEntries:
        """Write the masks of a frame; returns its entries for the scene files."""
        poses: list[dict[str, Any]] = []
        info: list[dict[str, Any]] = []
        for instance in frame.instances.values():
            if np.count_nonzero(instance.mask) < MIN_VISIBLE_PIXELS:
                continue
            path = folder / "mask_visib" / f"{name}_{len(poses):06d}.png"
            _write(path, instance.mask.astype(np.uint8) * 255, [cv2.IMWRITE_PNG_BILEVEL, 1])
            poses.append(self._pose_entry(instance))
            info.append(_mask_entry(instance, frame.depth_mm))

        camera = {"cam_K": self.intrinsics.matrix.reshape(-1).tolist(), "depth_scale": 1.0}
        return {"scene_gt": poses, "scene_gt_info": info, "scene_camera": camera}

    def _pose_entry(self, instance: RenderedInstance) -> dict[str, Any]:
        pose = np.eye(4) if instance.pose is None else instance.pose
        entry = {
            "obj_id": instance.class_id,
            "cam_R_m2c": pose[:3, :3].reshape(-1).tolist(),
            "cam_t_m2c": (pose[:3, 3] * 1000).tolist(),
        }
        # Beside BOP's own keys, where instances differ in size.
        return entry if self.sizes is None else {**entry, SCALE_KEY: instance.scale.tolist()}


def _mask_entry(instance: RenderedInstance, depth_mm: np.ndarray) -> dict[str, Any]:
    mask = instance.mask
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    left, top = int(columns[0]), int(rows[0])
    width, height = int(columns[-1] - columns[0] + 1), int(rows[-1] - rows[0] + 1)
    visible = int(np.count_nonzero(mask))

    return {
        "bbox_visib": [left, top, width, height],
        "px_count_all": round(visible / instance.visible_fraction),
        "px_count_valid": int(np.count_nonzero(depth_mm[mask])),
        "px_count_visib": visible,
        "visib_fract": instance.visible_fraction,
    }


def _write(path: Path, image: np.ndarray, options: list[int]) -> None:
    if not cv2.imwrite(str(path), image, options):
        raise OSError(f"{path}: could not be written (disk full?)")


def write_scene_files(
    root: Path, frames: Iterable[tuple[int, FrameEntries]], objects: Collection[int]
) -> int:
    """Write scene_gt.json, scene_gt_info.json and scene_camera.json of each folder of frames.

    Returns how many frames show none of the ``objects``, which are class ids.
    """
    scenes: dict[int, dict[str, dict[str, Any]]] = {}
    empty = 0
    for index, entries in frames:
        empty += not any(pose["obj_id"] in objects for pose in entries["scene_gt"])
        scene = scenes.setdefault(index // FRAMES_PER_FOLDER, {key: {} for key in entries})
        for key, entry in entries.items():
            scene[key][str(index % FRAMES_PER_FOLDER)] = entry

    for number, scene in scenes.items():
        for key, by_frame in scene.items():
            (root / f"{number:06d}" / f"{key}.json").write_text(json.dumps(by_frame))
    return empty
