# SPDX-License-Identifier: Apache-2.0
"""A node names the classes of its model, and warns of the demo's."""

from __future__ import annotations

from pathlib import Path

import pytest

from perception_kit.resources import package_folder
from perception_kit.ros.model_notes import log_model, model_limits
from perception_kit.short_text import MAX_CHARACTERS

DEMO = "package://assistant_perception/models/demo"


class Logger:
    """Collects what is logged."""

    def __init__(self) -> None:
        self.infos: list[str] = []
        self.warnings: list[str] = []

    def info(self, text: str) -> None:
        self.infos.append(text)

    def warning(self, text: str) -> None:
        self.warnings.append(text)


@pytest.mark.parametrize(
    ("parameter", "path", "instead"),
    [
        ("segmentation_model", f"{DEMO}/segmentation.safetensors", "ycbv/segmentation"),
        ("pose_model", f"{DEMO}/pose.safetensors", "ycbv/pose"),
        ("model", str(package_folder() / "models/demo/action.safetensors"), "people/action_perm"),
    ],
)
def test_the_demos_models_are_warned_of(parameter: str, path: str, instead: str) -> None:
    logger = Logger()
    log_model(logger, parameter, path, ["cup", "bowl"])
    assert logger.infos == [f"{parameter} '{path}': 2 classes: cup, bowl"]
    (warning,) = logger.warnings
    assert warning.startswith(f"{parameter} is the demo's")
    assert instead in warning.replace(".safetensors", "")


def test_an_option_is_called_by_its_name() -> None:
    (limit,) = model_limits(
        "model", package_folder() / "models/demo/action.safetensors", "--action-model"
    )
    assert limit.startswith("--action-model is the demo's")


@pytest.mark.parametrize(
    ("parameter", "name"), [("segmentation_model", "segmentation"), ("model", "action")]
)
def test_models_for_research_only_say_so(parameter: str, name: str) -> None:
    logger = Logger()
    path = f"package://assistant_perception/models/people/{name}.safetensors"
    log_model(logger, parameter, path, ["person"])
    (warning,) = logger.warnings
    assert warning.startswith(f"{parameter} is for research only")


def test_other_models_are_only_named(tmp_path: Path) -> None:
    logger = Logger()
    log_model(logger, "pose_model", str(tmp_path / "pose.safetensors"), ["cup"])
    assert (len(logger.infos), logger.warnings) == (1, [])


def test_a_thousand_long_names_make_a_short_line() -> None:
    logger = Logger()
    log_model(
        logger, "model", "m.safetensors", [f"class {number} {'x' * 90}" for number in range(1000)]
    )
    (line,) = logger.infos
    assert len(line) <= MAX_CHARACTERS
    assert line.startswith("model 'm.safetensors': 1000 classes: class 0 x")
