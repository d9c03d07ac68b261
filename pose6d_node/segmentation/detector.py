# SPDX-License-Identifier: Apache-2.0
"""Detections of a segmentation network that is loaded once, with limits of one's own."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torchvision.models.detection import MaskRCNN

from perception_kit.networks.finite_outputs import (
    NonFiniteError,
    check_finite,
    refuse_non_finite,
)
from perception_kit.networks.model_metadata import ModelFileError
from perception_kit.networks.openvino_runtime import Runtime, choose_runtime
from perception_kit.types import Intrinsics
from pose6d_node.config import Pose6dConfig
from pose6d_node.segmentation.depth_input import depth_channel
from pose6d_node.segmentation.first_stage import FirstStage, Proposals
from pose6d_node.segmentation.input_size import resize_color
from pose6d_node.segmentation.openvino import OpenVINOFirstStage, compile_parts
from pose6d_node.segmentation.roi_align import with_table
from pose6d_node.segmentation.segmentation_model import SegmentationModelSpec, load_segmentation


@dataclass
class LoadedNetwork:
    """A ``network`` that is ready to run, which several detectors may share, and what runs it."""

    network: MaskRCNN
    spec: SegmentationModelSpec
    runtime: Runtime
    first_stage: FirstStage | OpenVINOFirstStage


def load_network(path: Path, device: str, runtime: str) -> LoadedNetwork:
    """The network of a file on its device, compiled, and seen to make sense of a first image.

    See ``Segmenter`` for the arguments and for what is raised.
    """
    network, spec = load_segmentation(path)
    chosen = choose_runtime(runtime, device, spec.bfloat16)
    network = network.to(chosen.device, memory_format=torch.channels_last).eval()
    loaded = LoadedNetwork(network, spec, chosen, FirstStage(network))

    # The values of each part are checked from now on; those of the first stage always are.
    heads = network.roi_heads
    refuse_non_finite(heads.box_predictor, "classes and boxes")
    refuse_non_finite(heads.mask_predictor, "masks")
    refuse_non_finite(network.descriptor, "descriptors")

    def compile_network() -> None:
        loaded.first_stage = compile_parts(network, chosen.rounds)
        refuse_non_finite(heads.mask_predictor, "masks")

    # PyTorch sees it first: OpenVINO's activations make 0 of what is not a number.
    _refuse_nonsense(loaded, path)
    chosen.compile(compile_network)
    if chosen.name != "pytorch":
        _refuse_nonsense(loaded, path)
    return loaded


def _refuse_nonsense(loaded: LoadedNetwork, path: Path) -> None:
    """See a first image, of noise.

    The first image takes longest. Raises ModelFileError where the network makes no sense of it.
    """
    size = width, height = loaded.spec.input_size
    noise = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    try:
        Detector(loaded)(noise, None, None, size)
    except NonFiniteError as error:
        raise ModelFileError(f"'{path}' is of no use: {error}; train it again") from error


class Detector:
    """Runs a loaded network on images.

    ``heads`` are those of the network, weights included, with limits of this detector alone:
    ``score_thresh`` and ``detections_per_img``.
    """

    def __init__(
        self,
        loaded: LoadedNetwork,
        score_threshold: float = Pose6dConfig.score_threshold,
        max_detections: int = Pose6dConfig.max_detections,
    ) -> None:
        network = loaded.network
        self.uses_depth = loaded.spec.depth
        self.device = torch.device(loaded.runtime.device)
        self.heads = copy(network.roi_heads)
        self.heads.score_thresh, self.heads.detections_per_img = score_threshold, max_detections

        transform = network.transform
        self._stride: int = transform.size_divisible
        mean, std = (
            torch.tensor(v).view(-1, 1, 1) for v in (transform.image_mean, transform.image_std)
        )
        mean[:3], std[:3] = 255 * mean[:3], 255 * std[:3]
        self._mean, self._std = mean.to(self.device), std.to(self.device)
        self._first_stage, self._proposals = loaded.first_stage, Proposals(network)
        self._descriptor = network.descriptor

    @torch.inference_mode()
    def __call__(
        self,
        rgb: np.ndarray,
        depth: np.ndarray | None,
        intrinsics: Intrinsics | None,
        size: tuple[int, int],
    ) -> tuple[Tensor, ...]:
        """Detections in an image that is resized to ``size`` (w, h), in pixels of that.

        Boxes (N, 4), labels (N,), scores (N,), mask probabilities (N, M, M) and descriptors (N, D).
        """
        return self._forward(self._network_image(rgb, depth, intrinsics, size), size)

    def _network_image(
        self,
        rgb: np.ndarray,
        depth: np.ndarray | None,
        intrinsics: Intrinsics | None,
        size: tuple[int, int],
    ) -> Tensor:
        """(1, 3 or 4, H, W) normalized image of ``size`` (w, h), on the device.

        It is padded by zeros to multiples of the largest stride.
        """
        width, height = size
        padded = [-(-side // self._stride) * self._stride for side in (height, width)]
        image = torch.zeros(1, len(self._mean), *padded, device=self.device)
        inside = image[0, :, :height, :width]

        color = torch.from_numpy(resize_color(rgb, size)).to(self.device)
        inside[:3] = color.permute(2, 0, 1)
        if self.uses_depth and depth is not None and intrinsics is not None:
            channel = depth_channel(depth, intrinsics.fx, size)
            inside[3] = torch.from_numpy(channel).to(self.device)
        inside.sub_(self._mean).div_(self._std)
        return image

    def _forward(self, image: Tensor, size: tuple[int, int]) -> tuple[Tensor, ...]:
        """Detections in a (1, 3 or 4, H, W) image of ``size`` (w, h) without its padding."""
        # Mask R-CNN: feature pyramid, region proposals, then class, box and mask of each.
        heads, shape = self.heads, (size[1], size[0])
        outputs = self._first_stage(image)
        check_finite(outputs.levels, "backbone")
        check_finite([outputs.objectness, outputs.deltas], "proposals")
        proposals = self._proposals(image, shape, outputs)
        features = outputs.levels
        if self.device.type == "cpu":
            features = with_table(features, heads.box_roi_pool.featmap_names)
        detections, _ = heads(features, [proposals], [shape])

        # The descriptors pool the features of the final boxes.
        found = detections[0]
        pooled = heads.box_roi_pool(features, [found["boxes"]], [shape])
        descriptors = self._descriptor(pooled)
        return found["boxes"], found["labels"], found["scores"], found["masks"][:, 0], descriptors
