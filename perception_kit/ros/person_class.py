# SPDX-License-Identifier: Apache-2.0
"""Whether pose6d_node can find the people whom actionrec_node is to watch.

Where its model knows none, nobody is ever in view, and no fall would be noticed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from perception_kit.networks.model_metadata import ModelFileError, read_metadata
from perception_kit.resources import package_folder, resolve_path
from perception_kit.ros.node_processes import parameter_blocks


def missing_person_class(parameters: Mapping[str, Mapping[str, Any]]) -> str:
    """What is wrong where people are to be watched one by one and none can be found, else empty.

    ``parameters`` (node name to parameter to value) override those of ``config/``. A model file
    that cannot be used is left to the node, which says so.
    """
    finder, watcher = (
        _default_parameters(name) | dict(parameters.get(name, {}))
        for name in ("pose6d_node", "actionrec_node")
    )
    model, person = finder.get("segmentation_model", ""), watcher.get("person_class", "")
    if not watcher.get("per_person"):
        return ""
    try:
        names = read_metadata(resolve_path(str(model)), "segmentation").get("class_names", [])
    except (ModelFileError, FileNotFoundError):
        return ""
    return "" if person in names else f"segmentation_model '{model}' has no class '{person}'"


def watch_whole_images(parameters: dict[str, dict[str, Any]], fault: str) -> str:
    """Let actionrec_node watch images as a whole; returns what to say of that."""
    parameters["actionrec_node"] = {**parameters.get("actionrec_node", {}), "per_person": False}
    return f"{fault}: actionrec_node watches the image as a whole, not each person"


def _default_parameters(name: str) -> dict[str, Any]:
    """The parameters of a node in ``config/``."""
    return parameter_blocks(package_folder() / "config" / f"{name}.yaml")[name]
