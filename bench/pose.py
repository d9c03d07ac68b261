# SPDX-License-Identifier: Apache-2.0
"""Speed of DenseFusion beside its published procedure: ``python -m bench.pose``.

Both have the same weights, take the crops and points of a frame and give its poses after the
refiner. The published procedure handles one object at a time, computes the colour embedding of all
pixels and the predictions for all classes, and keeps those it needs. Weights and inputs are random;
13 classes and 500 points as for LineMOD.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from bench.timing import (
    milliseconds,
    network_parser,
    print_times,
    relative_difference,
    write_figures,
)
from pose6d_node.densefusion.crops import NetworkInputs
from pose6d_node.densefusion.inference import estimate
from pose6d_node.densefusion.object_table import MODEL_POINTS
from pose6d_node.densefusion.pose_model import PoseModel
from pose6d_node.densefusion.pose_model_spec import PoseModelSpec
from pose6d_node.densefusion.pose_net import PoseNet
from pose6d_node.densefusion.psp_net import PSPNet
from pose6d_node.densefusion.refine_net import PoseRefineNet
from pose6d_node.densefusion.rotations import quaternion_to_matrix

CLASSES, POINTS, CROP = 13, 500, 120

# Metres from the camera.
DISTANCE = 0.8


def random_model() -> PoseModel:
    """Untrained model of the published architecture."""
    config = PoseModelSpec(
        class_names=[f"object {number}" for number in range(CLASSES)],
        diameters=[0.2] * CLASSES,
        sizes=[[0.1] * 3] * CLASSES,
        symmetries=[[torch.eye(4).tolist()]] * CLASSES,
        architecture="densefusion",
        crop_size=CROP,
        crop_margin=1.25,
        num_points=POINTS,
    )

    model = PoseModel(config, torch.zeros(CLASSES, MODEL_POINTS, 3))
    model.initialize()
    return model.eval()


def random_frame(objects: int) -> NetworkInputs:
    """Crops of ``objects`` objects in the camera frame, as the published networks take them."""
    chosen = torch.stack([torch.randperm(CROP * CROP)[:POINTS] for _ in range(objects)])
    cloud = 0.05 * torch.randn(objects, POINTS, 3) + torch.tensor([0.0, 0.0, DISTANCE])
    image = torch.randn(objects, 3, CROP, CROP)

    # Pixel centres from -1 to 1.
    pixels = (2 * torch.stack([chosen % CROP, chosen // CROP], dim=2) + 1) / CROP - 1
    class_index = torch.randint(CLASSES, (objects,))
    return NetworkInputs(
        image,
        cloud,
        pixels,
        class_index,
        torch.eye(3).expand(objects, 3, 3),
        torch.zeros(objects, 3),
        torch.ones(objects),
    )


def published_color(network: PSPNet, image: Tensor) -> Tensor:
    """(1, 32, H, W) embedding of all pixels of (1, 3, H, W).

    Each layer is computed at the resolution at which the network defines it.
    """
    x = network.feats(image)

    context = [
        F.interpolate(stage(x), size=x.shape[2:], mode="bilinear", align_corners=False)
        for stage in network.psp.stages
    ]
    x = F.relu(network.psp.bottleneck(torch.cat([*context, x], dim=1)))
    return network.final(network.up_3.conv(network.up_2.conv(network.up_1.conv(x))))


def published_features(
    network: PoseNet | PoseRefineNet, cloud: Tensor, embedding: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Local features of both levels and the global feature (1, 1024).

    ``cloud`` (1, N, 3) are the points, ``embedding`` (1, 32, N) their color embeddings.
    """
    layers = network.feat
    points = F.relu(layers.conv1(cloud.transpose(1, 2)))
    colors = F.relu(layers.e_conv1(embedding))
    first = torch.cat([points, colors], dim=1)
    second = torch.cat([F.relu(layers.conv2(points)), F.relu(layers.e_conv2(colors))], dim=1)

    # The refiner pools both levels, the estimator the second one.
    local = torch.cat([first, second], dim=1) if isinstance(network, PoseRefineNet) else second
    return first, second, F.relu(layers.conv6(F.relu(layers.conv5(local)))).mean(dim=2)


