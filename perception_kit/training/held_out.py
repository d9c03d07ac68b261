# SPDX-License-Identifier: Apache-2.0
"""Held-out frames that a training command scores its model on."""

from __future__ import annotations

from pathlib import Path

from perception_kit.datasets.frame import FrameDataset
from perception_kit.datasets.mesh_units import MeshUnit
from perception_kit.datasets.opener import choose_split, dataset_splits, open_dataset


def open_held_out(folder: Path, split: str, mesh_unit: MeshUnit = "auto") -> FrameDataset:
    """The frames of ``split``, or of "train" where that is "val" and the folder has none.

    The renderer of earlier releases wrote all frames to "train", and BOP's datasets have variants
    such as train_pbr. Raises DatasetError.
    """
    splits = dataset_splits(folder)
    if split == "val" and splits and "val" not in splits:
        split = choose_split(folder, splits, ("val", "train"))
        print(f"'{folder}' has no split 'val': the model is scored on its split '{split}'")
    return open_dataset(folder, split, mesh_unit=mesh_unit)
