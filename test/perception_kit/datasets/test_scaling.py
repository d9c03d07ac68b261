# SPDX-License-Identifier: Apache-2.0
"""Scaled objects keep the symmetries of their class where the mixed axes have one factor."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from perception_kit.datasets.bop_entries import read_instance
from perception_kit.datasets.files import DatasetError
from perception_kit.datasets.scaling import axis_groups, overall_scale, scaled_symmetries
from perception_kit.datasets.symmetries import symmetry_transforms
from perception_kit.geometry import transform

AROUND_Z = {"symmetries_continuous": [{"axis": [0, 0, 1], "offset": [20.0, -5.0, 0.0]}]}
HALF_TURN = {"symmetries_discrete": [[1, 0, 0, 0, 0, -1, 0, 0, 0, 0, -1, 30.0, 0, 0, 0, 1]]}
AROUND_SLANTED = {"symmetries_continuous": [{"axis": [1, 1, 1], "offset": [0, 0, 0]}]}

factors = st.tuples(*[st.floats(0.3, 3.0)] * 3).map(np.array)


@pytest.mark.parametrize(
    ("entry", "groups"),
    [({}, [0, 1, 2]), (HALF_TURN, [0, 1, 2]), (AROUND_Z, [0, 0, 2]), (AROUND_SLANTED, [0, 0, 0])],
)
def test_axes_that_symmetries_mix_have_one_factor(entry: dict, groups: list[int]) -> None:
    rotations = np.stack(symmetry_transforms(entry))[:, :3, :3]
    assert axis_groups(rotations).tolist() == groups
    assert axis_groups(rotations, "uniform").tolist() == [0, 0, 0]


@given(factors, st.sampled_from([AROUND_Z, HALF_TURN, AROUND_SLANTED]), st.integers(0, 1000))
def test_symmetries_of_a_scaled_object_are_those_of_its_class(
    free: np.ndarray, entry: dict, seed: int
) -> None:
    symmetries = np.stack(symmetry_transforms(entry))
    scale = free[axis_groups(symmetries[:, :3, :3])]
    points = np.random.default_rng(seed).normal(size=(20, 3))
    for own, scaled in zip(symmetries, scaled_symmetries(symmetries, scale), strict=True):
        # To scale what was moved, and to move what was scaled, is the same.
        moved = transform(points, own[:3, :3], own[:3, 3]) * scale
        np.testing.assert_allclose(
            transform(points * scale, scaled[:3, :3], scaled[:3, 3]), moved, atol=1e-9
        )


@given(factors, st.floats(0.1, 10.0))
def test_the_overall_scale_follows_one_factor_and_the_volume(
    scale: np.ndarray, factor: float
) -> None:
    assert overall_scale(scale * factor) == pytest.approx(overall_scale(scale) * factor)
    assert overall_scale(scale) ** 3 == pytest.approx(np.prod(scale))


def entry_of(**scale: object) -> dict[str, object]:
    rotation = Rotation.from_euler("x", 30, degrees=True).as_matrix()
    return {
        "obj_id": 1,
        "cam_R_m2c": rotation.reshape(-1).tolist(),
        "cam_t_m2c": [0, 0, 700],
        **scale,
    }


def test_readers_take_one_where_no_scale_is_stated() -> None:
    path = Path("scene_gt.json")
    np.testing.assert_array_equal(read_instance(entry_of(), 1.0, path).scale, np.ones(3))
    stated = json.loads(json.dumps(entry_of(scale=[0.6, 1.0, 1.6])))
    np.testing.assert_array_equal(read_instance(stated, 1.0, path).scale, [0.6, 1.0, 1.6])


@pytest.mark.parametrize(
    "scale", [[1.0, 2.0], [1.0, -1.0, 1.0], [0.0, 1.0, 1.0], [1e9] * 3, "large", None]
)
def test_a_scale_that_no_object_has_is_refused(scale: object) -> None:
    with pytest.raises(DatasetError, match="scale"):
        read_instance(entry_of(scale=scale), 1.0, Path("scene_gt.json"))
