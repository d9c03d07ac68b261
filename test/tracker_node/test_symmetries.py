# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from perception_kit.model_file import ModelFileError
from perception_kit.resources import package_folder
from tracker_node.symmetries import read_symmetries


def test_symmetric_objects_of_a_pose_model_are_read() -> None:
    symmetries = read_symmetries(package_folder() / "models/demo/pose.safetensors")
    assert "bowl" in symmetries
    assert "mug" not in symmetries
    for transforms in symmetries.values():
        assert len(transforms) > 1
        np.testing.assert_allclose(transforms[0], np.eye(4), atol=1e-9)
        rotations = transforms[:, :3, :3]
        assert np.abs(rotations @ rotations.transpose(0, 2, 1) - np.eye(3)).max() < 1e-6


def test_another_kind_of_model_is_refused() -> None:
    with pytest.raises(ModelFileError, match="expected a 'pose' model"):
        read_symmetries(package_folder() / "models/demo/action.safetensors")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="does not exist"):
        read_symmetries(tmp_path / "absent.safetensors")
