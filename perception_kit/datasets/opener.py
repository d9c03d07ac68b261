# SPDX-License-Identifier: Apache-2.0
"""Opens a folder of annotated frames, or of object models, by detecting its layout."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from perception_kit.datasets.bop import BopDataset, bop_splits
from perception_kit.datasets.bop_models import read_models
from perception_kit.datasets.coco import CocoDataset, coco_splits
from perception_kit.datasets.files import DatasetError
from perception_kit.datasets.frame import FrameDataset
from perception_kit.datasets.layout_help import LAYOUTS_HELP
from perception_kit.datasets.linemod import LinemodDataset, linemod_splits, read_linemod_models
from perception_kit.datasets.mesh_folder import numbered_meshes
from perception_kit.datasets.mesh_units import MeshUnit
from perception_kit.datasets.object_model import ObjectModel
from perception_kit.datasets.ycb_models import read_mesh_models, read_object
from perception_kit.datasets.ycb_video import YcbVideoDataset, find_frames, ycb_video_splits
from perception_kit.datasets.yolo_polygons import YoloPolygonDataset, yolo_splits


class DatasetLayout(NamedTuple):
    """A layout of folders: its reader, and its splits in a folder.

    Photographs have no meshes, and only the segmentation is learned from them.
    """

    reader: Callable[..., FrameDataset]
    splits: Callable[[Path], list[str]]
    has_meshes: bool = True


LAYOUTS = {
    "BOP": DatasetLayout(BopDataset, bop_splits),
    "preprocessed LineMOD": DatasetLayout(LinemodDataset, linemod_splits),
    "YCB-Video": DatasetLayout(YcbVideoDataset, ycb_video_splits),
    "COCO": DatasetLayout(CocoDataset, coco_splits, has_meshes=False),
    "YOLO polygons": DatasetLayout(YoloPolygonDataset, yolo_splits, has_meshes=False),
}
"""By the names of ``LAYOUT_FILES``."""

# Splits in order of preference, to evaluate on and to train on. A folder may have variants of them,
# such as BOP's train_pbr and test_primesense.
EVALUATION_SPLITS = ("test", "val", "train")
TRAINING_SPLITS = ("train",)


def dataset_splits(folder: Path) -> list[str]:
    """Names of the splits of ``folder`` in whichever layout it is."""
    return sorted({split for layout in LAYOUTS.values() for split in layout.splits(folder)})


def open_dataset(
    folder: str | Path,
    split: str | None = None,
    preferred: Sequence[str] = EVALUATION_SPLITS,
    mesh_unit: MeshUnit = "auto",
) -> FrameDataset:
    """The frames of one split of ``folder``, whose meshes are in ``mesh_unit``.

    Without ``split``, it is that of ``choose_split``. Raises DatasetError where the folder does not
    exist, is in none of the layouts, has no such split, or the split has no frames.
    """
    folder = _existing(folder)
    for layout in LAYOUTS.values():
        splits = layout.splits(folder)
        if splits or (layout.reader is YcbVideoDataset and find_frames(folder)):
            split = split or choose_split(folder, splits, preferred)
            if layout.has_meshes:
                dataset = layout.reader(folder, split, mesh_unit=mesh_unit)
            elif split in splits:
                dataset = layout.reader(folder, split)
            else:
                raise DatasetError(f"'{folder}' has no split '{split}': it has {splits}")
            if len(dataset) == 0:
                raise DatasetError(f"the split '{split}' of '{folder}' lists no frames")
            return dataset
    raise DatasetError(
        f"'{folder}' holds no frames in a known layout: expected {LAYOUTS_HELP}{_hint(folder)}"
    )


def choose_split(folder: Path, splits: Sequence[str], preferred: Sequence[str]) -> str:
    """The first of the ``preferred`` that ``folder`` has among its ``splits``, else the only one
    that begins like one of them (train_pbr), else the only one.

    It is the last of the preferred where there are no splits. Raises DatasetError where several
    fit.
    """
    if not splits:
        return preferred[-1]
    if exact := next((name for name in preferred if name in splits), None):
        return exact
    for start in preferred:
        variants = [name for name in splits if name.startswith(start)]
        if variants:
            break
    else:
        variants = list(splits)
    if len(variants) == 1:
        return variants[0]
    raise DatasetError(
        f"'{folder}' has the splits {', '.join(splits)}: choose with --split (or --val-split)"
    )


def open_models(folder: str | Path, unit: MeshUnit = "auto") -> dict[int, ObjectModel]:
    """The object classes of a ``models`` folder in any of the layouts, by class id.

    ``unit`` is that of the meshes. A folder of meshes without sub-folders is taken, too. Raises
    DatasetError where the folder does not exist or is in none of the layouts.
    """
    folder = _existing(folder)
    if numbered_meshes(folder):
        return read_models(folder, unit)
    if (folder / "models_info.yml").is_file():
        return read_linemod_models(folder, unit)
    return read_mesh_models(folder, unit)


def open_object(mesh: str | Path, unit: MeshUnit = "auto") -> ObjectModel:
    """The object of one mesh: a file, or the folder of one. Its name is that of the file or folder.

    Symmetries are those that the files beside it state, as for a whole folder of models; so are the
    name and the unit of one of BOP's numbered PLY files. Raises DatasetError where there is no
    mesh, or one that cannot be read.
    """
    path = Path(mesh)
    if not path.exists():
        raise DatasetError(f"'{path}' does not exist: expected a mesh or its folder")

    is_listed = path.is_file() and (path.parent / "models_info.json").is_file()
    listed = read_models(path.parent, unit).values() if is_listed else ()
    found = next((model for model in listed if model.mesh_path == path), None)
    return found or read_object(path, unit)


def _hint(folder: Path) -> str:
    """What to do about a folder without frames where that is plain: an archive, or a part."""
    archives = [path.name for ending in ("zip", "tar") for path in folder.rglob(f"*.{ending}")]
    if archives:
        return f"; unpack '{archives[0]}'"
    above = folder.absolute().parents
    whole = next((parent for parent in above[:2] if bop_splits(parent)), None)
    return f"; give the whole data set, '{whole}', and its split by --split" if whole else ""


def _existing(folder: str | Path) -> Path:
    folder = Path(folder)
    if not folder.is_dir():
        reason = "is a file, expected a folder" if folder.exists() else "does not exist"
        raise DatasetError(f"'{folder}' {reason}")
    return folder
