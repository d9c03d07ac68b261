# SPDX-License-Identifier: Apache-2.0
"""Views and half turns find the pose, wherever the network's lies."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from painted_box import ROTATION, TRANSLATION, box_crop, box_view, hypothesis
from scipy.spatial.transform import Rotation
from torch import Tensor

from perception_kit.datasets.object_model import ObjectModel
from pose6d_node.densefusion.crops import Crops
from pose6d_node.registration.hypotheses import ROLLS, VIEWPOINTS, view_rotations, views
from pose6d_node.registration.near_symmetries import NearSymmetries
from pose6d_node.registration.observation import Observation
from pose6d_node.registration.placement import Hypotheses, Surfaces
from pose6d_node.registration.search import NETWORK, REGISTERED, TURNS, VIEWS, look_twice


def degrees_between(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Angles of (N, 3, 3) rotations to one rotation."""
    turns = Rotation.from_matrix(first @ second.T)
    return np.degrees(turns.magnitude())


def test_a_view_is_near_to_every_rotation() -> None:
    rotations = view_rotations().double().numpy()
    assert rotations.shape == (VIEWPOINTS * ROLLS, 3, 3)
    assert rotations @ rotations.transpose(0, 2, 1) == pytest.approx(
        np.broadcast_to(np.eye(3), rotations.shape), abs=1e-6
    )
    assert np.linalg.det(rotations) == pytest.approx(1.0)
    wanted = Rotation.random(200, random_state=0).as_matrix()
    nearest = [degrees_between(rotations, rotation).min() for rotation in wanted]
    assert max(nearest) < 36


def test_a_view_shows_its_surface_where_it_was_measured(
    observation: Observation, surfaces: Surfaces
) -> None:
    found = views(observation, surfaces, torch.tensor([0]))
    angle = degrees_between(found.rotation.double().numpy(), ROTATION)
    near = found.translation[int(angle.argmin())].numpy()
    assert np.linalg.norm(near - TRANSLATION) < 0.02


def look(
    observation: Observation,
    surfaces: Surfaces,
    estimates: Hypotheses,
    previous: Hypotheses | None = None,
    symmetric: bool = False,
    effort: int = VIEWS,
) -> tuple[Hypotheses, Tensor]:
    """Look twice at boxes."""
    return look_twice(
        observation,
        surfaces,
        NearSymmetries(surfaces),
        estimates,
        torch.tensor([symmetric]),
        previous or Hypotheses.none(),
        torch.full((len(observation),), effort),
    )


@pytest.mark.parametrize("seed", range(4))
def test_any_estimate_leads_to_the_pose(
    observation: Observation, surfaces: Surfaces, seed: int
) -> None:
    rotation = Rotation.random(random_state=seed).as_matrix()
    found, confidence = look(observation, surfaces, hypothesis(rotation, TRANSLATION + 0.02))
    assert degrees_between(found.rotation.double().numpy(), ROTATION)[0] < 2
    assert found.translation[0].numpy() == pytest.approx(TRANSLATION, abs=0.003)
    assert confidence > 0.7


def test_no_more_is_tried_than_the_effort_allows(
    observation: Observation, surfaces: Surfaces
) -> None:
    turned = ROTATION @ np.diag([1.0, -1.0, -1.0])
    wrong = hypothesis(turned, TRANSLATION + 0.01)
    found = {
        effort: look(observation, surfaces, wrong, effort=effort)[0]
        for effort in (NETWORK, REGISTERED, TURNS)
    }
    assert torch.equal(found[NETWORK].translation, wrong.translation)
    angle = {
        effort: degrees_between(pose.rotation.double().numpy(), ROTATION)[0]
        for effort, pose in found.items()
    }
    assert angle[NETWORK] > 170
    assert angle[REGISTERED] > 170
    assert angle[TURNS] < 2
    assert not torch.equal(found[REGISTERED].translation, wrong.translation)

    # Without any pose there is nothing but views.
    nothing, _ = look(observation, surfaces, Hypotheses.none(), effort=NETWORK)
    assert degrees_between(nothing.rotation.double().numpy(), ROTATION)[0] < 2


def test_views_alone_lead_to_the_pose(observation: Observation, surfaces: Surfaces) -> None:
    found, _ = look(observation, surfaces, Hypotheses.none())
    assert degrees_between(found.rotation.double().numpy(), ROTATION)[0] < 2


