# SPDX-License-Identifier: Apache-2.0
"""Symmetries of the objects that a pose model knows."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from perception_kit.networks.model_metadata import read_metadata


def symmetries_of_model(path: Path) -> dict[str, np.ndarray]:
    """(K, 4, 4) transforms of each symmetric object's model onto itself, by class name.

    They are in metres, the identity first. Raises ModelFileError for a file that is no pose model.
    """
    metadata = read_metadata(path, "pose")
    pairs = zip(metadata["class_names"], metadata["symmetries"], strict=True)
    return {name: np.array(transforms, float) for name, transforms in pairs if len(transforms) > 1}
