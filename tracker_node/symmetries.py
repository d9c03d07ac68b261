# SPDX-License-Identifier: Apache-2.0
"""Symmetries of the objects that a pose model knows."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from perception_kit.networks.model_metadata import read_metadata


def read_symmetries(path: Path) -> dict[str, np.ndarray]:
    """(K, 4, 4) transforms in metres of each symmetric object's model onto itself, the identity
    first, by class name.

    Raises ModelFileError for a file that is no pose model.
    """
    metadata = read_metadata(path, "pose")
    pairs = zip(metadata["class_names"], metadata["symmetries"], strict=True)
    return {name: np.array(transforms, float) for name, transforms in pairs if len(transforms) > 1}
