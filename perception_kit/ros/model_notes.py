# SPDX-License-Identifier: Apache-2.0
"""What a node says about its model: its classes, and what it must not be taken for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from perception_kit.resources import package_folder, resolve_path
from perception_kit.short_text import listed, short_text

_NAMED_CLASSES = 25

# What the demo's models were trained on, and which to take instead.
_INSTEAD = {
    "segmentation_model": "rendered objects. For real ones take package://assistant_perception"
    "/models/ycbv/segmentation.safetensors (YCB-Video), or train your own",
    "pose_model": "rendered objects. For real ones take package://assistant_perception/models/ycbv"
    "/pose.safetensors (YCB-Video), or train your own",
    "model": "rendered people. For real ones take package://assistant_perception/models/people"
    "/action_permissive.safetensors, or train your own",
}
# Some of the videos that these were trained on are for non-commercial use.
_RESEARCH_ONLY = (
    "models/people/segmentation.safetensors",
    "models/people/action.safetensors",
)


def log_model(logger: Any, parameter: str, path: str, class_names: Sequence[str]) -> None:
    """Log which model the ``parameter`` of a node names, with its classes and its limits."""
    named = listed(class_names, _NAMED_CLASSES, ", ")
    logger.info(short_text(f"{parameter} '{path}': {len(class_names)} classes: {named}"))
    for limit in model_limits(parameter, resolve_path(path)):
        logger.warning(limit)


def model_limits(parameter: str, path: Path, name: str = "") -> list[str]:
    """What whoever takes a model that comes with the package for a ``parameter`` must know.

    Of the demo's models which to take instead, of those for research only that they are. The
    parameter is called ``name`` where that is given.
    """
    model, package = path.resolve(), package_folder().resolve()
    limits = []
    if model.parent == package / "models" / "demo":
        limits.append(f"{name or parameter} is the demo's, which knows only {_INSTEAD[parameter]}")
    if model in [package / name for name in _RESEARCH_ONLY]:
        limits.append(
            f"{name or parameter} is for research only: part of what it was trained on is for"
            " non-commercial use (models/people/README.md)"
        )
    return limits
