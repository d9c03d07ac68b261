# SPDX-License-Identifier: Apache-2.0
"""Losses agree with the metrics they stand for, and the confidence term has its optimum where the paper says."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from perception_kit.metrics.pose import add, adds
from pose6d_node.densefusion.coordinate_head import coordinate_loss
from pose6d_node.densefusion.inference import best_hypothesis, refine_once
from pose6d_node.densefusion.losses import pose_distance, voting_loss


def random_pose(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    return Rotation.random(random_state=int(rng.integers(2**31))).as_matrix(), rng.normal(size=3)


def test_distances_are_add_and_adds_per_instance() -> None:
    rng = np.random.default_rng(0)
    points = rng.normal(size=(2, 30, 3))
    truth = [random_pose(rng) for _ in range(2)]
    guesses = [[random_pose(rng) for _ in range(4)] for _ in range(2)]
    distance = pose_distance(
        torch.tensor(np.array([[rotation for rotation, _ in row] for row in guesses])),
        torch.tensor(np.array([[translation for _, translation in row] for row in guesses])),
        torch.tensor(np.array([rotation for rotation, _ in truth])),
        torch.tensor(np.array([translation for _, translation in truth])),
        torch.tensor(points),
        torch.tensor([False, True]),
    )
    for k, metric in enumerate((add, adds)):
        expected = [metric(points[k], *guess, *truth[k]) for guess in guesses[k]]
        np.testing.assert_allclose(distance[k].numpy(), expected, rtol=1e-5)


@pytest.mark.parametrize(("distance", "expected"), [(0.1, 0.2), (0.04, 0.5), (0.01, 1.0)])
def test_best_confidence_is_weight_over_distance(distance: float, expected: float) -> None:
    confidences = torch.linspace(0.01, 1, 1000, dtype=torch.float64)
    losses = [float(voting_loss(torch.tensor(distance), value, 0.02)) for value in confidences]
    assert float(confidences[int(np.argmin(losses))]) == pytest.approx(expected, abs=0.002)


def test_the_most_confident_point_votes() -> None:
    quaternions = torch.tensor([[[1.0, 0, 0, 0], [0, 0, 0, 2]], [[0, 1, 0, 0], [1, 0, 0, 0]]])
    offsets, cloud = torch.ones(2, 2, 3), torch.arange(18.0).view(2, 3, 3)
    rotation, translation, confidence = best_hypothesis(quaternions, offsets, torch.tensor([[0.1, 0.7], [0.9, 0.2]]), cloud)
    torch.testing.assert_close(rotation[0], torch.diag(torch.tensor([-1.0, -1.0, 1.0])))
    torch.testing.assert_close(translation, torch.stack([cloud[0, 1], cloud[1, 0]]) + 1)
    assert confidence.tolist() == pytest.approx([0.7, 0.9])


def test_a_perfect_residual_corrects_the_pose() -> None:
    """A refiner that knows the answer gets the cloud in the estimate's frame and returns the residual there."""
    rng = np.random.default_rng(1)
    true, guess = (tuple(torch.tensor(part)[None] for part in random_pose(rng)) for _ in range(2))
    model = torch.tensor(rng.normal(size=(1, 20, 3)))
    cloud = model @ true[0].mT + true[1].unsqueeze(1)
    residual = guess[0].mT @ true[0]

    def refiner(moved: torch.Tensor, embedding: torch.Tensor, class_index: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        torch.testing.assert_close(moved, (cloud - guess[1].unsqueeze(1)) @ guess[0])
        xyzw = Rotation.from_matrix(residual[0].numpy()).as_quat()
        return torch.tensor(np.roll(xyzw, 1))[None], ((true[1] - guess[1]).unsqueeze(1) @ guess[0]).squeeze(1)

    rotation, translation = refine_once(refiner, cloud, torch.zeros(1), torch.zeros(1), *guess)
    torch.testing.assert_close(rotation, true[0])
    torch.testing.assert_close(translation, true[1])


def half_turn() -> torch.Tensor:
    """(2, 4, 4) the identity and a half turn about z through (0.1, 0, 0) metres."""
    turn = torch.diag(torch.tensor([-1.0, -1.0, 1.0, 1.0]))
    turn[0, 3] = 0.2
    return torch.stack([torch.eye(4), turn])


@pytest.mark.parametrize(("symmetry", "expected"), [(0, 0.0), (1, 0.0), (None, 1.0)], ids=["as annotated", "turned", "neither"])
def test_object_coordinates_are_right_under_any_symmetry(symmetry: int | None, expected: float) -> None:
    rng = np.random.default_rng(2)
    rotation, translation = (torch.tensor(part)[None].float() for part in random_pose(rng))
    scale = torch.tensor([0.5])
    coordinates = torch.tensor(rng.normal(size=(1, 20, 3))).float()
    points = coordinates @ rotation.mT + translation.unsqueeze(1)
    transform = half_turn()[symmetry or 0]
    predicted = coordinates @ transform[:3, :3].T + transform[:3, 3] / scale
    if symmetry is None:
        predicted = predicted + torch.tensor([0.0, 0.0, 1.0])
    loss = coordinate_loss(predicted, points, rotation, translation, half_turn()[None], scale)
    assert float(loss) == pytest.approx(expected, abs=1e-5)
