# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest
import torch

from perception_kit.networks.model_file import save_model
from perception_kit.networks.model_metadata import ModelFileError, model_kind, read_metadata


def test_metadata_and_kind_are_read_without_the_tensors(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_model(path, "action", {"a": torch.zeros(1)}, {"class_names": ["falling"]})
    assert model_kind(path) == "action"
    assert read_metadata(path, "action") == {"kind": "action", "class_names": ["falling"]}


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        ModelFileError, match=r"missing\.safetensors' does not exist: check its path"
    ):
        model_kind(tmp_path / "missing.safetensors")
