# SPDX-License-Identifier: Apache-2.0
"""Object symmetries as in BOP's ``models_info.json``, and their transforms in metres."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from perception_kit.budgets import parse_json
from perception_kit.datasets.mesh import MeshError
from perception_kit.datasets.ycb_symmetries import YCB_SYMMETRIES
from perception_kit.geometry import is_rotation, pose_matrix

MILLIMETER = 1e-3

# Steps of 10 degrees stand for a continuous symmetry.
CONTINUOUS_STEPS = 36

# Where a folder may state symmetries, in order of precedence.
SYMMETRY_FILES = ("symmetries.json", "models_info.json")


def symmetry_transforms(
    entry: Mapping[str, Any], continuous_steps: int = CONTINUOUS_STEPS
) -> list[np.ndarray]:
    """(4, 4) symmetry transforms of one ``models_info.json`` entry, in metres.

    They combine each discrete symmetry with each step of each continuous one, the identity first.
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
        axis = np.array(symmetry["axis"], float)
        offset = np.array(symmetry["offset"], float) * MILLIMETER
        if not (np.linalg.norm(axis) > 0 and np.isfinite(offset).all()):
            raise ValueError(f"{symmetry} names no axis")

        axis /= np.linalg.norm(axis)
        for angle in 2 * np.pi * np.arange(1, continuous_steps) / continuous_steps:
            rotation = Rotation.from_rotvec(angle * axis).as_matrix()
            turns.append(pose_matrix(rotation, offset - rotation @ offset))

    return [turn @ flip for turn in turns for flip in discrete]


def read_symmetries(directory: Path) -> Callable[[str, int], dict[str, Any]]:
    """Function of a class's name and number that returns its BOP-style symmetry entry.

    Entries are in millimetres, and empty for an asymmetric class. They come from the folder's own
    symmetry file; objects that it does not list are looked up among the YCB-Video objects. Raises
    MeshError for a damaged file.
    """
    entries = _symmetry_file(directory)
    return lambda name, number: (
        entries.get(name) or entries.get(str(number)) or YCB_SYMMETRIES.get(name) or {}
    )


def _symmetry_file(directory: Path) -> dict[str, dict[str, Any]]:
    """BOP-style symmetry entries by class name or number; empty where the folder has no file."""
    paths = (directory / name for name in SYMMETRY_FILES)
    path = next((path for path in paths if path.is_file()), None)
    if path is None:
        return {}

    try:
        entries = parse_json(path.read_text())
    except ValueError as error:
        raise MeshError(f"{path}: is not JSON: {error}") from error
    if not isinstance(entries, dict):
        raise MeshError(
            f"{path}: expected an object of entries by class name or number,"
            f" got {type(entries).__name__}"
        )

    for key, entry in entries.items():
        try:
            symmetry_transforms(entry)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise MeshError(
                f"{path}: '{key}' is {entry!r:.100},"
                f" expected symmetries as in BOP's models_info.json: {error}"
            ) from error
    return {str(entry.get("name", key)): entry for key, entry in entries.items()}
