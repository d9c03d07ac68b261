# SPDX-License-Identifier: Apache-2.0
"""Runs a segmentation model file on images."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch

from perception_kit.image_checks import check_color, check_depth
from perception_kit.networks.finite_outputs import NonFiniteError, refuse_non_finite
from perception_kit.networks.model_metadata import ModelFileError
from perception_kit.networks.openvino_runtime import choose_runtime_device
from perception_kit.resources import resolve_path
from perception_kit.types import Instance, Intrinsics
from pose6d_node.config import Pose6dConfig
from pose6d_node.segmentation.depth_input import depth_channel
from pose6d_node.segmentation.input_size import fitted_size, resize_color
from pose6d_node.segmentation.openvino import compile_parts
from pose6d_node.segmentation.segmentation_model import load_segmentation

MASK_THRESHOLD = 0.5  # as published (He et al. 2017, section 3.1)


class Segmenter:
    """Instance segmentation of colour images.

    ``model_path`` is a file or ``package://assistant_perception/PATH``. The other arguments are
    those of ``Pose6dConfig``. Raises ModelFileError where the file is not a segmentation model,
    DeviceError for a device that is missing, RuntimeUnavailableError where the runtime is not
    installed or not for the device, ValueError for a value out of range.
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
        self.device = torch.device(choose_runtime_device(runtime, device))
        network, spec = load_segmentation(resolve_path(model_path))
        self.class_names = spec.class_names
        self.input_size = spec.input_size
        self.uses_depth = spec.depth
        self.descriptor_size: int = network.descriptor.size

        self.network = network.to(self.device, memory_format=torch.channels_last).eval()
        self.network.roi_heads.detections_per_img = max_detections
        self.configure(config)
        if runtime == "openvino":
            compile_parts(self.network)
        self._refuse_nonsense(model_path)

    def _refuse_nonsense(self, model_path: str | Path) -> None:
        """Check the values of each part from now on, and see a first image, of noise.

        The first image takes longest. Raises ModelFileError where the network makes no sense of it.
        """
        heads = self.network.roi_heads
        refuse_non_finite(self.network.backbone, "backbone")
        refuse_non_finite(self.network.rpn.head, "proposals")
        refuse_non_finite(heads.box_predictor, "classes and boxes")
        refuse_non_finite(heads.mask_predictor, "masks")
        refuse_non_finite(self.network.descriptor, "descriptors")

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
            tensor.cpu().numpy() for tensor in self._forward(image)
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
        """(3 or 4, h, w) image in [0, 1] of ``size`` (w, h), on the device."""
        small = resize_color(rgb, size)
        image = torch.from_numpy(small).to(self.device).permute(2, 0, 1).float() / 255
        if not self.uses_depth:
            return image

        if depth is None or intrinsics is None:
            channel = np.zeros(small.shape[:2], np.float32)
        else:
            channel = depth_channel(depth, intrinsics.fx, size)
        return torch.cat([image, torch.from_numpy(channel).to(self.device)[None]])

    def _forward(self, image: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Detections in a (3 or 4, h, w) image.

        Boxes (N, 4), labels (N,), scores (N,), mask probabilities (N, M, M) and descriptors (N, D).
        """
        # Mask R-CNN: feature pyramid, region proposals, then class, box and mask of each.
        network = self.network
        images, _ = network.transform([image])
        features = network.backbone(images.tensors)
        proposals, _ = network.rpn(images, features)
        detections, _ = network.roi_heads(features, proposals, images.image_sizes)

        # The descriptors pool the features of the final boxes.
        found = detections[0]
        pooled = network.roi_heads.box_roi_pool(features, [found["boxes"]], images.image_sizes)
        descriptors = network.descriptor(pooled)
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
