# SPDX-License-Identifier: Apache-2.0
"""Opens a folder of annotated frames, or of object models, by detecting its layout."""

from __future__ import annotations

from pathlib import Path

from perception_kit.datasets.bop import BopDataset, bop_splits, read_models
from perception_kit.datasets.files import DatasetError
from perception_kit.datasets.frame import FrameDataset
from perception_kit.datasets.linemod import LinemodDataset, linemod_splits, read_linemod_models
from perception_kit.datasets.mesh_units import MeshUnit
from perception_kit.datasets.object_model import ObjectModel
from perception_kit.datasets.ycb_models import read_mesh_models
from perception_kit.datasets.ycb_video import YcbVideoDataset, find_frames, ycb_video_splits

LAYOUTS = (
    "BOP (SPLIT/NNNNNN/scene_gt.json, models/models_info.json), preprocessed LineMOD"
    " (data/NN/gt.yml, models/models_info.yml) or YCB-Video (data/NNNN/NNNNNN-meta.mat,"
    " models/CLASS/*.obj)"
)


def open_dataset(folder: str | Path, split: str | None = None) -> FrameDataset:
    """The frames of one split of ``folder``.

    Without ``split``, it is the first of "test", "val" and "train" that the folder has. Raises
    DatasetError where the folder does not exist, is in none of the layouts, has no such split, or
    the split has no frames.
    """
    folder = _existing(folder)
    readers = (
        (BopDataset, bop_splits),
        (LinemodDataset, linemod_splits),
        (YcbVideoDataset, ycb_video_splits),
    )
    for reader, splits_of in readers:
        splits = splits_of(folder)
        if splits or (reader is YcbVideoDataset and find_frames(folder)):
            held_out = next((name for name in ("test", "val") if name in splits), None)
            split = split or held_out or "train"
            dataset = reader(folder, split)
            if len(dataset) == 0:
                raise DatasetError(f"the split '{split}' of '{folder}' lists no frames")
            return dataset
    raise DatasetError(f"'{folder}' holds no frames in a known layout: expected {LAYOUTS}")


def open_models(folder: str | Path, unit: MeshUnit = "auto") -> dict[int, ObjectModel]:
    """The object classes of a ``models`` folder in any of the layouts, by class id.

    ``unit`` is that of the meshes. A folder of meshes without sub-folders is taken, too. Raises
    DatasetError where the folder does not exist or is in none of the layouts.
    """
    folder = _existing(folder)
    if (folder / "models_info.json").is_file() and any(folder.glob("obj_*.ply")):
        return read_models(folder, unit)
    if (folder / "models_info.yml").is_file():
        return read_linemod_models(folder, unit)
    return read_mesh_models(folder, unit)


def _existing(folder: str | Path) -> Path:
    folder = Path(folder)
    if not folder.is_dir():
        reason = "is a file, expected a folder" if folder.exists() else "does not exist"
        raise DatasetError(f"'{folder}' {reason}")
    return folder
