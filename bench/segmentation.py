# SPDX-License-Identifier: Apache-2.0
"""Mask R-CNN on one 640x480 image beside torchvision's: ``python -m bench.segmentation``.

Every network has random weights and gives the wanted number of detections, so that each does all of
its work. torchvision's are its stock ResNet-50 (which scales the image up to 800x1067) and
MobileNetV3 with the same heads at the image's own size with 1,000 proposals.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torchvision.models.detection import MaskRCNN, maskrcnn_resnet50_fpn
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.backbone_utils import mobilenet_backbone
from torchvision.ops import MultiScaleRoIAlign

from bench.timing import (
    milliseconds,
    network_parser,
    print_times,
    relative_difference,
    write_figures,
)
from perception_kit.resources import RUNTIMES
from pose6d_node.segmentation.network import (
    IMAGE_MEAN,
    IMAGE_STD,
    NativeSize,
    build_network,
    save_segmentation,
)
from pose6d_node.segmentation.predictor import Segmenter
from pose6d_node.segmentation.roi_align import GatherRoIAlign

WIDTH, HEIGHT = 640, 480
CLASSES = 5
REGIONS = 100


def stock_resnet50(detections: int) -> MaskRCNN:
    """torchvision's Mask R-CNN with its default resize."""
    settings = {"box_detections_per_img": detections, "box_score_thresh": 0.0}
    return maskrcnn_resnet50_fpn(
        weights=None, weights_backbone=None, num_classes=CLASSES + 1, **settings
    ).eval()


def stock_mobilenet(detections: int) -> MaskRCNN:
    """torchvision's Mask R-CNN on MobileNetV3 at the size of the image."""
    backbone = mobilenet_backbone(backbone_name="mobilenet_v3_large", weights=None, fpn=True)
    anchors = AnchorGenerator(((32, 64, 128, 256, 512),) * 3, ((0.5, 1.0, 2.0),) * 3)
    settings = {
        "box_detections_per_img": detections,
        "box_score_thresh": 0.0,
        "rpn_post_nms_top_n_test": 1000,
    }
    network = MaskRCNN(backbone, CLASSES + 1, rpn_anchor_generator=anchors, **settings)
    network.transform = NativeSize(IMAGE_MEAN, IMAGE_STD)
    return network.eval()


def segmenters(architecture: str, detections: int) -> dict[str, Segmenter]:
    """A new network of this package at the size of the image, by runtime."""
    network = build_network(architecture, CLASSES)
    nn.init.constant_(network.roi_heads.mask_predictor.mask_fcn_logits.bias, 20.0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "segmentation.safetensors"
        save_segmentation(
            path,
            network,
            architecture,
            [f"object {number}" for number in range(CLASSES)],
            [WIDTH, HEIGHT],
        )
        return {
            name: Segmenter(path, score_threshold=0.0, max_detections=detections, runtime=name)
            for name in RUNTIMES
        }


def roi_align_times(repetitions: int) -> tuple[dict[str, float], float]:
    """Time of pooling ``REGIONS`` regions of a 256-channel pyramid, by torchvision and here, and
    their relative difference.
    """
    levels = {str(k): torch.rand(1, 256, HEIGHT >> (k + 2), WIDTH >> (k + 2)) for k in range(4)}
    corner = torch.rand(REGIONS, 2) * torch.tensor([WIDTH / 2, HEIGHT / 2])
    boxes = [
        torch.cat(
            [corner, corner + 10 + torch.rand(REGIONS, 2) * torch.tensor([WIDTH / 2, HEIGHT / 2])],
            dim=1,
        )
    ]
    pools = {
        name: pool(list(levels), output_size=7, sampling_ratio=2) for name, pool in POOLS.items()
    }
    calls = {
        name: lambda pool=pool: pool(levels, boxes, [(HEIGHT, WIDTH)])
        for name, pool in pools.items()
    }
    times = milliseconds(calls, repetitions)
    expected, actual = (call() for call in calls.values())
    return times, relative_difference(actual, expected)


POOLS = {"torchvision's RoIAlign": MultiScaleRoIAlign, "GatherRoIAlign": GatherRoIAlign}


@torch.inference_mode()
def main(arguments: Sequence[str] | None = None) -> None:
    """Time everything in turns, print tables and write JSON."""
    parser = network_parser("segmentation", __doc__.splitlines()[0], repetitions=5)
    parser.add_argument(
        "--detections", type=int, default=10, help="in the image (default: %(default)s)"
    )
    parser.add_argument(
        "--architectures",
        nargs="+",
        default=["compact", "efficientnet_lite0"],
        help="of this package (default: %(default)s)",
    )
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    rgb = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    image = torch.from_numpy(rgb).permute(2, 0, 1).float() / 255
    stock = {
        "torchvision ResNet-50": stock_resnet50(options.detections),
        "torchvision MobileNetV3": stock_mobilenet(options.detections),
    }
    calls = {
        name: lambda network=network: network([image])[0]["scores"]
        for name, network in stock.items()
    }
    for architecture in options.architectures:
        own = segmenters(architecture, options.detections)
        calls |= {
            f"{architecture}, {name}": lambda segmenter=segmenter: segmenter(rgb)
            for name, segmenter in own.items()
        }
    detections = {name: len(call()) for name, call in calls.items()}
    times = milliseconds(calls, options.repetitions)
    pool_times, difference = roi_align_times(options.repetitions)
    print_times(times, f"image, detections {sorted(set(detections.values()))}")
    print_times(pool_times, f"{REGIONS} regions")
    print(f"the two RoIAligns differ by {difference:.1e} of the norm")
    write_figures(
        options.json,
        {
            "median_ms": times,
            "detections": detections,
            "roi_align_ms": pool_times,
            "roi_align_difference": difference,
        },
    )


if __name__ == "__main__":
    main()
