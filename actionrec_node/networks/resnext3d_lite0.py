# SPDX-License-Identifier: Apache-2.0
"""3D-ResNeXt beside a 2D network that knows photographs.

Two paths as in SlowFast (Feichtenhofer, Fan, Malik, He, "SlowFast Networks for Video Recognition",
ICCV 2019). The fast one, the compact 3D-ResNeXt, sees all frames and how a person moves in them.
The slow one, an EfficientNet-Lite0 that was trained on ImageNet, sees few frames and what they
show, which cannot be learned from renders or from a handful of people.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from actionrec_node.networks.resnext3d import ResNeXt3d
from actionrec_node.networks.resnext3d_config import CONFIGS
from actionrec_node.networks.stages import Stages
from perception_kit.networks.efficientnet_lite import (
    STAGE_CHANNELS,
    efficientnet_lite0,
    imagenet_state,
)

TIME_STRIDE = 4
"""The slow path sees every fourth frame, those that ``layer2`` of the fast path is centered on."""


class ResNeXt3dLite0(ResNeXt3d):
    """Clips (N, 3, T, H, W) float32, normalized, to class logits (N, num_classes).

    The slow path's features at a stride of 16 are projected to the channels of the fast path's
    ``layer2`` and added there. The projection starts at zero: at first, the network is
    ``resnext3d_compact``, whose weights it takes.
    """

    STAGES: ClassVar[Stages] = {
        "slow": ("slow.",),
        "conv1": ("conv1.", "bn1."),
        "layer1": ("layer1.",),
        "layer2": ("layer2.",),
        "layer3": ("lateral.", "layer3."),
        "layer4": ("layer4.",),
        "fc": ("fc.",),
    }
    ADDED: ClassVar[tuple[str, ...]] = ("slow.", "lateral.")
    """Prefixes of the tensors that ``resnext3d_compact`` lacks."""

    def __init__(self, num_classes: int) -> None:
        config = CONFIGS["resnext3d_compact"]
        super().__init__(config, num_classes)

        image_network = efficientnet_lite0()
        self.slow = nn.Sequential(*[image_network[number] for number in range(3)])
        channels = config.widths[1] * config.expansion
        norm = nn.BatchNorm3d(channels)
        nn.init.zeros_(norm.weight)
        self.lateral = nn.Sequential(nn.Conv3d(STAGE_CHANNELS[2], channels, 1, bias=False), norm)

    def load_imagenet(self, mean: Sequence[float], std: Sequence[float]) -> None:
        """Start the slow path from the published weights, for this normalization of the clips.

        Raises ModuleNotFoundError where the package with the weights is not installed.
        """
        state = imagenet_state(torch.tensor(mean), torch.tensor(std))
        stages = {f"layer{number + 1}": str(number) for number in range(len(self.slow))}
        self.slow.load_state_dict(
            {
                name.replace(stage, stages[stage], 1): tensor
                for name, tensor in state.items()
                if (stage := name.split(".")[0]) in stages
            }
        )

    def forward(self, rgb: Tensor) -> Tensor:
        fast = self.layer2(self.layer1(self.stem(rgb)))

        # Each frame by itself: time becomes part of the batch.
        frames = rgb[:, :, ::TIME_STRIDE].transpose(1, 2)
        features = self.slow(frames.flatten(0, 1)).unflatten(0, frames.shape[:2]).transpose(1, 2)

        return self.classify(self.relu(fast + self.lateral(features)))
