# SPDX-License-Identifier: Apache-2.0
"""Pose verification scores: high for the true pose, low for wrong ones, blind to what is hidden."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from perception_kit.datasets.bop_models import read_models
from pose6d_node.densefusion.crops import Crops, cut_crop
from pose6d_node.densefusion.verification import pose_verification_score

NOTHING = np.zeros(3)


@pytest.fixture(scope="module")
def score(bop_folder, camera):
    """Score of a view with its true pose moved by ``shift`` metres and turned.

    ``turn`` is a rotation vector about the model's axes.
    """
    box = read_models(bop_folder / "models")[1]
    points = torch.from_numpy(box.points(1000)).unsqueeze(0)
    diameters = torch.tensor([box.diameter])

    def compute(view, shift=NOTHING, turn=NOTHING, mask=None, depth=None) -> float:
        mask = view.mask if mask is None else mask
        depth = view.depth if depth is None else depth
        crop = cut_crop(view.rgb, depth, camera, mask, 0, 64, 1.25)

        turned = view.rotation @ Rotation.from_rotvec(turn).as_matrix()
        rotation = torch.from_numpy(turned).float()[None]
        translation = torch.from_numpy(view.translation + shift).float()[None]
        return float(pose_verification_score(crop, points, diameters, rotation, translation))

    return compute


def test_true_poses_are_consistent(score, box_views) -> None:
    scores = [score(view) for view in box_views]
    assert np.mean(scores) > 0.85
    assert min(scores) > 0.6


@pytest.mark.parametrize(
    ("shift", "turn"),
    [
        ((0.04, 0, 0), NOTHING),
        ((0, 0, 0.04), NOTHING),
        ((0, 0, -0.04), NOTHING),
        (NOTHING, (0.8, 0, 0)),
        (NOTHING, (0, 0, 0.8)),
    ],
    ids=["beside", "behind", "in front", "turned about x", "turned about z"],
)
def test_wrong_poses_are_not(score, box_views, shift, turn) -> None:
    for view in box_views:
        assert score(view, np.array(shift), np.array(turn)) < 0.75 * score(view)


def test_what_hides_the_object_does_not_count(score, box_views) -> None:
    for view in box_views:
        hidden = np.zeros_like(view.mask)
        rows = np.flatnonzero(view.mask.any(axis=1))
        hidden[: rows[len(rows) // 2]] = True
        depth = np.where(hidden, np.float32(0.2), view.depth)
        assert score(view, mask=view.mask & ~hidden, depth=depth) > 0.75 * score(view)


def test_without_depth_nothing_is_consistent(score, box_views) -> None:
    assert score(box_views[0], depth=np.zeros_like(box_views[0].depth)) == 0.0


def test_each_instance_is_judged_alone(bop_folder, box_views, camera) -> None:
    box = read_models(bop_folder / "models")[1]
    crops = [cut_crop(view.rgb, view.depth, camera, view.mask, 0, 64, 1.25) for view in box_views]
    rotation = torch.from_numpy(np.stack([view.rotation for view in box_views])).float()
    translation = torch.from_numpy(np.stack([view.translation for view in box_views])).float()
    translation = translation + 0.01
    points = torch.from_numpy(box.points(1000)).expand(len(crops), -1, -1)
    diameters = torch.full((len(crops),), box.diameter)

    batch = Crops.concatenate(crops)
    together = pose_verification_score(batch, points, diameters, rotation, translation)
    alone = [
        pose_verification_score(crop, points[:1], diameters[:1], rotation[[k]], translation[[k]])
        for k, crop in enumerate(crops)
    ]
    torch.testing.assert_close(together, torch.cat(alone))
