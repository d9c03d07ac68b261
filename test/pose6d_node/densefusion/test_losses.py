# SPDX-License-Identifier: Apache-2.0
"""Losses agree with the metrics they stand for, and votes become poses as the paper says."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation
from torch import Tensor

from perception_kit.metrics.pose import add, adds
from pose6d_node.densefusion.coordinate_net import CoordinateVotes
from pose6d_node.densefusion.inference import refine_once
from pose6d_node.densefusion.losses import Target, coordinate_distance, pose_distance, voting_loss
from pose6d_node.densefusion.pose_net import PoseVotes
from pose6d_node.densefusion.rotations import fit_rigid


def random_pose(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    return Rotation.random(random_state=int(rng.integers(2**31))).as_matrix(), rng.normal(size=3)


def target_of(
    poses: list[tuple[np.ndarray, np.ndarray]],
    points: np.ndarray,
    symmetric: list[bool],
    symmetries: Tensor,
) -> Target:
    rotations, translations = zip(*poses, strict=True)
    return Target(
        rotation=torch.tensor(np.array(rotations)),
        translation=torch.tensor(np.array(translations)),
        model_points=torch.tensor(points),
        symmetric=torch.tensor(symmetric),
        symmetries=symmetries.expand(len(poses), -1, -1, -1).double(),
    )


def half_turn() -> Tensor:
    """(2, 4, 4) the identity and a half turn about z through (0.1, 0, 0)."""
    turn = torch.diag(torch.tensor([-1.0, -1.0, 1.0, 1.0]))
    turn[0, 3] = 0.2
    return torch.stack([torch.eye(4), turn])


def test_pose_distances_are_add_and_adds_per_instance() -> None:
    rng = np.random.default_rng(0)
    points = rng.normal(size=(2, 30, 3))
    ground_truth = [random_pose(rng) for _ in range(2)]
    guesses = [[random_pose(rng) for _ in range(4)] for _ in range(2)]
    rotations = torch.tensor(np.array([[rotation for rotation, _ in row] for row in guesses]))
    translations = torch.tensor(np.array([[shift for _, shift in row] for row in guesses]))

    target = target_of(ground_truth, points, [False, True], half_turn())
    distance = pose_distance(rotations, translations, target)
    for k, metric in enumerate((add, adds)):
        expected = [metric(points[k], *guess, *ground_truth[k]) for guess in guesses[k]]
        np.testing.assert_allclose(distance[k].numpy(), expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("turned", "shift", "expected"), [(0, 0.0, 0.0), (1, 0.0, 0.0), (0, 1.0, 1.0), (1, 0.5, 0.5)]
)
def test_object_coordinates_are_right_under_any_symmetry(
    turned: int, shift: float, expected: float
) -> None:
    rng = np.random.default_rng(2)
    pose = random_pose(rng)
    coordinates = torch.tensor(rng.normal(size=(1, 20, 3)))
    target = target_of([pose], np.zeros((1, 1, 3)), [True], half_turn())
    cloud = coordinates @ target.rotation.mT + target.translation.unsqueeze(1)

    symmetry = half_turn()[turned].double()
    predicted = coordinates @ symmetry[:3, :3].T + symmetry[:3, 3] + torch.tensor([0.0, 0.0, shift])
    distance = coordinate_distance(predicted, cloud, target)
    np.testing.assert_allclose(distance.numpy(), np.full((1, 20), expected), atol=1e-5)


@pytest.mark.parametrize(("distance", "expected"), [(0.1, 0.2), (0.04, 0.5), (0.01, 1.0)])
def test_best_confidence_is_weight_over_distance(distance: float, expected: float) -> None:
    confidences = torch.linspace(0.01, 1, 1000, dtype=torch.float64)
    losses = [float(voting_loss(torch.tensor(distance), value, 0.02)) for value in confidences]
    assert float(confidences[int(np.argmin(losses))]) == pytest.approx(expected, abs=0.002)


def test_the_most_confident_point_decides() -> None:
    quaternions = torch.tensor([[[1.0, 0, 0, 0], [0, 0, 0, 2]], [[0, 1, 0, 0], [1, 0, 0, 0]]])
    confidences = torch.tensor([[0.1, 0.7], [0.9, 0.2]])
    votes = PoseVotes(quaternions, torch.ones(2, 2, 3), confidences, torch.zeros(2, 1, 2))

    cloud = torch.arange(12.0).view(2, 2, 3)
    rotation, translation, confidence = votes.pose(cloud)
    torch.testing.assert_close(rotation[0], torch.diag(torch.tensor([-1.0, -1.0, 1.0])))
    torch.testing.assert_close(translation, torch.stack([cloud[0, 1], cloud[1, 0]]) + 1)
    assert confidence.tolist() == pytest.approx([0.7, 0.9])


def test_object_coordinates_give_the_pose_in_spite_of_outliers() -> None:
    rng = np.random.default_rng(3)
    poses = [random_pose(rng) for _ in range(3)]
    coordinates = torch.tensor(rng.normal(size=(3, 60, 3)))
    target = target_of(poses, np.zeros((3, 1, 3)), [False] * 3, half_turn()[:1])
    cloud = coordinates @ target.rotation.mT + target.translation.unsqueeze(1)
    confidence = torch.full((3, 60), 0.6, dtype=torch.float64)

    exact = CoordinateVotes(coordinates, confidence, torch.zeros(1)).pose(cloud)
    torch.testing.assert_close(exact[0], target.rotation)
    torch.testing.assert_close(exact[1], target.translation)
    assert exact[2].tolist() == pytest.approx([0.6] * 3)

    # Reweighting makes the error of outliers small; without confidence, they do not count at all.
    wrong = coordinates.clone()
    wrong[:, :15] += 1.0
    robust = fit_rigid(wrong, cloud, confidence)[1]
    plain = fit_rigid(wrong, cloud, confidence, iterations=1)[1]
    robust_error, plain_error = (
        float((found - target.translation).norm()) for found in (robust, plain)
    )
    assert robust_error < 0.3 * plain_error
    confidence[:, :15] = 1e-6
    rotation = fit_rigid(wrong, cloud, confidence)[0]
    torch.testing.assert_close(rotation, target.rotation, atol=1e-4, rtol=0)


def test_points_in_a_plane_still_give_a_rotation() -> None:
    source = torch.rand(5, 30, 3, generator=torch.Generator().manual_seed(0))
    source[:, :, 2] = 0
    rotation, _ = fit_rigid(source, source, torch.ones(5, 30))
    torch.testing.assert_close(rotation, torch.eye(3).expand(5, 3, 3), atol=1e-4, rtol=0)


def test_a_perfect_residual_corrects_the_pose() -> None:
    """A refiner that knows the answer gets the cloud in the frame of the estimate."""
    rng = np.random.default_rng(1)
    true, guess = (tuple(torch.tensor(array)[None] for array in random_pose(rng)) for _ in range(2))
    model = torch.tensor(rng.normal(size=(1, 20, 3)))
    cloud = model @ true[0].mT + true[1].unsqueeze(1)
    residual = guess[0].mT @ true[0]

    def refiner(moved: Tensor, features: Tensor, class_index: Tensor) -> tuple[Tensor, Tensor]:
        torch.testing.assert_close(moved, (cloud - guess[1].unsqueeze(1)) @ guess[0])
        xyzw = Rotation.from_matrix(residual[0].numpy()).as_quat()
        offset = ((true[1] - guess[1]).unsqueeze(1) @ guess[0]).squeeze(1)
        return torch.tensor(np.roll(xyzw, 1))[None], offset

    rotation, translation = refine_once(refiner, cloud, torch.zeros(1), torch.zeros(1), *guess)
    torch.testing.assert_close(rotation, true[0])
    torch.testing.assert_close(translation, true[1])
