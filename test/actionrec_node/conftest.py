# SPDX-License-Identifier: Apache-2.0
"""A small untrained model file, and folders of tiny videos."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from actionrec_node.networks.action_model import ActionModel, save_action_model
from actionrec_node.networks.action_model_spec import ActionModelSpec

WriteVideo = Callable[..., Path]


@pytest.fixture(scope="session")
def model_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained compact model with three classes."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("model") / "action.safetensors"
    save_action_model(
        path, ActionModel(ActionModelSpec("resnext3d_compact", ("falling", "running", "walking")))
    )
    return path


@pytest.fixture
def data_folder(write_video: WriteVideo, tmp_path: Path) -> Path:
    """Folders ``train`` and ``val``, each with a square that stands still and one that runs."""
    times = np.arange(24) / 15
    for side, count in (("train", 2), ("val", 1)):
        for index in range(count):
            write_video(f"{side}/standing/{index}.mkv", times, speed=0.0)
            write_video(f"{side}/running/{index}.mkv", times, speed=30.0)
    return tmp_path
