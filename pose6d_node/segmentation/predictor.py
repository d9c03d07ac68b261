# SPDX-License-Identifier: Apache-2.0
"""Runs a segmentation model file on images."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch

from perception_kit.image_checks import check_color, check_depth
from perception_kit.networks.shared_models import load_once
from perception_kit.resources import resolve_path
from perception_kit.types import Instance, Intrinsics
from pose6d_node.config import Pose6dConfig
from pose6d_node.segmentation.detector import Detector, load_network
from pose6d_node.segmentation.input_size import fitted_size

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
        Pose6dConfig(  # raises for values out of range
            device=device,
            runtime=runtime,
            score_threshold=score_threshold,
            max_detections=max_detections,
        )
        # Segmenters of one process share the network.
        path = resolve_path(model_path)
        self._loaded = load_once(
            load_network, [path], device, runtime, threads=torch.get_num_threads()
        )
        self._detector = Detector(self._loaded, score_threshold, max_detections)
        self.network, spec = self._loaded.network, self._loaded.spec
        self.runtime, self.device = self._loaded.runtime, self._detector.device
        self.class_names, self.input_size = spec.class_names, spec.input_size
        self.uses_depth = spec.depth
        self.descriptor_size: int = self.network.descriptor.size

    def configure(self, config: Pose6dConfig) -> None:
        """Use other parameters from the next image on: those that may change while running."""
        self._detector.heads.score_thresh = config.score_threshold

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
        boxes, labels, scores, masks, descriptors = (
            tensor.cpu().numpy() for tensor in self._detector(rgb, depth, intrinsics, size)
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
