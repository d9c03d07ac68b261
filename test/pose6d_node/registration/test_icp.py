# SPDX-License-Identifier: Apache-2.0
"""Registration finds the pose from nearby, and leaves alone what it cannot see."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from painted_box import ROTATION, TRANSLATION, box_crop, box_view, hypothesis
from scipy.spatial.transform import Rotation

from perception_kit.datasets.object_model import ObjectModel
from pose6d_node.densefusion.crops import Crops
from pose6d_node.registration.icp import register
from pose6d_node.registration.observation import Observation
from pose6d_node.registration.placement import Hypotheses, Surfaces

# Iterations, reach and points.
STEPS = 15, (0.15, 0.04), 500


def perturbed(degrees: float, shift: float, seed: int) -> Hypotheses:
    """The true pose, turned and moved."""
    rng = np.random.default_rng(seed)
    axis, direction = (vector / np.linalg.norm(vector) for vector in rng.normal(size=(2, 3)))
    turn = Rotation.from_rotvec(np.radians(degrees) * axis).as_matrix()
    return hypothesis(ROTATION @ turn, TRANSLATION + shift * direction)


def errors(found: Hypotheses) -> tuple[float, float]:
    """Degrees and metres from the true pose."""
    turn = Rotation.from_matrix(found.rotation[0].double().numpy() @ ROTATION.T)
    shift = np.linalg.norm(found.translation[0].numpy() - TRANSLATION)
    return float(np.degrees(turn.magnitude())), float(shift)


@pytest.mark.parametrize("seed", range(5))
def test_a_pose_from_nearby_is_found(
    observation: Observation, surfaces: Surfaces, seed: int
) -> None:
    degrees, shift = errors(register(observation, surfaces, perturbed(10, 0.01, seed), *STEPS))
    assert degrees < 1.0
    assert shift < 0.002


def test_a_hidden_half_does_not_pull(box: ObjectModel, surfaces: Surfaces) -> None:
    rgb, depth, mask = box_view(box)
    columns = np.flatnonzero(mask.any(axis=0))
    hidden = np.zeros_like(mask)
    hidden[:, : int(columns.mean())] = True
    crop = box_crop((rgb, np.where(hidden, 0.4, depth).astype(np.float32), mask & ~hidden))
    found = register(Observation.of(crop), surfaces, perturbed(6, 0.006, 0), *STEPS)
    degrees, shift = errors(found)
    assert degrees < 2.0
    assert shift < 0.004


def test_nothing_measured_nothing_moved(box: ObjectModel, surfaces: Surfaces) -> None:
    rgb, depth, mask = box_view(box)
    crop = box_crop((rgb, np.zeros_like(depth), mask))
    start = perturbed(10, 0.01, 0)
    found = register(Observation.of(crop), surfaces, start, *STEPS)
    torch.testing.assert_close(found.rotation, start.rotation)
    torch.testing.assert_close(found.translation, start.translation)


def test_instances_do_not_influence_each_other(box: ObjectModel, surfaces: Surfaces) -> None:
    crop = box_crop(box_view(box))
    both = Observation.of(Crops.concatenate([crop, crop]))
    first, second = perturbed(10, 0.01, 1), perturbed(8, 0.01, 2)
    second.instance += 1
    together = register(both, surfaces, Hypotheses.concatenate([first, second]), *STEPS)
    alone = register(Observation.of(crop), surfaces, first, *STEPS)
    torch.testing.assert_close(together.rotation[:1], alone.rotation)
    torch.testing.assert_close(together.translation[:1], alone.translation)
