# SPDX-License-Identifier: Apache-2.0
"""Runs a segmentation model file on images."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch

from perception_kit.networks.model_file import load_model, load_weights
from perception_kit.networks.model_metadata import ModelFileError
from perception_kit.networks.openvino_runtime import check_runtime_device
from perception_kit.types import Instance, Intrinsics
from pose6d_node.segmentation.depth_input import depth_channel
from pose6d_node.segmentation.input_size import fitted_size, resize_color
from pose6d_node.segmentation.network import build_network
from pose6d_node.segmentation.openvino import compile_parts

MASK_THRESHOLD = 0.5


class Segmenter:
    """Instance segmentation of colour images.

    ``device`` is a PyTorch device name. Instances below ``score_threshold`` are dropped, and at
    most ``max_detections`` are kept. ``runtime`` is one of ``perception_kit.resources.RUNTIMES``.
    Raises ModelFileError where ``model_path`` is not a segmentation model, RuntimeUnavailableError
    where the runtime is not installed or not for the device.
    """

    def __init__(
        self,
        model_path: str | Path,
        device: str = "cpu",
        score_threshold: float = 0.5,
        max_detections: int = 50,
        runtime: str = "pytorch",
    ) -> None:
        check_runtime_device(runtime, device)
        tensors, metadata = load_model(model_path, "segmentation")
        try:
            self.class_names: list[str] = metadata["class_names"]
            self.input_size: tuple[int, int] = tuple(metadata["input_size"])
            if min(self.input_size) < 1:
                raise ValueError(f"input_size is {self.input_size}")
            self.uses_depth: bool = metadata.get("depth", False)
            normalization = metadata["mean"], metadata["std"]
            network = build_network(
                metadata["architecture"], len(self.class_names), *normalization, self.uses_depth
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ModelFileError(
                f"'{model_path}' is a segmentation model that this version cannot read ({error})"
            ) from error
        load_weights(network, tensors, model_path)
        self.device = torch.device(device)
        self.descriptor_size: int = network.descriptor.size
        network.roi_heads.score_thresh = score_threshold
        network.roi_heads.detections_per_img = max_detections
        self.network = network.to(self.device, memory_format=torch.channels_last).eval()
        if runtime == "openvino":
            compile_parts(self.network)

    @property
    def score_threshold(self) -> float:
        """Instances below this score are dropped; may be set at any time."""
        return self.network.roi_heads.score_thresh

    @score_threshold.setter
    def score_threshold(self, value: float) -> None:
        self.network.roi_heads.score_thresh = value

    @torch.inference_mode()
    def __call__(
        self, rgb: np.ndarray, depth: np.ndarray | None = None, intrinsics: Intrinsics | None = None
    ) -> list[Instance]:
        """Instances of an (H, W, 3) uint8 image of any size, highest score first; boxes and masks
        in its pixels.

        A model with ``uses_depth`` also looks at the aligned (H, W) float32 ``depth`` in metres, 0
        unknown, and the camera's ``intrinsics``; without them, the depth of all pixels is unknown,
        which its training showed it as well. Raises ValueError for an array of another shape or
        type.
        """
        if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype != np.uint8 or rgb.size == 0:
            raise ValueError(
                f"expected an (H, W, 3) uint8 colour image, got shape {rgb.shape} and type"
                f" {rgb.dtype}"
            )
        height, width = rgb.shape[:2]
        if self.uses_depth and depth is not None and depth.shape != (height, width):
            raise ValueError(
                f"depth is {depth.shape} and colour {(height, width)}: give depth that is aligned"
                " to the colour image"
            )
        size = fitted_size(width, height, self.input_size)
        small = resize_color(rgb, size)
        image = torch.from_numpy(small).to(self.device).permute(2, 0, 1).float() / 255
        if self.uses_depth:
            unknown = depth is None or intrinsics is None
            channel = (
                np.zeros(small.shape[:2], np.float32)
                if unknown
                else depth_channel(depth, intrinsics.fx, size)
            )
            image = torch.cat([image, torch.from_numpy(channel).to(self.device)[None]])
        boxes, labels, scores, masks, descriptors = (
            tensor.cpu().numpy() for tensor in self._forward(image)
        )
        boxes = boxes * np.array([width / size[0], height / size[1]] * 2, np.float32)
        instances = []
        for box, label, score, mask, descriptor in zip(
            boxes, labels, scores, masks, descriptors, strict=True
        ):
            pixels, origin = paste_mask(mask, box, height, width)
            if pixels.any():
                name = self.class_names[label - 1]
                instances.append(
                    Instance(int(label), name, float(score), box, pixels, origin, descriptor)
                )
        return instances

    def _forward(self, image: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Boxes (N, 4), labels (N,), scores (N,), mask probabilities (N, M, M) and descriptors (N,
        D) of a (3 or 4, h, w) image.
        """
        network = self.network
        images, _ = network.transform([image])
        features = network.backbone(images.tensors)
        proposals, _ = network.rpn(images, features)
        detections, _ = network.roi_heads(features, proposals, images.image_sizes)
        found = detections[0]
        pooled = network.roi_heads.box_roi_pool(features, [found["boxes"]], images.image_sizes)
        return (
            found["boxes"],
            found["labels"],
            found["scores"],
            found["masks"][:, 0],
            network.descriptor(pooled),
        )


def paste_mask(
    mask: np.ndarray, box: np.ndarray, height: int, width: int
) -> tuple[np.ndarray, tuple[int, int]]:
    """Boolean pixels of an (M, M) float32 mask that spans ``box``, cropped to the image, and the
    (x, y) of their top left corner.
    """
    left, top = np.maximum(np.floor(box[:2]).astype(int), 0)
    right, bottom = np.minimum(np.ceil(box[2:]).astype(int), (width, height))
    if right <= left or bottom <= top:
        return np.zeros((0, 0), bool), (int(left), int(top))
    step = np.array(mask.shape[::-1]) / np.maximum(box[2:] - box[:2], 1e-3)
    # Pixel centre (x + 0.5) of the image lies at ((x + 0.5) - box) * step - 0.5 in the grid of the
    # mask's cell centres.
    shift = (np.array([left, top]) + 0.5 - box[:2]) * step - 0.5
    to_mask = np.array([[step[0], 0, shift[0]], [0, step[1], shift[1]]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    pasted = cv2.warpAffine(
        mask,
        to_mask,
        (int(right - left), int(bottom - top)),
        flags=flags,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return pasted >= MASK_THRESHOLD, (int(left), int(top))
