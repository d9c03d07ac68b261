# SPDX-License-Identifier: Apache-2.0
"""Symmetries of the objects that a pose model knows."""

from __future__ import annotations

from pathlib import Path

import numpy as np


def read_symmetries(path: Path) -> dict[str, np.ndarray]:
    """(K, 4, 4) transforms in metres of each symmetric object's model onto itself, the identity first, by class name.

    Raises ModelFileError for a file that is no pose model.
    """
    from perception_kit.model_file import load_model  # imports PyTorch, which the tracker does not need otherwise

    _, metadata = load_model(path, "pose")
    pairs = zip(metadata["class_names"], metadata["symmetries"], strict=True)
    return {name: np.array(transforms, float) for name, transforms in pairs if len(transforms) > 1}
