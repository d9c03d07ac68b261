# SPDX-License-Identifier: Apache-2.0
"""DenseFusion beside its published procedure, one object at a time, with the same weights: ``python
-m bench.pose``.

Both take the crops and points of a frame and give its poses after the refiner. The published
procedure computes the colour embedding of all pixels and the votes for all classes, and keeps those
it needs. Weights and inputs are random; 13 classes and 500 points as for LineMOD.
"""

from __future__ import annotations

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
from pose6d_node.densefusion.pose_model import MODEL_POINTS, PoseModel, PoseModelConfig
from pose6d_node.densefusion.pose_net import PoseNet
from pose6d_node.densefusion.psp_net import PSPNet
from pose6d_node.densefusion.refine_net import PoseRefineNet
from pose6d_node.densefusion.rotations import quaternion_to_matrix

CLASSES, POINTS, CROP = 13, 500, 120
DISTANCE = 0.8  # metres


def random_model() -> PoseModel:
    """Untrained model of the published architecture."""
    identity = torch.eye(4).tolist()
    names = [f"object {number}" for number in range(CLASSES)]
    config = PoseModelConfig(
        names,
        [0.2] * CLASSES,
        [[0.1] * 3] * CLASSES,
        [[identity]] * CLASSES,
        "densefusion",
        CROP,
        1.25,
        POINTS,
    )
    model = PoseModel(config, torch.zeros(CLASSES, MODEL_POINTS, 3))
    model.initialize()
    return model.eval()


def random_frame(objects: int) -> NetworkInputs:
    """Crops of ``objects`` objects in the camera frame, as the published networks take them."""
    chosen = torch.stack([torch.randperm(CROP * CROP)[:POINTS] for _ in range(objects)])
    pixels = (2 * torch.stack([chosen % CROP, chosen // CROP], dim=2) + 1) / CROP - 1
    cloud = 0.05 * torch.randn(objects, POINTS, 3) + torch.tensor([0.0, 0.0, DISTANCE])
    image = torch.randn(objects, 3, CROP, CROP)
    view = torch.eye(3).expand(objects, 3, 3)
    return NetworkInputs(
        image,
        cloud,
        pixels,
        torch.randint(CLASSES, (objects,)),
        view,
        torch.zeros(objects, 3),
        torch.ones(objects),
    )


def published_color(network: PSPNet, image: Tensor) -> Tensor:
    """(1, 32, H, W) embedding of all pixels of (1, 3, H, W), each layer at the resolution at which
    it is written down.
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
    """Local features of both levels and the global feature (1, 1024) of (1, N, 3) points and their
    (1, 32, N) embeddings.
    """
    layers = network.feat
    points, colors = F.relu(layers.conv1(cloud.transpose(1, 2))), F.relu(layers.e_conv1(embedding))
    first = torch.cat([points, colors], dim=1)
    second = torch.cat([F.relu(layers.conv2(points)), F.relu(layers.e_conv2(colors))], dim=1)
    seen = torch.cat([first, second], dim=1) if isinstance(network, PoseRefineNet) else second
    return first, second, F.relu(layers.conv6(F.relu(layers.conv5(seen)))).mean(dim=2)


def published_head(
    network: PoseNet | PoseRefineNet, name: str, features: Tensor, class_index: int
) -> Tensor:
    """Output of the head ``name`` for all classes, of which that of one is taken: (size, N) or
    (size,).
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
    """Rotations (B, 3, 3) and translations (B, 3), metres, of the B objects of a frame, one after
    another.
    """
    rotations, translations = [], []
    for k, class_index in enumerate(frame.class_index.tolist()):
        image, cloud, pixels = (
            values[k : k + 1] for values in (frame.image, frame.cloud, frame.pixels)
        )
        column, row = ((pixels[0] + 1) * CROP / 2).long().unbind(1)
        embedding = published_color(estimator.cnn, image).flatten(2)[:, :, row * CROP + column]
        first, second, pooled = published_features(estimator, cloud, embedding)
        fused = torch.cat([first, second, pooled.unsqueeze(2).expand(-1, -1, POINTS)], dim=1)
        quaternions, offsets, confidence = (
            published_head(estimator, name, fused, class_index) for name in "rtc"
        )
        best = confidence.sigmoid().argmax()
        rotation, translation = (
            quaternion_to_matrix(quaternions[:, best]),
            cloud[0, best] + offsets[:, best],
        )
        for _ in range(refine_iterations):
            *_, pooled = published_features(refiner, (cloud - translation) @ rotation, embedding)
            quaternion, offset = (
                published_head(refiner, name, pooled, class_index) for name in "rt"
            )
            rotation, translation = (
                rotation @ quaternion_to_matrix(quaternion),
                translation + rotation @ offset,
            )
        rotations.append(rotation)
        translations.append(translation)
    return torch.stack(rotations), torch.stack(translations)


def main(arguments: Sequence[str] | None = None) -> None:
    """Time both, compare their poses, print a table and write JSON."""
    parser = network_parser("pose", __doc__.splitlines()[0], repetitions=10)
    parser.add_argument(
        "--objects", type=int, default=5, help="objects in the frame (default: %(default)s)"
    )
    parser.add_argument(
        "--refine-iterations", type=int, default=2, help="of the refiner (default: %(default)s)"
    )
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    model, plain = random_model(), random_model()
    plain.load_state_dict(model.state_dict())
    plain.to(memory_format=torch.contiguous_format)
    frame = random_frame(options.objects)
    with torch.inference_mode():
        calls = {
            "published, one by one": lambda: published_estimate(
                plain.estimator, plain.refiner, frame, options.refine_iterations
            ),
            "this package": lambda: estimate(model, frame, options.refine_iterations)[:2],
        }
        times = milliseconds(calls, options.repetitions)
        expected, actual = (call() for call in calls.values())
    differences = {
        name: relative_difference(*pair)
        for name, *pair in zip(("rotations", "translations"), actual, expected, strict=True)
    }
    print_times(times, f"frame of {options.objects} objects")
    print(
        ", ".join(
            f"{name} differ by {value:.1e} of their norm" for name, value in differences.items()
        )
    )
    write_figures(
        options.json,
        {"objects": options.objects, "median_ms": times, "relative_differences": differences},
    )


if __name__ == "__main__":
    main()
