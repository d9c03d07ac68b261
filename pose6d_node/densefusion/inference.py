# SPDX-License-Identifier: Apache-2.0
"""From network outputs to poses: the most confident hypothesis, then iterative refinement (Wang et al. 2019, sections 3.5 and 3.6)."""

from __future__ import annotations

import torch
from torch import Tensor

from pose6d_node.densefusion.crops import NetworkInputs
from pose6d_node.densefusion.pose_net import PoseNet
from pose6d_node.densefusion.refine_net import PoseRefineNet
from pose6d_node.densefusion.rotations import quaternion_to_matrix


def best_hypothesis(quaternions: Tensor, offsets: Tensor, confidence: Tensor, cloud: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Rotation (B, 3, 3), translation (B, 3) and confidence (B,) of the most confident point.

    ``quaternions`` (B, P, 4), ``offsets`` (B, P, 3) from the point to the object's origin, ``confidence`` (B, P), ``cloud`` (B, N >= P, 3).
    """
    best = confidence.argmax(dim=1)
    row = torch.arange(len(best), device=best.device)
    return quaternion_to_matrix(quaternions[row, best]), cloud[row, best] + offsets[row, best], confidence[row, best]


def refine_once(
    refiner: PoseRefineNet, cloud: Tensor, embedding: Tensor, class_index: Tensor, rotation: Tensor, translation: Tensor
) -> tuple[Tensor, Tensor]:
    """The pose (B, 3, 3), (B, 3) corrected by the residual that the refiner sees in the cloud moved into the pose's frame."""
    moved = (cloud - translation.unsqueeze(1)) @ rotation
    quaternion, offset = refiner(moved, embedding, class_index)
    return rotation @ quaternion_to_matrix(quaternion), translation + (rotation @ offset.unsqueeze(2)).squeeze(2)


@torch.inference_mode()
def estimate(estimator: PoseNet, refiner: PoseRefineNet, inputs: NetworkInputs, refine_iterations: int) -> tuple[Tensor, Tensor, Tensor]:
    """Rotations (B, 3, 3), translations (B, 3) in metres of the camera frame, and confidences (B,) in 0..1."""
    votes = estimator(inputs.image, inputs.cloud, inputs.pixels, inputs.class_index)
    rotation, translation, best = best_hypothesis(votes.quaternions, votes.offsets, votes.confidence, inputs.cloud)
    for _ in range(refine_iterations):
        rotation, translation = refine_once(refiner, inputs.cloud, votes.embedding, inputs.class_index, rotation, translation)
    return *inputs.to_camera_frame(rotation, translation), best
