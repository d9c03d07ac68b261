# SPDX-License-Identifier: Apache-2.0
"""Poses of all segmented instances of a frame, in one batch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from perception_kit.types import Instance, Intrinsics, PoseEstimate
from pose6d_node.densefusion.consistency import consistency
from pose6d_node.densefusion.crops import (
    MAX_DEPTH,
    MIN_POINTS,
    Crops,
    NetworkInputs,
    cut_crop,
    make_inputs,
)
from pose6d_node.densefusion.evaluation import point_order
from pose6d_node.densefusion.inference import estimate
from pose6d_node.densefusion.pose_model import PoseModel

if TYPE_CHECKING:
    from pose6d_node.densefusion.icp import IcpModel


class PoseEstimator:
    """DenseFusion on the instances of a frame.

    After each call ``skipped`` lists (index, reason) of the instances that got no pose: a class
    that the model does not know (classes are matched by name), an empty mask, fewer than 50 known
    depths in it or none in its crop, depth beyond 50 m, a pose that is not finite, or one whose
    confidence is below ``min_confidence``. The confidence says how well mask and depth agree with
    the pose (``consistency``). With ``icp``, each pose is registered to the depth at the end, and
    the result kept where it agrees better. Equal input gives equal output; an instance's pose does
    not depend on the others in the frame.
    """

    def __init__(
        self,
        model_path: str | Path,
        device: str = "cpu",
        refine_iterations: int = 2,
        icp: bool = False,
        min_confidence: float = 0.0,
        seed: int = 0,
    ) -> None:
        if refine_iterations < 0:
            raise ValueError(f"refine_iterations must not be negative, got {refine_iterations}")
        self.model = PoseModel.load(model_path).to(device)
        self.device = torch.device(device)
        self.refine_iterations = refine_iterations
        self.icp = icp
        self.min_confidence = min_confidence
        self.class_names = self.model.config.class_names
        self.skipped: list[tuple[int, str]] = []
        self._class_index = {name: index for index, name in enumerate(self.class_names)}
        self._icp_models: dict[int, IcpModel] = {}
        self._order = point_order(self.model.config.crop_size, seed, self.device)

    def __call__(
        self,
        rgb: np.ndarray,
        depth: np.ndarray,
        intrinsics: Intrinsics,
        instances: Sequence[Instance],
    ) -> list[PoseEstimate]:
        """Poses of ``instances``, in their order.

        ``rgb`` (H, W, 3) uint8 and ``depth`` (H, W) float32 metres (0 or NaN unknown) are aligned.
        Raises ValueError where they are not.
        """
        if rgb.shape[:2] != depth.shape:
            raise ValueError(
                f"colour is {rgb.shape[:2]} but depth is {depth.shape}: depth must be aligned to"
                " colour"
            )
        self.skipped = []
        crops: list[Crops] = []
        indices: list[int] = []
        for index, instance in enumerate(instances):
            mask = instance.full_mask(*depth.shape)
            reason = self._reason_to_skip(instance, mask, depth)
            crop = None if reason else self._cut(rgb, depth, intrinsics, instance, mask)
            if crop is not None and not crop.measured().any():
                reason = (
                    f"the mask is too thin: its crop of {len(crop.mask[0])} pixels a side holds"
                    " none of its known depths"
                )
            if reason:
                self.skipped.append((index, reason))
            else:
                crops.append(crop)
                indices.append(index)
        return self._estimate(crops, indices, instances) if crops else []

    def _reason_to_skip(
        self, instance: Instance, mask: np.ndarray, depth: np.ndarray
    ) -> str | None:
        if instance.class_name not in self._class_index:
            return f"class '{instance.class_name}' is unknown to the pose model"
        if not mask.any():
            return "the mask is empty"
        values = depth[mask]
        known = np.count_nonzero((values > 0) & (values <= MAX_DEPTH))
        if known < MIN_POINTS and np.count_nonzero(values > MAX_DEPTH) >= MIN_POINTS:
            return (
                f"its depth is {np.median(values[values > MAX_DEPTH]):.4g} m: is depth in"
                " millimetres sent as metres (32FC1)?"
            )
        if known < MIN_POINTS:
            return f"{known} known depths in the mask, at least {MIN_POINTS} are needed"
        return None

    def _cut(
        self,
        rgb: np.ndarray,
        depth: np.ndarray,
        intrinsics: Intrinsics,
        instance: Instance,
        mask: np.ndarray,
    ) -> Crops:
        config = self.model.config
        return cut_crop(
            rgb,
            depth,
            intrinsics,
            mask,
            self._class_index[instance.class_name],
            config.crop_size,
            config.crop_margin,
        )

    def _estimate(
        self, crops: list[Crops], indices: list[int], instances: Sequence[Instance]
    ) -> list[PoseEstimate]:
        batch = Crops.concatenate(crops).to(self.device)
        config = self.model.config
        inputs = make_inputs(
            batch, self.model.diameters, config.num_points, self._order, config.input_frame
        )
        rotations, translations, _ = estimate(self.model, inputs, self.refine_iterations)
        finite = rotations.isfinite().all(dim=(1, 2)) & translations.isfinite().all(dim=1)
        # What is not finite is left out in the end; until then, the steps take the batch as a
        # whole.
        rotations = torch.where(finite.view(-1, 1, 1), rotations, torch.eye(3, device=self.device))
        translations = torch.where(finite.view(-1, 1), translations, 0.0)
        confidences = self._confidence(batch, rotations, translations)
        if self.icp:
            registered = self._register(inputs, rotations, translations)
            registered_confidences = self._confidence(batch, *registered)
            better = registered_confidences > confidences
            rotations = torch.where(better.view(-1, 1, 1), registered[0], rotations)
            translations = torch.where(better.view(-1, 1), registered[1], translations)
            confidences = torch.where(better, registered_confidences, confidences)
        poses = []
        for k, index in enumerate(indices):
            if not finite[k]:
                self.skipped.append((index, "the network gave no finite pose"))
                continue
            confidence = float(confidences[k])
            if confidence < self.min_confidence:
                self.skipped.append(
                    (index, f"mask and depth contradict the pose: confidence {confidence:.2f}")
                )
                continue
            size = np.array(config.sizes[int(batch.class_index[k])], np.float32)
            rotation, translation = (
                rotations[k].double().cpu().numpy(),
                translations[k].double().cpu().numpy(),
            )
            named = instances[index].class_id, instances[index].class_name
            poses.append(PoseEstimate(index, *named, rotation, translation, confidence, size))
        return poses

    def _confidence(self, batch: Crops, rotations: Tensor, translations: Tensor) -> Tensor:
        points, diameters = (
            self.model.model_points[batch.class_index],
            self.model.diameters[batch.class_index],
        )
        return consistency(batch, points, diameters, rotations, translations)

    def _register(
        self, inputs: NetworkInputs, rotations: Tensor, translations: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Each pose after ICP of the points that the networks saw."""
        measured = inputs.points().double().cpu().numpy()
        poses = zip(
            inputs.class_index.tolist(),
            measured,
            rotations.double().cpu().numpy(),
            translations.double().cpu().numpy(),
            strict=True,
        )
        refined = [self._icp_model(class_index).refine(*rest) for class_index, *rest in poses]
        turned, moved = (
            torch.from_numpy(np.stack(part)).to(rotations) for part in zip(*refined, strict=True)
        )
        return turned, moved

    def _icp_model(self, class_index: int) -> IcpModel:
        from pose6d_node.densefusion.icp import (
            IcpModel,  # Open3D takes seconds to import and is not needed without ICP
        )

        if class_index not in self._icp_models:
            points = self.model.model_points[class_index].double().cpu().numpy()
            self._icp_models[class_index] = IcpModel(
                points, self.model.config.diameters[class_index]
            )
        return self._icp_models[class_index]
