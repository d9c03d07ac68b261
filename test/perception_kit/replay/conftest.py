# SPDX-License-Identifier: Apache-2.0
"""Small recordings to test with."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from perception_kit.replay.settings import ReplaySettings


@pytest.fixture(scope="session")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six small frames with truth."""
    path = tmp_path_factory.mktemp("scene") / "scene"
    size = ["--width", "160", "--height", "120", "--seconds", "0.4"]
    arguments = ["--seed", "3", *size, "--workers", "1", "--out", str(path)]
    subprocess.run([sys.executable, "-m", "perception_kit.synth", *arguments], check=True)
    return path


@pytest.fixture(scope="session")
def settings(scene: Path, tmp_path_factory: pytest.TempPathFactory) -> ReplaySettings:
    """Settings with small models.

    The segmentation takes everything for the scene's first class; the others are untrained.
    """
    import torch

    from actionrec_node.networks.action_model import ActionModel, save_action_model
    from actionrec_node.networks.action_model_spec import ActionModelSpec
    from perception_kit.datasets.bop_models import read_models
    from perception_kit.networks.model_file import save_model
    from perception_kit.replay.settings import ReplaySettings
    from pose6d_node.densefusion.pose_model import PoseModel
    from pose6d_node.segmentation.network import IMAGE_MEAN, IMAGE_STD, build_network

    folder = tmp_path_factory.mktemp("models")
    torch.manual_seed(0)
    objects = [model for model in read_models(scene / "models").values() if not model.articulated]
    names = [model.name for model in objects]
    network = build_network("compact", len(names))
    torch.nn.init.constant_(network.roi_heads.box_predictor.cls_score.bias[1:2], 8.0)
    torch.nn.init.constant_(network.roi_heads.mask_predictor.mask_fcn_logits.bias, 5.0)
    metadata = {
        "architecture": "compact",
        "class_names": names,
        "input_size": [160, 120],
        "mean": IMAGE_MEAN,
        "std": IMAGE_STD,
    }
    save_model(
        folder / "segmentation.safetensors",
        "segmentation",
        network.state_dict(),
        metadata | {"descriptor_size": 64},
    )
    PoseModel.for_objects(objects, "densefusion_compact").save(folder / "pose.safetensors", {})
    spec = ActionModelSpec(
        "resnext3d_compact",
        ("falling", "lying", "other", "running", "walking"),
        clip_length=4,
        input_size=(32, 32),
    )
    save_action_model(folder / "action.safetensors", ActionModel(spec))
    models = {
        f"{name}_model": folder / f"{name}.safetensors"
        for name in ("segmentation", "pose", "action")
    }
    return ReplaySettings(
        bag=scene, out=Path("given by the test"), timeout=60.0, device="cpu", **models
    )


@pytest.fixture(scope="session")
def replayed(settings: ReplaySettings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a replay of the scene wrote; not to be changed."""
    from dataclasses import replace

    from perception_kit.replay.session import run_replay

    out = tmp_path_factory.mktemp("replayed")
    assert run_replay(replace(settings, out=out))
    return out
