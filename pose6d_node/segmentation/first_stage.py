# SPDX-License-Identifier: Apache-2.0
"""The first stage of Mask R-CNN for one image: feature pyramid and region proposals.

It computes what torchvision's ``RegionProposalNetwork`` computes, without its detours: anchors are
made once for each size of images, and only the boxes of the best anchors are decoded.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torchvision.models.detection import MaskRCNN
from torchvision.models.detection.image_list import ImageList
from torchvision.ops import batched_nms, clip_boxes_to_image, remove_small_boxes


@dataclass
class FirstStageOutputs:
    """``levels`` of the pyramid by name, (1, C, H, W) each; of those with anchors, ``objectness``
    (1, A, H, W) and ``deltas`` (1, 4 A, H, W) of the boxes.
    """

    levels: dict[str, Tensor]
    objectness: list[Tensor]
    deltas: list[Tensor]


class FirstStage:
    """Backbone and region proposal head of a network, run by PyTorch."""

    def __init__(self, network: MaskRCNN) -> None:
        self._backbone, self._head = network.backbone, network.rpn.head

    def __call__(self, image: Tensor) -> FirstStageOutputs:
        """Of a normalized (1, C, H, W) image whose sides are multiples of the largest stride."""
        levels = self._backbone(image)
        objectness, deltas = self._head([*levels.values()])
        return FirstStageOutputs(levels, objectness, deltas)


class Proposals:
    """Chooses the regions that reach the heads."""

    def __init__(self, network: MaskRCNN) -> None:
        self._rpn = network.rpn
        self._anchors = torch.zeros(0, 4)
        self._shapes: list[torch.Size] = []

    def __call__(self, image: Tensor, size: tuple[int, int], outputs: FirstStageOutputs) -> Tensor:
        """(N, 4) boxes in the ``size`` (height, width) of ``image`` without padding, best first."""
        rpn = self._rpn
        anchors = self._anchors_of(image, size, outputs)

        # The best anchors of each level.
        chosen: list[Tensor] = []
        deltas: list[Tensor] = []
        scores: list[Tensor] = []
        levels: list[Tensor] = []
        first = 0
        for number, (objectness, level_deltas) in enumerate(
            zip(outputs.objectness, outputs.deltas, strict=True)
        ):
            score = objectness[0].permute(1, 2, 0).flatten()
            score, index = score.topk(min(rpn.pre_nms_top_n(), len(score)))
            offsets = level_deltas[0].unflatten(0, (-1, 4)).permute(2, 3, 0, 1).reshape(-1, 4)
            chosen.append(anchors[first + index])
            deltas.append(offsets[index])
            scores.append(score)
            levels.append(torch.full_like(index, number))
            first += objectness.numel()

        # Their boxes, without those that are tiny or say what a better one says.
        probability, level = torch.cat(scores).sigmoid(), torch.cat(levels)
        boxes = rpn.box_coder.decode_single(torch.cat(deltas), torch.cat(chosen))
        boxes = clip_boxes_to_image(boxes, size)
        kept = remove_small_boxes(boxes, rpn.min_size)
        kept = kept[probability[kept] >= rpn.score_thresh]
        best = batched_nms(boxes[kept], probability[kept], level[kept], rpn.nms_thresh)
        return boxes[kept[best[: rpn.post_nms_top_n()]]]

    def _anchors_of(
        self, image: Tensor, size: tuple[int, int], outputs: FirstStageOutputs
    ) -> Tensor:
        """(K, 4) anchors of all levels for images of this shape."""
        levels = [*outputs.levels.values()]
        shapes = [image.shape, *(level.shape for level in levels)]
        if shapes != self._shapes:
            images = ImageList(image, [size])
            self._anchors = self._rpn.anchor_generator(images, levels)[0]
            self._shapes = shapes
        return self._anchors
