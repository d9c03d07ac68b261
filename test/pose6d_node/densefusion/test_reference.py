# SPDX-License-Identifier: Apache-2.0
"""The networks reproduce the outputs of the reference implementation."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from pose6d_node.densefusion.pose_net import PoseNet
from pose6d_node.densefusion.psp_net import PSPNet
from pose6d_node.densefusion.refine_net import PoseRefineNet

COLOR_PREFIX = "cnn.model.module."


def relative_error(actual: torch.Tensor, expected: np.ndarray) -> float:
    """Norm of the difference over the norm of the expected values."""
    return float(np.linalg.norm(actual.numpy() - expected) / np.linalg.norm(expected))


def flat_indices_to_pixels(choose: np.ndarray, height: int, width: int) -> torch.Tensor:
    """(B, N) flat pixel indices to (B, N, 2) positions of pixel centres in -1..1."""
    x, y = choose % width, choose // width
    pixels = np.stack([(2 * x + 1) / width - 1, (2 * y + 1) / height - 1], axis=-1)
    return torch.from_numpy(pixels).float()


@pytest.fixture(scope="module")
def reference(reference_dir: Path) -> dict[str, np.ndarray]:
    return dict(np.load(reference_dir / "densefusion_seed1.npz"))


@pytest.fixture(scope="module")
def networks(
    reference_dir: Path, reference: dict[str, np.ndarray]
) -> tuple[PoseNet, PoseRefineNet]:
    spec = importlib.util.spec_from_file_location("det_weights", reference_dir / "det_weights.py")
    det_weights = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(det_weights)

    num_objects = int(reference["num_objects"])
    estimator, refiner = PoseNet(PSPNet(), num_objects).eval(), PoseRefineNet(num_objects).eval()
    names = {key: key.replace("cnn.", COLOR_PREFIX, 1) for key in estimator.state_dict()}
    estimator.load_state_dict(det_weights.fill(estimator.state_dict(), 1, names))
    refiner.load_state_dict(det_weights.fill(refiner.state_dict(), 1))
    return estimator, refiner


@pytest.fixture(scope="module")
def inputs(reference: dict[str, np.ndarray]) -> tuple[torch.Tensor, ...]:
    pixels = flat_indices_to_pixels(reference["choose"][:, 0], *reference["image"].shape[2:])
    return (
        torch.from_numpy(reference["image"]),
        torch.from_numpy(reference["cloud"]),
        pixels,
        torch.from_numpy(reference["obj"]).reshape(1),
    )


def test_tensor_names_and_shapes_are_those_of_the_published_checkpoints(
    networks, reference_dir: Path
) -> None:
    published = json.loads((reference_dir / "densefusion_keys.json").read_text())
    for network, name in zip(networks, ("PoseNet", "PoseRefineNet"), strict=True):
        own = {
            key.replace("cnn.", COLOR_PREFIX, 1): list(value.shape)
            for key, value in network.state_dict().items()
        }
        # The classifier is published, but never evaluated.
        used = {key: shape for key, shape in published[name].items() if ".classifier." not in key}
        assert own == used


@torch.no_grad()
def test_pose_net_reproduces_reference(networks, inputs, reference: dict[str, np.ndarray]) -> None:
    votes = networks[0](*inputs)
    assert relative_error(votes.features, reference["emb"]) < 1e-4
    assert relative_error(votes.quaternions, reference["pose_r"]) < 1e-4
    assert relative_error(votes.offsets, reference["pose_t"]) < 1e-4
    assert relative_error(votes.confidence.unsqueeze(2), reference["pose_c"]) < 1e-4


@torch.no_grad()
def test_refiner_reproduces_reference(networks, inputs, reference: dict[str, np.ndarray]) -> None:
    cloud = torch.from_numpy(reference["refine_cloud"])
    embedding = torch.from_numpy(reference["emb"])
    rotation, translation = networks[1](cloud, embedding, inputs[3])
    assert relative_error(rotation, reference["refine_r"]) < 1e-4
    assert relative_error(translation, reference["refine_t"]) < 1e-4


@torch.no_grad()
def test_a_batch_of_classes_equals_one_by_one(networks, inputs) -> None:
    estimator, refiner = networks
    image, cloud, pixels, _ = inputs
    batch = (
        torch.cat([image, image.flip(3), image.flip(2)]),
        cloud * torch.tensor([1.0, 0.5, 2.0]).view(3, 1, 1),
        pixels.expand(3, -1, -1),
    )
    classes = torch.tensor([5, 0, 12])
    together = estimator(*batch, classes)
    refined = refiner(batch[1], together.features, classes)

    in_batch = *vars(together).values(), *refined
    for k in range(3):
        alone = estimator(*(value[k : k + 1] for value in batch), classes[k : k + 1])
        refined_alone = refiner(batch[1][k : k + 1], alone.features, classes[k : k + 1])
        by_itself = *vars(alone).values(), *refined_alone
        for actual, expected in zip(in_batch, by_itself, strict=True):
            assert relative_error(actual[k], expected[0].numpy()) < 1e-5
