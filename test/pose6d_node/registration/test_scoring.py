# SPDX-License-Identifier: Apache-2.0
"""The right pose agrees best, under any light and behind other things."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from painted_box import ROTATION, TRANSLATION, box_crop, box_view, hypothesis

from perception_kit.datasets.object_model import ObjectModel
from pose6d_node.registration.hypotheses import half_turns
from pose6d_node.registration.observation import Observation
from pose6d_node.registration.placement import Surfaces
from pose6d_node.registration.scoring import Agreement, compare
from pose6d_node.registration.search import POINTS


def agreement_of_half_turns(observation: Observation, surfaces: Surfaces) -> Agreement:
    """The true pose first, then its half turns, which the depth cannot tell from it."""
    true = hypothesis(ROTATION, TRANSLATION)
    return compare(
        observation, surfaces, half_turns(surfaces, observation.class_index, true), POINTS
    )


def test_half_turns_keep_the_center_of_the_box(surfaces: Surfaces) -> None:
    shifted = Surfaces(
        surfaces.points + torch.tensor([0.1, 0.0, 0.0]),
        surfaces.normals,
        surfaces.colors,
        surfaces.diameters,
    )
    turned = half_turns(shifted, torch.tensor([0]), hypothesis(ROTATION, TRANSLATION))
    low, high = shifted.points[0].amin(dim=0), shifted.points[0].amax(dim=0)
    centers = turned.rotation @ ((low + high) / 2) + turned.translation
    assert len(turned) == 4
    torch.testing.assert_close(centers, centers[:1].expand(4, 3))
    assert torch.linalg.det(turned.rotation).tolist() == pytest.approx([1.0] * 4)


@pytest.mark.parametrize("light", [1.0, 0.3, 1.6])
def test_colors_tell_a_pose_from_its_half_turns(
    box: ObjectModel, surfaces: Surfaces, light: float
) -> None:
    observation = Observation.of(box_crop(box_view(box, light)))
    agreement = agreement_of_half_turns(observation, surfaces)
    assert agreement.depth_support.numpy() == pytest.approx(1.0, abs=0.03), "of each of them"
    assert agreement.score().argmax() == 0


def test_white_balance_does_not_matter(box: ObjectModel, surfaces: Surfaces) -> None:
    rgb, depth, mask = box_view(box)
    tinted = (rgb * np.array([1.0, 0.7, 0.45])).astype(np.uint8)
    observation = Observation.of(box_crop((tinted, depth, mask)))
    assert agreement_of_half_turns(observation, surfaces).score().argmax() == 0


def test_without_paint_half_turns_agree_equally(box: ObjectModel, surfaces: Surfaces) -> None:
    rgb, depth, mask = box_view(box)
    plain = Surfaces(
        surfaces.points,
        surfaces.normals,
        torch.full_like(surfaces.colors, 0.5),
        surfaces.diameters,
    )
    observation = Observation.of(box_crop((np.full_like(rgb, 128), depth, mask)))
    score = agreement_of_half_turns(observation, plain).score()
    assert score.numpy() == pytest.approx(float(score[0]), abs=0.15)


def test_what_is_hidden_counts_neither_way(box: ObjectModel, surfaces: Surfaces) -> None:
    rgb, depth, mask = box_view(box)
    hidden = np.zeros_like(mask)
    hidden[:, : int(np.flatnonzero(mask.any(axis=0)).mean())] = True
    crop = box_crop((rgb, np.where(hidden, 0.4, depth).astype(np.float32), mask & ~hidden))
    agreement = compare(Observation.of(crop), surfaces, hypothesis(ROTATION, TRANSLATION), POINTS)
    assert agreement.depth_support > 0.95
    assert agreement.coverage > 0.95


@pytest.mark.parametrize(
    "shift", [(0.0, 0.0, -0.05), (0.0, 0.0, 0.05), (0.05, 0.0, 0.0)], ids=["near", "far", "beside"]
)
def test_a_pose_beside_the_measured_surface_agrees_less(
    observation: Observation, surfaces: Surfaces, shift: tuple[float, float, float]
) -> None:
    true = compare(observation, surfaces, hypothesis(ROTATION, TRANSLATION), POINTS).score()
    moved = hypothesis(ROTATION, TRANSLATION + np.array(shift))
    assert compare(observation, surfaces, moved, POINTS).score() < true - 0.5
