# SPDX-License-Identifier: Apache-2.0
"""A detector that knows no people must not leave the fall alarm blind."""

from __future__ import annotations

from typing import Any

import pytest

from perception_kit.ros.person_class import missing_person_class, watch_whole_images

YCBV = "package://assistant_perception/models/ycbv/segmentation.safetensors"
OBJECTS = {"pose6d_node": {"segmentation_model": YCBV}}


@pytest.mark.parametrize(
    ("parameters", "fault"),
    [
        ({}, ""),
        (OBJECTS, f"segmentation_model '{YCBV}' has no class 'person'"),
        ({"actionrec_node": {"person_class": "human"}}, "has no class 'human'"),
        ({**OBJECTS, "actionrec_node": {"per_person": False}}, ""),
        ({"pose6d_node": {"segmentation_model": "/nowhere.safetensors"}}, ""),
    ],
    ids=["demo", "objects alone", "another name", "whole images", "no model"],
)
def test_a_model_without_people_is_named(parameters: dict[str, dict[str, Any]], fault: str) -> None:
    found = missing_person_class(parameters)
    assert bool(found) == bool(fault)
    assert fault in found


def test_the_image_is_watched_as_a_whole_then() -> None:
    parameters = {name: dict(values) for name, values in OBJECTS.items()}
    text = watch_whole_images(parameters, missing_person_class(parameters))
    assert text.endswith("'person': actionrec_node watches the image as a whole, not each person")
    assert parameters["actionrec_node"] == {"per_person": False}
    assert missing_person_class(parameters) == ""
