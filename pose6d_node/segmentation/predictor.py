# SPDX-License-Identifier: Apache-2.0
"""Runs a segmentation model file on images."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch

from perception_kit.image_checks import check_color, check_depth
from perception_kit.networks.finite_outputs import (
    NonFiniteError,
    check_finite,
    refuse_non_finite,
)
from perception_kit.networks.model_metadata import ModelFileError
from perception_kit.networks.openvino_runtime import choose_runtime
from perception_kit.resources import resolve_path
from perception_kit.types import Instance, Intrinsics
from pose6d_node.config import Pose6dConfig
from pose6d_node.segmentation.depth_input import depth_channel
from pose6d_node.segmentation.first_stage import FirstStage, Proposals
from pose6d_node.segmentation.input_size import fitted_size, resize_color
from pose6d_node.segmentation.openvino import OpenVINOFirstStage, compile_parts
from pose6d_node.segmentation.roi_align import with_table
from pose6d_node.segmentation.segmentation_model import load_segmentation

MASK_THRESHOLD = 0.5  # as published (He et al. 2017, section 3.1)


class Segmenter:
    """Instance segmentation of colour images.

    ``model_path`` is a file or ``package://assistant_perception/PATH``. The other arguments are
    those of ``Pose6dConfig``. Raises ModelFileError where the file is not a segmentation model,
    DeviceError for a device that is missing, RuntimeUnavailableError where the runtime is not
    installed or not for the device, ValueError for a value out of range.

    ``runtime`` says what runs the network.
    """

    def __init__(
        self,
        model_path: str | Path,
        device: str = Pose6dConfig.device,
        score_threshold: float = Pose6dConfig.score_threshold,
        max_detections: int = Pose6dConfig.max_detections,
        runtime: str = Pose6dConfig.runtime,
    ) -> None:
        config = Pose6dConfig(
            device=device,
            runtime=runtime,
            score_threshold=score_threshold,
            max_detections=max_detections,
        )
        network, spec = load_segmentation(resolve_path(model_path))
        self.runtime = choose_runtime(runtime, device, spec.bfloat16)
        self.device = torch.device(self.runtime.device)
        self.class_names = spec.class_names
        self.input_size = spec.input_size
        self.uses_depth = spec.depth
        self.descriptor_size: int = network.descriptor.size

        self.network = network.to(self.device, memory_format=torch.channels_last).eval()
        self.network.roi_heads.detections_per_img = max_detections
        self.configure(config)

        transform = self.network.transform
        self._stride: int = transform.size_divisible
        mean, std = (
            torch.tensor(v).view(-1, 1, 1) for v in (transform.image_mean, transform.image_std)
        )
        mean[:3], std[:3] = 255 * mean[:3], 255 * std[:3]
        self._mean, self._std = mean.to(self.device), std.to(self.device)
        self._proposals = Proposals(self.network)
        self._first_stage: FirstStage | OpenVINOFirstStage = FirstStage(self.network)

        # PyTorch sees it first: OpenVINO's activations make 0 of what is not a number.
        self._check_parts()
        self._refuse_nonsense(model_path)
        self.runtime.compile(self._compile)
        if self.runtime.name != "pytorch":
            self._refuse_nonsense(model_path)

    def _compile(self) -> None:
        self._first_stage = compile_parts(self.network, self.runtime.rounds)
        refuse_non_finite(self.network.roi_heads.mask_predictor, "masks")

    def _check_parts(self) -> None:
        """Check the values of each part from now on; those of the first stage always are."""
        heads = self.network.roi_heads
        refuse_non_finite(heads.box_predictor, "classes and boxes")
        refuse_non_finite(heads.mask_predictor, "masks")
        refuse_non_finite(self.network.descriptor, "descriptors")

    def _refuse_nonsense(self, model_path: str | Path) -> None:
        """See a first image, of noise.

        The first image takes longest. Raises ModelFileError where the network makes no sense of it.
        """
        width, height = self.input_size
        noise = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
        try:
            self(noise)
        except NonFiniteError as error:
            raise ModelFileError(f"'{model_path}' is of no use: {error}; train it again") from error

    def configure(self, config: Pose6dConfig) -> None:
        """Use other parameters from the next image on: those that may change while running."""
        self.network.roi_heads.score_thresh = config.score_threshold

    @torch.inference_mode()
    def __call__(
        self, rgb: np.ndarray, depth: np.ndarray | None = None, intrinsics: Intrinsics | None = None
    ) -> list[Instance]:
        """Instances of an (H, W, 3) uint8 image of any size, highest score first.

        Boxes and masks are in its pixels. A model with ``uses_depth`` also looks at the aligned
        (H, W) float32 ``depth`` in metres, 0 unknown, and the camera's ``intrinsics``; without
        them, the depth of all pixels is unknown, which its training showed it as well. Raises
        ValueError for an array of another shape or type, NonFiniteError where the network gives
        values that are not finite.
        """
        check_color(rgb)
        if depth is not None:
            check_depth(depth, rgb)

        # The network's input, and what it finds there.
        height, width = rgb.shape[:2]
        size = fitted_size(width, height, self.input_size)
        image = self._network_image(rgb, depth, intrinsics, size)
        boxes, labels, scores, masks, descriptors = (
            tensor.cpu().numpy() for tensor in self._forward(image, size)
        )

        # Boxes and masks back in the image's pixels.
        boxes = boxes * np.array([width / size[0], height / size[1]] * 2, np.float32)
        instances = []
        for box, label, score, mask, descriptor in zip(
            boxes, labels, scores, masks, descriptors, strict=True
        ):
            pixels, origin = paste_mask(mask, box, height, width)
            if not pixels.any():
                continue
            name = self.class_names[label - 1]
            instances.append(
                Instance(int(label), name, float(score), box, pixels, origin, descriptor)
            )
        return instances

    def _network_image(
        self,
        rgb: np.ndarray,
        depth: np.ndarray | None,
        intrinsics: Intrinsics | None,
        size: tuple[int, int],
    ) -> torch.Tensor:
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

    def _forward(self, image: torch.Tensor, size: tuple[int, int]) -> tuple[torch.Tensor, ...]:
        """Detections in a (1, 3 or 4, H, W) image of ``size`` (w, h) without its padding.

        Boxes (N, 4), labels (N,), scores (N,), mask probabilities (N, M, M) and descriptors (N, D).
        """
        # Mask R-CNN: feature pyramid, region proposals, then class, box and mask of each.
        heads, shape = self.network.roi_heads, (size[1], size[0])
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
        descriptors = self.network.descriptor(pooled)
        return found["boxes"], found["labels"], found["scores"], found["masks"][:, 0], descriptors


def paste_mask(
    mask: np.ndarray, box: np.ndarray, height: int, width: int
) -> tuple[np.ndarray, tuple[int, int]]:
    """Boolean pixels of an (M, M) float32 mask that spans ``box``, cropped to the image.

    The second value is the (x, y) of their top left corner.
    """
    left, top = np.maximum(np.floor(box[:2]).astype(int), 0)
    right, bottom = np.minimum(np.ceil(box[2:]).astype(int), (width, height))
    origin = int(left), int(top)
    if right <= left or bottom <= top:
        return np.zeros((0, 0), bool), origin

    # Pixel centre (x + 0.5) of the image lies at ((x + 0.5) - box) * step - 0.5 in the grid of the
    # mask's cell centres.
    step = np.array(mask.shape[::-1]) / np.maximum(box[2:] - box[:2], 1e-3)
    shift = (np.array([left, top]) + 0.5 - box[:2]) * step - 0.5
    to_mask = np.array([[step[0], 0, shift[0]], [0, step[1], shift[1]]])

    pasted = cv2.warpAffine(
        mask,
        to_mask,
        (int(right - left), int(bottom - top)),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return pasted >= MASK_THRESHOLD, origin
