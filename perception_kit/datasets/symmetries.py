# SPDX-License-Identifier: Apache-2.0
"""Object symmetries in the form of BOP's ``models_info.json``: reading them, and their transforms
in metres.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from perception_kit.datasets.mesh import MeshError
from perception_kit.datasets.ycb_symmetries import YCB_SYMMETRIES
from perception_kit.geometry import is_rotation, pose_matrix

MILLIMETER = 1e-3


CONTINUOUS_STEPS = 36


def symmetry_transforms(
    entry: Mapping[str, Any], continuous_steps: int = CONTINUOUS_STEPS
) -> list[np.ndarray]:
    """(4, 4) transforms in metres of one ``models_info.json`` entry: each discrete symmetry with
    each step of each continuous one.

    Raises ValueError for a matrix that is no rigid motion and for an axis of length 0, KeyError
    where ``axis`` or ``offset`` is missing.
    """
    discrete = [np.eye(4)]
    for values in entry.get("symmetries_discrete", []):
        matrix = np.array(values, float).reshape(4, 4)
        if not (is_rotation(matrix[:3, :3]) and np.isfinite(matrix).all()):
            raise ValueError(f"{values} is no rigid motion, row by row")
        matrix[:3, 3] *= MILLIMETER
        discrete.append(matrix)
    turns = [np.eye(4)]
    for symmetry in entry.get("symmetries_continuous", []):
        axis, offset = (
            np.array(symmetry["axis"], float),
            np.array(symmetry["offset"], float) * MILLIMETER,
        )
        if not (np.linalg.norm(axis) > 0 and np.isfinite(offset).all()):
            raise ValueError(f"{symmetry} names no axis")
        axis /= np.linalg.norm(axis)
        for angle in 2 * np.pi * np.arange(1, continuous_steps) / continuous_steps:
            rotation = Rotation.from_rotvec(angle * axis).as_matrix()
            turns.append(pose_matrix(rotation, offset - rotation @ offset))
    return [turn @ flip for turn in turns for flip in discrete]


SYMMETRY_FILES = ("symmetries.json", "models_info.json")


def read_symmetries(directory: Path) -> Callable[[str, int], dict]:
    """Gives the BOP-style symmetry entry (millimetres) of a class by its name and number, empty for
    an asymmetric one.

    Entries come from the folder's own symmetry file; objects that it does not list are looked up
    among the YCB-Video objects. Raises MeshError for a damaged file.
    """
    entries = _symmetry_file(directory)
    return lambda name, number: (
        entries.get(name) or entries.get(str(number)) or YCB_SYMMETRIES.get(name) or {}
    )


def _symmetry_file(directory: Path) -> dict[str, dict]:
    """BOP-style symmetry entries by class name or number; empty when the folder has no such file."""
    for name in SYMMETRY_FILES:
        path = directory / name
        if path.is_file():
            try:
                entries = json.loads(path.read_text())
            except ValueError as error:
                raise MeshError(f"{path}: is not JSON: {error}") from error
            if not isinstance(entries, dict):
                raise MeshError(
                    f"{path}: expected an object of entries by class name or number, got"
                    f" {type(entries).__name__}"
                )
            for key, entry in entries.items():
                try:
                    symmetry_transforms(entry)
                except (AttributeError, KeyError, TypeError, ValueError) as error:
                    raise MeshError(
                        f"{path}: '{key}' is {entry!r:.100}, expected symmetries as in BOP's"
                        f" models_info.json: {error}"
                    ) from error
            return {str(entry.get("name", key)): entry for key, entry in entries.items()}
    return {}
