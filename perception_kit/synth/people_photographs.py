# SPDX-License-Identifier: Apache-2.0
"""Rendered photographs of people in random rooms, outlined in COCO's layout.

``SPLIT/NNNNNN.jpg`` and ``annotations/instances_SPLIT.json``. People stand, walk, run, fall, lie
and sit as in the action clips.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from tqdm import tqdm

from perception_kit.datasets.coco_writer import coco_annotation, coco_image, write_coco
from perception_kit.synth.clips import EMPTY_FRACTION, FPS, SCRIPT_SECONDS, film, sample_segments
from perception_kit.synth.clips_scene import sample_camera, stage
from perception_kit.synth.pool import render_frames
from perception_kit.synth.room import TexturePool
from perception_kit.synth.splits import seeded

JPEG_QUALITY = (70, 96)
PER_SCENE = 8
"""Photographs of one scene: planning what a person does takes longer than to render it."""
PERSON = "person"
_PHOTOGRAPHS_KEY = 4
"""Keeps these random numbers apart from those of the other formats."""


@dataclass(frozen=True)
class PhotographJob:
    """What a worker needs to know to write photographs into ``root``, the folder of a split."""

    root: Path
    size: tuple[int, int]
    seed: int
    split: str
    photos: tuple[Path, ...]

    count: int

    def renderer(self) -> Callable[[int], list[dict[str, Any]]]:
        """The function that writes the photographs of one scene and returns their annotations."""
        textures = TexturePool(self.split, self.photos)

        def write(scene: int) -> list[dict[str, Any]]:
            rng = seeded(self.split, _PHOTOGRAPHS_KEY, self.seed, scene)
            first = scene * PER_SCENE
            photographs = photograph_scene(rng, textures, self.size)
            annotations = []
            for index in range(first, min(first + PER_SCENE, self.count)):
                rgb, mask = next(photographs)
                _write(self.root / f"{index:06d}.jpg", rgb, int(rng.integers(*JPEG_QUALITY)))
                if mask.any():
                    annotations.append(coco_annotation(index, index, mask))
            return annotations

        return write


def photograph_scene(
    rng: np.random.Generator, textures: TexturePool, size: tuple[int, int]
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Photographs of one room and person: at any moment of what they do, from anywhere.

    Each is (H, W, 3) uint8 of ``size`` (width, height), with the person's (H, W) bool mask, which
    is empty where nobody can be made out.
    """
    planned = [] if rng.random() < EMPTY_FRACTION else sample_segments(rng)
    take = stage(rng, textures, planned)
    seconds = SCRIPT_SECONDS if take.actor is None else take.actor.script.duration
    while True:
        start = rng.uniform(0, min(seconds, SCRIPT_SECONDS) - 1 / FPS)
        moments = np.array([start, start + 1 / FPS])
        camera = sample_camera(rng, take, moments, *size)
        rgb, _, mask = next(film(rng, take, camera, moments, textures.split))
        yield rgb, mask


def write_photographs(
    out: Path,
    seed: int,
    count: int,
    size: tuple[int, int],
    split: str = "train",
    workers: int = 2,
    photos: Sequence[Path] = (),
) -> None:
    """Write ``count`` photographs of ``size`` (width, height) and their outlines under ``out``.

    The same arguments give the same files with any number of ``workers``. ``photos`` are textures
    for rooms besides the procedural ones. Raises OSError for a file that cannot be written.
    """
    job = PhotographJob(out / split, size, seed, split, tuple(photos), count)
    job.root.mkdir(parents=True)
    scenes = -(-count // PER_SCENE)
    found = tqdm(render_frames(job.renderer, scenes, workers), total=scenes, unit="scene")
    annotations = [entry for entries in found for entry in entries]

    images = [coco_image(index, f"{index:06d}.jpg", *size) for index in range(count)]
    write_coco(out, split, images, annotations, PERSON)


def _write(path: Path, rgb: np.ndarray, quality: int) -> None:
    if not cv2.imwrite(str(path), rgb[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality]):
        raise OSError(f"{path}: could not be written (disk full?)")
