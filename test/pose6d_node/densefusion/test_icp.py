# SPDX-License-Identifier: Apache-2.0
"""ICP pulls a slightly wrong pose onto the measured surface, and leaves a far one alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from perception_kit.datasets.bop_models import read_models
from perception_kit.geometry import back_project
from perception_kit.metrics.pose import add
from pose6d_node.densefusion.icp import IcpModel


@pytest.fixture(scope="module")
def box(bop_folder):
    return read_models(bop_folder / "models")[1]


@pytest.fixture(scope="module")
def icp(box) -> IcpModel:
    return IcpModel(box.points(1000), box.diameter)


@settings(max_examples=20)
@given(seed=st.integers(0, 2**31))
def test_small_errors_shrink(icp, box, box_views, camera, seed) -> None:
    rng = np.random.default_rng(seed)
    view = box_views[rng.integers(len(box_views))]
    measured = back_project(np.where(view.mask, view.depth, 0), camera)[view.mask]
    rotation = view.rotation @ Rotation.from_rotvec(rng.normal(0, 0.03, 3)).as_matrix()
    translation = view.translation + rng.normal(0, 0.003, 3)
    refined = icp.refine(measured, rotation, translation)

    points = box.points(300)
    np.testing.assert_allclose(refined[0] @ refined[0].T, np.eye(3), atol=1e-6)
    before, after = (
        add(points, *pose, view.rotation, view.translation)
        for pose in ((rotation, translation), refined)
    )
    assert after < max(before, 0.006)


def test_a_pose_far_from_everything_stays(icp, box_views, camera) -> None:
    view = box_views[0]
    measured = back_project(np.where(view.mask, view.depth, 0), camera)[view.mask]
    rotation, translation = icp.refine(measured, view.rotation, view.translation + 1.0)
    np.testing.assert_allclose(rotation, view.rotation, atol=1e-12)
    np.testing.assert_allclose(translation, view.translation + 1.0, atol=1e-12)
