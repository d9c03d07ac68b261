# SPDX-License-Identifier: Apache-2.0
"""Reader of the preprocessed LineMOD layout of DenseFusion (Wang et al., CVPR 2019).

``data/NN/{rgb,depth,mask}/NNNN.png``, ``data/NN/{gt,info}.yml``, ``data/NN/{train,test}.txt``,
``models/obj_NN.ply`` and ``models/models_info.yml``. Lengths are in millimetres; depth is in units
of info.yml's ``depth_scale`` millimetres.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from perception_kit.budgets import regular
from perception_kit.datasets.bop_entries import read_instance, read_intrinsics
from perception_kit.datasets.files import (
    DatasetError,
    by_number,
    positive,
    read_color,
    read_depth,
    read_image,
    read_yaml,
    required,
    required_list,
)
from perception_kit.datasets.frame import FrameDataset, GroundTruthInstance
from perception_kit.datasets.mesh_units import MeshUnit
from perception_kit.datasets.object_model import ObjectModel, model_from_entry
from perception_kit.datasets.symmetries import MILLIMETER
from perception_kit.types import Intrinsics

# Names and diameters (mm) of the LineMOD objects (Hinterstoisser et al., ACCV 2012) by number. The
# files hold no names: an object gets LineMOD's name only where its diameter agrees, so that a
# user's own objects in this layout do not.
LINEMOD_OBJECTS = {
    1: ("ape", 102.09865663),
    2: ("benchvise", 247.50624233),
    3: ("bowl", 167.35486092),
    4: ("camera", 172.49224865),
    5: ("can", 201.40358597),
    6: ("cat", 154.54551808),
    7: ("cup", 124.26430816),
    8: ("driller", 261.47178102),
    9: ("duck", 108.99920102),
    10: ("eggbox", 164.62758848),
    11: ("glue", 175.88933422),
    12: ("holepuncher", 145.54287471),
    13: ("iron", 278.07811733),
    14: ("lamp", 282.60129399),
    15: ("phone", 212.35825148),
}
# Eggbox and glue are the symmetric objects among those that DenseFusion evaluates (a half turn
# about z).
HALF_TURN = {"symmetries_discrete": [[-1, 0, 0, 0, 0, -1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]]}
SYMMETRIES = {"eggbox": HALF_TURN, "glue": HALF_TURN}


def read_linemod_models(folder: Path, unit: MeshUnit = "auto") -> dict[int, ObjectModel]:
    """Object classes of a ``models`` folder with ``models_info.yml``, by ascending class id.

    LineMOD's own objects have their usual names, others ``obj_01`` unless an entry has a ``name``;
    symmetries may be given as in BOP's models_info.json. Meshes are in millimetres, or ``unit``.
    Raises DatasetError.
    """
    path = folder / "models_info.yml"
    models = {}
    for class_id, entry in by_number(read_yaml(path), path):
        stem = f"obj_{class_id:02d}"
        linemod_name, diameter = LINEMOD_OBJECTS.get(class_id, ("", 0.0))
        is_linemod = abs(positive(entry, "diameter", path) - diameter) < 0.01
        name = linemod_name if is_linemod else stem

        # What the file states goes before what is known.
        described = {"name": name, **SYMMETRIES.get(name, {}), **entry}
        mesh_path = folder / f"{stem}.ply"
        models[class_id] = model_from_entry(
            class_id, described["name"], described, mesh_path, path, unit
        )
    return models


def linemod_splits(folder: Path) -> list[str]:
    """Splits that at least one object has a list for."""
    lists = folder.glob("data/[0-9]*/*.txt")
    return sorted({path.stem for path in lists if (path.parent / "gt.yml").is_file()})


def _frame_numbers(path: Path) -> list[str]:
    """Frame numbers that the list of a split holds, with their leading zeros."""
    lines = regular(path).read_text().split()
    if invalid := [name for name in (path.parent.name, *lines) if not name.isdecimal()]:
        raise DatasetError(
            f"'{path}': '{invalid[0]}' is no number,"
            f" expected data/OBJECT/{path.name} with a frame number on each line"
        )
    return lines


class LinemodDataset(FrameDataset):
    """Frames that ``data/NN/SPLIT.txt`` lists, object by object.

    Each frame has a mask of the folder's own object only: no other counts as annotated, although
    others are in view (and folder 02 has poses of more of them). Raises DatasetError where no
    object has such a list.
    """

    states_visibility = False

    def __init__(
        self, folder: str | Path, split: str = "train", mesh_unit: MeshUnit = "auto"
    ) -> None:
        super().__init__(folder)
        self._mesh_unit = mesh_unit
        lists = sorted((self.folder / "data").glob(f"[0-9]*/{split}.txt"))
        if not lists:
            found = ", ".join(linemod_splits(self.folder)) or "none"
            raise DatasetError(
                f"'{self.folder}' has no 'data/NN/{split}.txt' (splits found: {found})"
            )

        self._ground_truth = {path.parent: read_yaml(path.parent / "gt.yml") for path in lists}
        self._camera = {path.parent: read_yaml(path.parent / "info.yml") for path in lists}
        self._frames = [(path.parent, number) for path in lists for number in _frame_numbers(path)]
        self.notes.append(
            "only one object in each frame is annotated:"
            " what is found of others is not judged, and is background in training"
        )

    def __len__(self) -> int:
        return len(self._frames)

    @cached_property
    def models(self) -> dict[int, ObjectModel]:
        """Object classes of ``FOLDER/models``."""
        return read_linemod_models(self.folder / "models", self._mesh_unit)

    def name(self, index: int) -> str:
        """Object folder and number of a frame."""
        folder, number = self._frames[index]
        return f"{folder.name}/{number}"

    def rgb(self, index: int) -> np.ndarray:
        """(H, W, 3) uint8 colour image."""
        return read_color(self._file(index, "rgb"))

    def depth(self, index: int) -> np.ndarray:
        """(H, W) float32 depth in metres along the optical axis, 0 where unknown."""
        folder, _ = self._frames[index]
        scale = positive(self._camera_entry(index), "depth_scale", folder / "info.yml")
        return read_depth(self._file(index, "depth"), scale * MILLIMETER)

    def intrinsics(self, index: int, height: int, width: int) -> Intrinsics:
        """Camera of a frame whose images are ``height`` x ``width``."""
        folder, _ = self._frames[index]
        return read_intrinsics(self._camera_entry(index), height, width, folder / "info.yml")

    def labels(self, index: int) -> np.ndarray:
        """(H, W) uint8: 1 for the folder's object."""
        return (read_image(self._file(index, "mask"), cv2.IMREAD_GRAYSCALE) > 127).astype(np.uint8)

    def instances(self, index: int) -> list[GroundTruthInstance]:
        """Pose of the folder's object."""
        folder, number = self._frames[index]
        path = folder / "gt.yml"
        class_id = int(folder.name)
        entries = [
            entry
            for entry in required_list(self._ground_truth[folder], int(number), path)
            if required(entry, "obj_id", path) == class_id
        ]
        if len(entries) != 1:
            raise DatasetError(
                f"'{path}' has {len(entries)} poses of object {class_id} in frame {number},"
                " expected one"
            )

        self._class_name(class_id)
        try:
            return [read_instance(entries[0], 1.0, path)]
        except DatasetError as error:
            raise DatasetError(f"frame {number}: {error}") from error

    def annotated_classes(self, index: int) -> set[str]:
        """Name of the folder's object."""
        folder, _ = self._frames[index]
        return {self._class_name(int(folder.name))}

    def _class_name(self, class_id: int) -> str:
        """Name of a class. Raises DatasetError for a class without a model."""
        return required(self.class_names, class_id, self.folder / "models" / "models_info.yml")

    def _camera_entry(self, index: int) -> Any:
        folder, number = self._frames[index]
        return required(self._camera[folder], int(number), folder / "info.yml")

    def _file(self, index: int, kind: str) -> Path:
        folder, number = self._frames[index]
        return folder / kind / f"{number}.png"
