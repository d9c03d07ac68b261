# SPDX-License-Identifier: Apache-2.0
"""A pose model that is ready to run: on its device, compiled, and seen to give finite poses."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from perception_kit.networks.model_metadata import ModelFileError
from perception_kit.networks.openvino_runtime import Runtime, choose_runtime
from perception_kit.types import Intrinsics
from pose6d_node.config import Pose6dConfig
from pose6d_node.densefusion.crop_poses import CropPoseEstimator
from pose6d_node.densefusion.crops import cut_crop
from pose6d_node.densefusion.openvino import can_be_compiled, compile_networks
from pose6d_node.densefusion.pose_model import PoseModel


@dataclass(frozen=True)
class LoadedPoseModel:
    """A ``model``, which several estimators may share, and what runs its networks."""

    model: PoseModel
    runtime: Runtime


def load_pose_model(path: Path, device: str, runtime: str) -> LoadedPoseModel:
    """The model of a file; see ``PoseEstimator`` for the arguments and for what is raised."""
    model = PoseModel.load(path)
    chosen = choose_runtime(runtime, device, model.spec.bfloat16)
    model = model.to(chosen.device)

    # PyTorch sees it first: OpenVINO's activations make 0 of what is not a number.
    _refuse_nonsense(model, chosen.device, path)
    if not can_be_compiled(model):
        chosen.name = "pytorch"
    chosen.compile(lambda: compile_networks(model, chosen.rounds))
    if chosen.name != "pytorch":
        _refuse_nonsense(model, chosen.device, path)
    return LoadedPoseModel(model, chosen)


def _refuse_nonsense(model: PoseModel, device: str, path: Path) -> None:
    """Look at a first object, a wall. Raises ModelFileError where its pose is not finite."""
    spec = model.spec
    if not spec.num_trained:
        return
    side = spec.crop_size
    wall = np.ones((side, side), bool)
    camera = Intrinsics(side, side, side / 2, side / 2, side, side)
    rgb, depth = np.full((side, side, 3), 128, np.uint8), np.full((side, side), 0.5, np.float32)
    crop = cut_crop(rgb, depth, camera, wall, 0, side, spec.crop_margin)

    estimator = CropPoseEstimator(model, torch.device(device), seed=0)
    if not estimator.is_finite(crop.to(torch.device(device)), Pose6dConfig.refine_iterations):
        raise ModelFileError(
            f"'{path}' is of no use: its network gave a pose that is not finite; train it again"
        )
