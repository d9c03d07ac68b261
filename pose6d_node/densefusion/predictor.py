# SPDX-License-Identifier: Apache-2.0
"""Poses of all segmented instances of a frame, in one batch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from perception_kit.image_checks import check_color, check_depth
from perception_kit.networks.shared_models import load_once
from perception_kit.resources import resolve_path
from perception_kit.types import Instance, Intrinsics, PoseEstimate
from pose6d_node.config import Pose6dConfig
from pose6d_node.densefusion.crop_poses import CropPoseEstimator
from pose6d_node.densefusion.crops import MAX_DEPTH, MIN_POINTS, Crops, cut_crop
from pose6d_node.densefusion.loaded_model import load_pose_model


class PoseEstimator:
    """DenseFusion on the instances of a frame.

    ``model_path`` is a file or ``package://assistant_perception/PATH``. The other arguments, except
    for ``seed``, are those of ``Pose6dConfig``. Raises ModelFileError where the file is not a pose
    model, DeviceError for a device that is missing, RuntimeUnavailableError where the runtime is
    not installed or not for the device, ValueError for a value out of range. ``runtime`` says what
    runs the networks.

    After each call ``rejected`` lists (index, reason) of the instances that got no pose: a class
    that the model does not know (classes are matched by name) or, with ``hypotheses`` "none", that
    its networks were not trained on; an empty mask, fewer than 50 known depths in it or none in its
    crop, depth beyond 50 m, a pose that is not finite, or one whose confidence is below
    ``min_confidence``.

    With ``hypotheses`` other than "none", the networks' pose is registered to the depth; with
    "turns", so are its half turns and those that its shape nearly allows; with "views", views of
    the model where the depth contradicts the others. The one that agrees best with depth and colors
    is kept, and its confidence is the probability that it is right (``pose_confidence``). With
    "none", or where the model file holds no surfaces, the confidence says how well mask and depth
    agree with the networks' pose (``pose_verification_score``); with ``icp``, that pose is
    registered by Open3D, and the result kept where it agrees better. Of classes that the
    networks were not trained on, the views of the model are tried alone.

    Where the model file estimates sizes, each pose comes with a ``size_std``, and models are as
    large as the estimate wherever they are compared with what was seen.

    Equal input gives equal output; an instance's pose does not depend on the others in the frame.
    """

    def __init__(
        self,
        model_path: str | Path,
        device: str = Pose6dConfig.device,
        refine_iterations: int = Pose6dConfig.refine_iterations,
        icp: bool = Pose6dConfig.icp,
        min_confidence: float = Pose6dConfig.min_confidence,
        seed: int = 0,
        hypotheses: str = Pose6dConfig.hypotheses,
        runtime: str = Pose6dConfig.runtime,
    ) -> None:
        config = Pose6dConfig(
            device=device,
            refine_iterations=refine_iterations,
            icp=icp,
            min_confidence=min_confidence,
            hypotheses=hypotheses,
            runtime=runtime,
        )
        self.configure(config)
        # Estimators of one process share the model.
        self._loaded = load_once(
            load_pose_model,
            [resolve_path(model_path)],
            device,
            runtime,
            threads=torch.get_num_threads(),
        )
        self.model, self.runtime = self._loaded.model, self._loaded.runtime
        self.device = torch.device(self.runtime.device)

        self.class_names = self.model.spec.class_names
        self.rejected: list[tuple[int, str]] = []
        self._class_index = {name: index for index, name in enumerate(self.class_names)}
        self._crop_poses = CropPoseEstimator(self.model, self.device, seed)

    def configure(self, config: Pose6dConfig) -> None:
        """Use other parameters from the next frame on: those that may change while running."""
        self.refine_iterations = config.refine_iterations
        self.icp = config.icp
        self.min_confidence = config.min_confidence
        self.hypotheses = config.hypotheses

    def __call__(
        self,
        rgb: np.ndarray,
        depth: np.ndarray,
        intrinsics: Intrinsics,
        instances: Sequence[Instance],
        previous: Sequence[PoseEstimate] = (),
    ) -> list[PoseEstimate]:
        """Poses of ``instances``, in their order.

        ``previous`` are the poses of the last frame of a video: they are looked at as well, and
        preferred where others agree no better, so that what stands still does not jump.
        ``rgb`` (H, W, 3) uint8 and ``depth`` (H, W) float32 metres (0 or NaN unknown) are aligned.
        Raises ValueError where they are not, and for images of another shape or type.
        """
        check_color(rgb)
        check_depth(depth, rgb)

        # Cut out the instances that can have a pose.
        self.rejected = []
        crops: list[Crops] = []
        indices: list[int] = []
        for index, instance in enumerate(instances):
            reason = self._reason_to_reject(instance, depth)
            if reason is None:
                crop = self._cut(rgb, depth, intrinsics, instance)
                if crop.measured().any():
                    crops.append(crop)
                    indices.append(index)
                    continue
                reason = (
                    f"the mask is too thin: its crop of {len(crop.mask[0])} pixels a side holds"
                    " none of its known depths"
                )
            self.rejected.append((index, reason))

        return self._estimate(crops, indices, instances, previous) if crops else []

    def _reason_to_reject(self, instance: Instance, depth: np.ndarray) -> str | None:
        area = instance.mask_area(*depth.shape)
        if instance.class_name not in self._class_index:
            return f"class '{instance.class_name}' is unknown to the pose model"
        is_trained = self._class_index[instance.class_name] < self.model.spec.num_trained
        if not is_trained and self.hypotheses == "none":
            return (
                f"the networks were not trained on class '{instance.class_name}', and poses are"
                " found without them: set hypotheses to views"
            )
        if not instance.mask.any():
            return "the mask is empty"

        values = depth[area][instance.mask]
        too_far = values[values > MAX_DEPTH]
        known = np.count_nonzero((values > 0) & (values <= MAX_DEPTH))
        if known < MIN_POINTS and len(too_far) >= MIN_POINTS:
            return (
                f"its depth is {np.median(too_far):.4g} m: is depth in millimetres sent as metres"
                " (32FC1)?"
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
    ) -> Crops:
        spec = self.model.spec
        return cut_crop(
            rgb,
            depth,
            intrinsics,
            instance.mask,
            self._class_index[instance.class_name],
            spec.crop_size,
            spec.crop_margin,
            instance.mask_origin,
        )

    def _estimate(
        self,
        crops: list[Crops],
        indices: list[int],
        instances: Sequence[Instance],
        previous: Sequence[PoseEstimate],
    ) -> list[PoseEstimate]:
        """Poses of the ``instances`` at ``indices``, whose crops these are."""
        batch = Crops.concatenate(crops).to(self.device)
        found = self._crop_poses(batch, previous, self.refine_iterations, self.icp, self.hypotheses)

        is_finite = found.is_finite.tolist()
        extents, stds = (values.cpu().numpy() for values in found.models.sizes())
        poses = []
        for k, index in enumerate(indices):
            confidence = float(found.confidences[k])
            if not is_finite[k]:
                self.rejected.append((index, "the network gave no finite pose"))
            elif confidence < self.min_confidence:
                reason = f"mask and depth contradict the pose: confidence {confidence:.2f}"
                self.rejected.append((index, reason))
            else:
                poses.append(
                    PoseEstimate(
                        detection_index=index,
                        class_id=instances[index].class_id,
                        class_name=instances[index].class_name,
                        rotation=found.rotations[k].double().cpu().numpy(),
                        translation=found.translations[k].double().cpu().numpy(),
                        confidence=confidence,
                        size=extents[k],
                        size_std=stds[k] if stds[k].any() else None,
                    )
                )
        return poses
