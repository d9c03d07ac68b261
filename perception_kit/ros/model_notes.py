# SPDX-License-Identifier: Apache-2.0
"""What a node says about its model: its classes, and what it must not be taken for."""

from __future__ import annotations

from collections.abc import Sequence
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
    """Log which model the ``parameter`` of a node names, with its classes.

    Models of the demo get a warning that says which to take, those for research only one that says
    so.
    """
    named = listed(class_names, _NAMED_CLASSES, ", ")
    logger.info(short_text(f"{parameter} '{path}': {len(class_names)} classes: {named}"))
    model, package = resolve_path(path).resolve(), package_folder().resolve()
    if model.parent == package / "models" / "demo":
        logger.warning(f"{parameter} is the demo's, which knows only {_INSTEAD[parameter]}")
    if model in [package / name for name in _RESEARCH_ONLY]:
        logger.warning(
            f"{parameter} is for research only: part of what it was trained on is for"
            " non-commercial use (models/people/README.md)"
        )
