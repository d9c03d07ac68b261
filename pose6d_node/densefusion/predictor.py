# SPDX-License-Identifier: Apache-2.0
"""Poses of all segmented instances of a frame, in one batch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from perception_kit.types import Instance, Intrinsics, PoseEstimate
from pose6d_node.densefusion.crops import MIN_POINTS, Crops, cut_crop, make_inputs
from pose6d_node.densefusion.evaluation import point_order
from pose6d_node.densefusion.inference import estimate
from pose6d_node.densefusion.pose_model import PoseModel


class PoseEstimator:
    """DenseFusion on the instances of a frame.

    After each call ``skipped`` lists (index, reason) of the instances that got no pose: a class that the model does not know (classes are
    matched by name), an empty mask, or fewer than 50 known depths in it. Equal input gives equal output; an instance's pose does not
    depend on the others in the frame.
    """

    def __init__(self, model_path: str | Path, device: str = "cpu", refine_iterations: int = 2, seed: int = 0) -> None:
        if refine_iterations < 0:
            raise ValueError(f"refine_iterations must not be negative, got {refine_iterations}")
        self.model = PoseModel.load(model_path).to(device)
        self.device = torch.device(device)
        self.refine_iterations = refine_iterations
        self.class_names = self.model.config.class_names
        self.skipped: list[tuple[int, str]] = []
        self._class_index = {name: index for index, name in enumerate(self.class_names)}
        self._order = point_order(self.model.config.crop_size, seed, self.device)

    def __call__(self, rgb: np.ndarray, depth: np.ndarray, intrinsics: Intrinsics, instances: Sequence[Instance]) -> list[PoseEstimate]:
        """Poses of ``instances``, in their order.

        ``rgb`` (H, W, 3) uint8 and ``depth`` (H, W) float32 metres (0 or NaN unknown) are aligned. Raises ValueError where they are not.
        """
        if rgb.shape[:2] != depth.shape:
            raise ValueError(f"colour is {rgb.shape[:2]} but depth is {depth.shape}: depth must be aligned to colour")
        self.skipped = []
        crops: list[Crops] = []
        indices: list[int] = []
        for index, instance in enumerate(instances):
            mask = instance.full_mask(*depth.shape)
            reason = self._reason_to_skip(instance, mask, depth)
            if reason:
                self.skipped.append((index, reason))
            else:
                crops.append(self._cut(rgb, depth, intrinsics, instance, mask))
                indices.append(index)
        return self._estimate(crops, indices, instances) if crops else []

    def _reason_to_skip(self, instance: Instance, mask: np.ndarray, depth: np.ndarray) -> str | None:
        if instance.class_name not in self._class_index:
            return f"class '{instance.class_name}' is unknown to the pose model"
        if not mask.any():
            return "the mask is empty"
        known = np.count_nonzero(depth[mask] > 0)
        if known < MIN_POINTS:
            return f"{known} known depths in the mask, at least {MIN_POINTS} are needed"
        return None

    def _cut(self, rgb: np.ndarray, depth: np.ndarray, intrinsics: Intrinsics, instance: Instance, mask: np.ndarray) -> Crops:
        config = self.model.config
        return cut_crop(rgb, depth, intrinsics, mask, self._class_index[instance.class_name], config.crop_size, config.crop_margin)

    def _estimate(self, crops: list[Crops], indices: list[int], instances: Sequence[Instance]) -> list[PoseEstimate]:
        batch = Crops.concatenate(crops).to(self.device)
        inputs = make_inputs(batch, self.model.diameters, self.model.config.num_points, self._order)
        rotations, translations, confidences = estimate(self.model, inputs, self.refine_iterations)
        return [
            PoseEstimate(
                detection_index=index,
                class_id=instances[index].class_id,
                class_name=instances[index].class_name,
                rotation=rotation,
                translation=translation,
                confidence=float(confidence),
                size=np.array(self.model.config.sizes[class_index], np.float32),
            )
            for index, class_index, rotation, translation, confidence in zip(
                indices,
                batch.class_index.tolist(),
                rotations.double().cpu().numpy(),
                translations.double().cpu().numpy(),
                confidences.cpu().numpy(),
                strict=True,
            )
        ]
