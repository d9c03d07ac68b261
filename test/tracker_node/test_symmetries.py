# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from perception_kit.networks.model_metadata import ModelFileError
from perception_kit.resources import package_folder
from tracker_node.symmetries import symmetries_of_model


def test_symmetric_objects_of_a_pose_model_are_read() -> None:
    symmetries = symmetries_of_model(package_folder() / "models/demo/pose.safetensors")
    assert "bowl" in symmetries
    assert "mug" not in symmetries
    for transforms in symmetries.values():
        assert len(transforms) > 1
        np.testing.assert_allclose(transforms[0], np.eye(4), atol=1e-9)
        rotations = transforms[:, :3, :3]
        assert np.abs(rotations @ rotations.transpose(0, 2, 1) - np.eye(3)).max() < 1e-6


def test_the_tracker_runs_without_pytorch() -> None:
    """The node, the commands and the symmetries of a pose model.

    PyTorch would cost seconds at start and hundreds of megabytes.
    """
    pytest.importorskip(
        "assistant_perception", reason="the messages are not built: run 'make setup'"
    )
    program = """
import sys
import tracker_node.node, tracker_node.mot, tracker_node.tune, tracker_node.kitti
from perception_kit.resources import package_folder

assert tracker_node.node.symmetries_of_model(package_folder() / "models/demo/pose.safetensors")
sys.exit("torch" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", program], timeout=120).returncode == 0


def test_another_kind_of_model_is_refused() -> None:
    with pytest.raises(ModelFileError, match="expected a 'pose' model"):
        symmetries_of_model(package_folder() / "models/demo/action.safetensors")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="does not exist"):
        symmetries_of_model(tmp_path / "absent.safetensors")