def test_one_pose_for_each_instance_in_their_order(box: ObjectModel, surfaces: Surfaces) -> None:
    crop = box_crop(box_view(box))
    observation = Observation.of(Crops.concatenate([crop] * 3))
    estimate = hypothesis(ROTATION, TRANSLATION)
    estimates = Hypotheses(
        torch.arange(3), estimate.rotation.expand(3, 3, 3), estimate.translation.expand(3, 3)
    )
    found, confidences = look(observation, surfaces, estimates)
    assert found.instance.tolist() == [0, 1, 2]
    alone, confidence = look(Observation.of(crop), surfaces, estimate)
    torch.testing.assert_close(found.rotation[2:], alone.rotation, atol=1e-5, rtol=0)
    torch.testing.assert_close(confidences[2:], confidence, atol=1e-4, rtol=0)


def plain_box(
    box: ObjectModel, surfaces: Surfaces
) -> tuple[Observation, Surfaces, tuple[Hypotheses, Hypotheses]]:
    """A box of one color, and two poses of it that look the same."""
    rgb, depth, mask = box_view(box)
    plain = Surfaces(
        surfaces.points,
        surfaces.normals,
        torch.full_like(surfaces.colors, 0.5),
        surfaces.diameters,
    )
    turned = ROTATION @ np.diag([1.0, -1.0, -1.0])
    poses = hypothesis(ROTATION, TRANSLATION), hypothesis(turned, TRANSLATION)
    return Observation.of(box_crop((np.full_like(rgb, 128), depth, mask))), plain, poses


def test_what_cannot_be_told_apart_is_unsure(box: ObjectModel, surfaces: Surfaces) -> None:
    observation, plain, (estimate, _) = plain_box(box, surfaces)
    _, unsure = look(observation, plain, estimate)
    _, sure = look(Observation.of(box_crop(box_view(box))), surfaces, estimate)
    assert unsure < 0.6 < sure

    # Of a symmetric class, the same poses are no alternatives.
    _, confidence = look(observation, plain, estimate, symmetric=True)
    assert confidence > 0.9


def test_what_looks_the_same_keeps_the_pose_of_the_last_frame(
    box: ObjectModel, surfaces: Surfaces
) -> None:
    observation, plain, poses = plain_box(box, surfaces)
    for previous in poses:
        found, _ = look(observation, plain, poses[0], previous)
        before = previous.rotation[0].double().numpy()
        assert degrees_between(found.rotation.double().numpy(), before)[0] < 2


def test_a_wrong_pose_of_the_last_frame_is_left(
    observation: Observation, surfaces: Surfaces
) -> None:
    wrong = hypothesis(ROTATION @ np.diag([1.0, -1.0, -1.0]), TRANSLATION + 0.02)
    found, _ = look(observation, surfaces, hypothesis(ROTATION, TRANSLATION), wrong)
    assert degrees_between(found.rotation.double().numpy(), ROTATION)[0] < 2


@pytest.mark.parametrize(
    ("turn", "shift"),
    [
        pytest.param([0, 0, 30], [0.04, 0.0, 0.0], id="pushed"),
        pytest.param([0, 180, 0], [0.0, 0.0, 0.0], id="turned around"),
        pytest.param([90, 40, 0], [-0.06, 0.03, 0.12], id="picked up and put elsewhere"),
    ],
)
@pytest.mark.parametrize("seed", range(3))
def test_a_moved_box_is_followed_within_two_frames(
    box: ObjectModel, surfaces: Surfaces, turn: list[float], shift: list[float], seed: int
) -> None:
    rotation = Rotation.from_euler("xyz", turn, degrees=True).as_matrix() @ ROTATION
    translation = TRANSLATION + shift
    view = box_view(box, rotation=rotation, translation=translation)
    observation = Observation.of(box_crop(view))

    # The last pose is the one before the move, and the network's is any.
    network = hypothesis(Rotation.random(random_state=seed).as_matrix(), translation + 0.01)
    found = hypothesis(ROTATION, TRANSLATION)
    for _ in range(2):
        found, _ = look(observation, surfaces, network, found)
    assert degrees_between(found.rotation.double().numpy(), rotation)[0] < 2
    assert found.translation[0].numpy() == pytest.approx(translation, abs=0.004)