def published_head(
    network: PoseNet | PoseRefineNet, name: str, features: Tensor, class_index: int
) -> Tensor:
    """Output of the head ``name`` for one class: (size, N) or (size,).

    The head computes all classes.
    """
    *hidden, last = [
        layer
        for key, layer in sorted(network.named_children())
        if key.startswith("conv") and key.endswith(f"_{name}")
    ]
    for layer in hidden:
        features = F.relu(layer(features))

    sizes = {"r": 4, "t": 3, "c": 1}
    return last(features).view(-1, sizes[name], *features.shape[2:])[class_index]


def published_estimate(
    estimator: PoseNet, refiner: PoseRefineNet, frame: NetworkInputs, refine_iterations: int
) -> tuple[Tensor, Tensor]:
    """Rotations (B, 3, 3) and translations (B, 3), metres, of the B objects of a frame.

    Objects are handled one after another.
    """
    color_net = estimator.cnn
    assert isinstance(color_net, PSPNet)  # of the published architecture

    rotations, translations = [], []
    for k, class_index in enumerate(frame.class_index.tolist()):
        image, cloud, pixels = (
            values[k : k + 1] for values in (frame.image, frame.cloud, frame.pixels)
        )

        # Color embedding of the whole crop, then of the pixels of the points.
        column, row = ((pixels[0] + 1) * CROP / 2).long().unbind(1)
        embedding = published_color(color_net, image).flatten(2)[:, :, row * CROP + column]

        # Dense fusion: local features of both levels with the global one at each point.
        first, second, pooled = published_features(estimator, cloud, embedding)
        fused = torch.cat([first, second, pooled.unsqueeze(2).expand(-1, -1, POINTS)], dim=1)
        quaternions, offsets, confidence = (
            published_head(estimator, name, fused, class_index) for name in "rtc"
        )

        # Each point predicts a pose; the most confident one is taken.
        best = confidence.sigmoid().argmax()
        rotation = quaternion_to_matrix(quaternions[:, best])
        translation = cloud[0, best] + offsets[:, best]

        # The refiner corrects the pose in the frame of the current estimate.
        for _ in range(refine_iterations):
            *_, pooled = published_features(refiner, (cloud - translation) @ rotation, embedding)
            quaternion, offset = (
                published_head(refiner, name, pooled, class_index) for name in "rt"
            )
            translation = translation + rotation @ offset
            rotation = rotation @ quaternion_to_matrix(quaternion)

        rotations.append(rotation)
        translations.append(translation)
    return torch.stack(rotations), torch.stack(translations)


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Options of the command line."""
    description = "Time DenseFusion beside its published procedure."
    parser = network_parser("pose", description, repetitions=10)
    parser.add_argument(
        "--objects", type=int, default=5, help="objects in the frame (default: %(default)s)"
    )
    parser.add_argument(
        "--refine-iterations", type=int, default=2, help="of the refiner (default: %(default)s)"
    )
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Time both, compare their poses, print a table and write JSON."""
    options = parse_arguments(arguments)
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    model, plain = random_model(), random_model()
    plain.load_state_dict(model.state_dict())
    plain.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]  # not in the stub
    estimator, refiner = plain.estimator, plain.refiner
    assert isinstance(estimator, PoseNet)  # of the published architecture
    assert isinstance(refiner, PoseRefineNet)
    frame = random_frame(options.objects)

    with torch.inference_mode():
        calls = {
            "published, one by one": lambda: published_estimate(
                estimator, refiner, frame, options.refine_iterations
            ),
            "this package": lambda: estimate(model, frame, options.refine_iterations)[:2],
        }
        times = milliseconds(calls, options.repetitions)
        expected, actual = (call() for call in calls.values())

    differences = {
        name: relative_difference(values, reference)
        for name, values, reference in zip(
            ("rotations", "translations"), actual, expected, strict=True
        )
    }
    print_times(times, f"frame of {options.objects} objects")
    print(
        ", ".join(
            f"{name} differ by {value:.1e} of their norm" for name, value in differences.items()
        )
    )
    figures = {"objects": options.objects, "median_ms": times, "relative_differences": differences}
    write_figures(options.json, figures)
    return 0


if __name__ == "__main__":
    sys.exit(main())
