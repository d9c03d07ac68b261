# SPDX-License-Identifier: Apache-2.0
"""Speed of Mask R-CNN beside torchvision's: ``python -m bench.segmentation``.

The image has 640x480 pixels. Every network has random weights and gives the wanted number of
detections, so that each does all of its work. torchvision's are its stock ResNet-50 (which scales
the image up to 800x1067) and MobileNetV3 with the same heads at the image's own size with 1,000
proposals.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Sequence, Sized
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
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
from pose6d_node.segmentation.network import (
    IMAGE_MEAN,
    IMAGE_STD,
    NativeSize,
    build_network,
)
from pose6d_node.segmentation.predictor import Segmenter
from pose6d_node.segmentation.roi_align import GatherRoIAlign
from pose6d_node.segmentation.segmentation_model import save_segmentation

WIDTH, HEIGHT = 640, 480
CLASSES = 5
REGIONS = 100
POOLS = {"torchvision's RoIAlign": MultiScaleRoIAlign, "GatherRoIAlign": GatherRoIAlign}


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


def stock_scores(network: MaskRCNN, image: Tensor) -> Tensor:
    """Scores of the detections of a torchvision network in a (3, H, W) image."""
    return network([image])[0]["scores"]


def segmenters(architecture: str, detections: int) -> dict[str, Segmenter]:
    """A new network of this package at the size of the image, by runtime."""
    network = build_network(architecture, CLASSES)

    # Full masks, so that no detection is dropped for an empty one.
    nn.init.constant_(network.roi_heads.mask_predictor.mask_fcn_logits.bias, 20.0)

    names = [f"object {number}" for number in range(CLASSES)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "segmentation.safetensors"
        save_segmentation(path, network, architecture, names, [WIDTH, HEIGHT])
        return {
            name: Segmenter(path, "cpu", 0.0, detections, runtime=name)
            for name in ("pytorch", "openvino")
        }


def roi_align_times(repetitions: int) -> tuple[dict[str, float], float]:
    """Times of pooling ``REGIONS`` regions of a 256-channel pyramid, by torchvision and here.

    The second value is the relative difference of the pooled features.
    """
    levels = {str(k): torch.rand(1, 256, HEIGHT >> (k + 2), WIDTH >> (k + 2)) for k in range(4)}
    half_image = torch.tensor([WIDTH / 2, HEIGHT / 2])
    corner = torch.rand(REGIONS, 2) * half_image
    size = 10 + torch.rand(REGIONS, 2) * half_image
    boxes = [torch.cat([corner, corner + size], dim=1)]

    calls = {}
    for name, pool_type in POOLS.items():
        pool = pool_type(list(levels), output_size=7, sampling_ratio=2)
        calls[name] = partial(pool, levels, boxes, [(HEIGHT, WIDTH)])
    times = milliseconds(calls, repetitions)
    expected, actual = (call() for call in calls.values())
    return times, relative_difference(actual, expected)


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Options of the command line."""
    description = "Time Mask R-CNN on one 640x480 image beside torchvision's."
    parser = network_parser("segmentation", description, repetitions=5)
    parser.add_argument(
        "--detections", type=int, default=10, help="in the image (default: %(default)s)"
    )
    parser.add_argument(
        "--architectures",
        nargs="+",
        default=["compact", "efficientnet_lite0"],
        help="of this package (default: %(default)s)",
    )
    return parser.parse_args(arguments)


@torch.inference_mode()
def main(arguments: Sequence[str] | None = None) -> int:
    """Time everything in turns, print tables and write JSON."""
    options = parse_arguments(arguments)
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    rgb = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    image = torch.from_numpy(rgb).permute(2, 0, 1).float() / 255

    # Calls of torchvision's networks and of this package's.
    calls: dict[str, Callable[[], Sized]] = {
        "torchvision ResNet-50": partial(stock_scores, stock_resnet50(options.detections), image),
        "torchvision MobileNetV3": partial(
            stock_scores, stock_mobilenet(options.detections), image
        ),
    }
    for architecture in options.architectures:
        for runtime, segmenter in segmenters(architecture, options.detections).items():
            calls[f"{architecture}, {runtime}"] = partial(segmenter, rgb)

    detections = {name: len(call()) for name, call in calls.items()}
    times = milliseconds(calls, options.repetitions)
    pool_times, difference = roi_align_times(options.repetitions)

    print_times(times, f"image, detections {sorted(set(detections.values()))}")
    print_times(pool_times, f"{REGIONS} regions")
    print(f"the two RoIAligns differ by {difference:.1e} of the norm")
    figures = {
        "median_ms": times,
        "detections": detections,
        "roi_align_ms": pool_times,
        "roi_align_difference": difference,
    }
    write_figures(options.json, figures)
    return 0


if __name__ == "__main__":
    sys.exit(main())
