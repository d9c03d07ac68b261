# SPDX-License-Identifier: Apache-2.0
"""Annotated instances of a dataset, cut out once and kept in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from perception_kit.datasets.files import DatasetError
from perception_kit.datasets.frame import (
    AnnotatedFrame,
    FrameDataset,
    GroundTruthInstance,
    empty_mask_notes,
    empty_masks,
)
from pose6d_node.densefusion.crops import MIN_POINTS, Crops, cut_crop
from pose6d_node.densefusion.pose_model_spec import PoseModelSpec


@dataclass
class PoseDataset:
    """N instances and their poses, model to camera.

    ``rotation`` (N, 3, 3) and ``translation`` (N, 3) in metres; ``scale`` (N, 3) factors along the
    axes of the model. ``too_few_points`` lists the class
    index of each visible instance left out because its mask holds fewer than ``MIN_POINTS`` known
    depths.
    """

    crops: Crops
    rotation: Tensor
    translation: Tensor
    scale: Tensor
    too_few_points: list[int] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.crops)

    def sampling_weights(self) -> Tensor:
        """(N,) weights that make each class that occurs as frequent as any other."""
        counts = torch.bincount(self.crops.class_index).float()
        return 1 / counts[self.crops.class_index]


def load_instances(frames: FrameDataset, spec: PoseModelSpec, min_visible: float) -> PoseDataset:
    """Instances in ``frames`` of the classes of ``spec``, matched by name.

    At least the fraction ``min_visible`` of each is seen. Raises DatasetError where there is none.
    """
    index_of = {name: index for index, name in enumerate(spec.class_names)}
    class_index = {
        class_id: index_of[name]
        for class_id, name in frames.class_names.items()
        if name in index_of
    }

    crops: list[Crops] = []
    poses: list[GroundTruthInstance] = []
    too_few: list[int] = []
    unseen: list[str] = []
    for number in tqdm(range(len(frames)), desc="reading frames", unit="frame"):
        frame = frames[number]
        without_pixels = empty_masks(frame, frames.class_names)
        unseen += [f"{name} in frame {frames.name(number)}" for name in without_pixels]
        for label, instance in enumerate(frame.instances, start=1):
            if instance.class_id not in class_index or instance.visible_fraction < min_visible:
                continue

            crop = _cut_instance(frame, label, class_index[instance.class_id], spec)
            if crop is None:
                too_few.append(class_index[instance.class_id])
            else:
                crops.append(crop)
                poses.append(instance)

    for note in empty_mask_notes(unseen):
        print(f"{frames.folder}: {note}")
    if not crops:
        raise DatasetError(
            f"'{frames.folder}' shows no instance of {spec.class_names} that is at least"
            f" {min_visible:.0%} visible"
        )
    return PoseDataset(
        Crops.concatenate(crops),
        _stack([pose.rotation for pose in poses]),
        _stack([pose.translation for pose in poses]),
        _stack([pose.scale for pose in poses]),
        too_few,
    )


def _cut_instance(
    frame: AnnotatedFrame, label: int, class_index: int, spec: PoseModelSpec
) -> Crops | None:
    """The crop of the instance ``label``; None where too few depths are known."""
    mask = frame.labels == label
    if np.count_nonzero(mask & (frame.depth > 0)) < MIN_POINTS:
        return None

    images = frame.rgb, frame.depth, frame.intrinsics
    crop = cut_crop(*images, mask, class_index, spec.crop_size, spec.crop_margin)
    return crop if crop.measured().any() else None


def _stack(arrays: Sequence[np.ndarray]) -> Tensor:
    return torch.from_numpy(np.stack(arrays)).float()
