# SPDX-License-Identifier: Apache-2.0
"""From votes to poses: the estimator's pose, then iterative refinement.

Wang et al. 2019, sections 3.5 and 3.6.
"""

from __future__ import annotations

import torch
from torch import Tensor

from pose6d_node.densefusion.crops import NetworkInputs
from pose6d_node.densefusion.pose_model import PoseModel
from pose6d_node.densefusion.refine_net import PoseRefineNet
from pose6d_node.densefusion.rotations import quaternion_to_matrix


def refine_once(
    refiner: PoseRefineNet,
    cloud: Tensor,
    features: Tensor,
    class_index: Tensor,
    rotation: Tensor,
    translation: Tensor,
) -> tuple[Tensor, Tensor]:
    """The pose (B, 3, 3), (B, 3) corrected once by the refiner (section 3.6).

    ``cloud`` (B, N, 3) in the networks' frame; ``features`` (B, F, N) of the estimator.
    """
    # Move the cloud into the frame of the current estimate.
    moved = (cloud - translation.unsqueeze(1)) @ rotation

    # Correct the estimate by the residual pose that the refiner sees there.
    quaternion, offset = refiner(moved, features, class_index)
    refined_rotation = rotation @ quaternion_to_matrix(quaternion)
    refined_translation = translation + (rotation @ offset.unsqueeze(2)).squeeze(2)
    return refined_rotation, refined_translation


@torch.inference_mode()
def estimate(
    model: PoseModel, inputs: NetworkInputs, refine_iterations: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Poses of B instances in the camera frame.

    Rotations (B, 3, 3), translations (B, 3) in metres, and the votes' confidences (B,) in 0..1.
    """
    rotation, translation, confidence, features = model.estimator.best_pose(
        inputs.image, inputs.cloud, inputs.pixels, inputs.class_index
    )

    for _ in range(refine_iterations):
        rotation, translation = refine_once(
            model.refiner, inputs.cloud, features, inputs.class_index, rotation, translation
        )

    return *inputs.to_camera_frame(rotation, translation), confidence
