# SPDX-License-Identifier: Apache-2.0
"""Which frames of a dataset are scored where these are too many."""

from __future__ import annotations

import numpy as np

from perception_kit.datasets.files import DatasetError
from perception_kit.datasets.frame import FrameDataset
from perception_kit.short_text import counted


def frames_to_use(dataset: FrameDataset, most: int, consecutive: bool = False) -> list[int]:
    """At most ``most`` frames, evenly spread, or ``consecutive``: the first ones of each scene.

    Raises DatasetError where none is annotated.
    """
    if consecutive:
        frames = _first_of_scenes(dataset, most)
    else:
        spread = np.linspace(0, len(dataset) - 1, min(most, len(dataset)))
        frames = np.unique(spread.astype(int)).tolist()
    if not any(dataset.instances(frame) for frame in frames):
        raise DatasetError(
            f"no instance is annotated in {counted(len(frames), 'frame')} of '{dataset.folder}', so"
            " nothing can be scored: choose another --split (test sets are often published without"
            " the truth)"
        )
    return frames


def frame_notes(dataset: FrameDataset, frames: list[int], consecutive: bool) -> list[str]:
    """Which frames of videos are left out."""
    if not consecutive or len(frames) == len(dataset):
        return []
    scenes = len({dataset.scene(frame) for frame in frames})
    return [
        f"{len(frames)} of {len(dataset)} frames are used, the first ones of"
        f" {counted(scenes, 'scene')}"
    ]


def _first_of_scenes(dataset: FrameDataset, most: int) -> list[int]:
    """As many of each scene as of the others where these have so many, but two or more."""
    scenes: dict[str, list[int]] = {}
    for index in range(len(dataset)):
        scenes.setdefault(dataset.scene(index), []).append(index)
    used = sorted(list(scenes.values())[: max(1, most // 2)], key=len)

    frames: list[int] = []
    for number, scene in enumerate(used):
        frames += scene[: (most - len(frames)) // (len(used) - number)]
    return sorted(frames)
