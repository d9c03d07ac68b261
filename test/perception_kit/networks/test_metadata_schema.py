# SPDX-License-Identifier: Apache-2.0
"""Metadata that no model has is refused before anything is built of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file

from perception_kit.networks.metadata_schema import metadata_fault
from perception_kit.networks.model_metadata import METADATA_KEY, ModelFileError, read_metadata
from perception_kit.resources import package_folder

IDENTITY = [[1.0, 0, 0, 0], [0, 1.0, 0, 0], [0, 0, 1.0, 0], [0, 0, 0, 1.0]]
GOOD = {
    "kind": "pose",
    "architecture": "densefusion",
    "class_names": ["mug", "bowl"],
    "std": [0.2, 0.2, 0.2],
    "symmetries": [[IDENTITY], [IDENTITY]],
}


@pytest.mark.parametrize("path", sorted((package_folder() / "models").glob("*/*.safetensors")))
def test_shipped_models_pass(path: Path) -> None:
    assert metadata_fault(read_metadata(path)) == ""


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"kind": "language"}, "kind is 'language', expected one of segmentation, pose, action"),
        ({"class_names": []}, "expected 1 to 1000 different names"),
        ({"class_names": ["mug", "mug"]}, "expected 1 to 1000 different names"),
        ({"class_names": ["mug\n"]}, "printable"),
        ({"class_names": "mug"}, "expected 1 to 1000 different names"),
        ({"class_names": ["x" * 101]}, "at most 100 characters"),
        ({"class_names": [str(number) for number in range(1001)]}, "1 to 1000"),
        ({"std": [0.0, 0.2, 0.2]}, "each of them a number from 0.001 to 10"),
        ({"std": [0.2, 0.2]}, "expected a list of 3 elements"),
        ({"mean": [float("nan"), 0, 0]}, "each of them a number from -10 to 10"),
        ({"input_size": [10**9, 10**9]}, "each of them a whole number from 8 to 4096"),
        ({"input_size": [True, 64]}, "each of them a whole number"),
        ({"clip_length": 10**12}, "expected a whole number from 2 to 1024"),
        ({"clip_fps": float("inf")}, "expected a number from 0.01 to 1000"),
        ({"depth": "yes"}, "expected true or false"),
        ({"diameters": [0.0]}, "each of them a number from 1e-06 to 100"),
        ({"symmetries": [[[[1.0]]]]}, "expected a list of 1 to 1000, each of them"),
        ({"crop_margin": -1.0}, "expected a number from 0.1 to 10"),
        ({"num_points": 10**9}, "expected a whole number from 1 to 10000"),
        ({"crop_size": 4096}, "expected a whole number from 8 to 512"),
        (
            {"clip_length": 1024, "input_size": [4096, 4096]},
            "clips have 1024 frames of 4096x4096 pixels, expected at most",
        ),
        ({"size_variation": "volume"}, "expected one of known, uniform, axes"),
        ({"size_range": [0.0, 1.0]}, "each of them a number from 0.001 to 1000"),
    ],
)
def test_what_no_model_has_is_named(change: dict[str, Any], fault: str) -> None:
    assert metadata_fault(GOOD) == ""
    assert fault in metadata_fault(GOOD | change)
    assert len(metadata_fault(GOOD | change)) < 300


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(st.sampled_from(sorted(GOOD)), json_values)
def test_any_value_is_judged(name: str, value: Any) -> None:
    assert isinstance(metadata_fault(GOOD | {name: value}), str)
    assert isinstance(metadata_fault(value), str)


@pytest.mark.parametrize("text", ["[1, 2]", "{", "[" * 100_000, '"text"', ""])
def test_metadata_that_is_no_object_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_file({"a": torch.zeros(1)}, path, metadata={METADATA_KEY: text})
    with pytest.raises(ModelFileError, match=r"model\.safetensors'"):
        read_metadata(path)
