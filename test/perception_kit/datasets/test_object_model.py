# SPDX-License-Identifier: Apache-2.0
"""Meshes that are damaged, and what is measured on those that are not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from dataset_layouts import write_models
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.distance import pdist

from perception_kit.datasets.bop_models import read_models
from perception_kit.datasets.files import DatasetError
from perception_kit.datasets.object_model import ObjectModel

DAMAGES = {
    "empty": lambda text: "",
    "not a mesh": lambda text: "these are no vertices\n",
    "cut off in its vertices": lambda text: text[: text.index("end_header") + 18],
    "a vertex that is no number": lambda text: text.replace("100.0 0.0 0.0", "nan 0.0 0.0"),
    "a triangle of a vertex that is not there": lambda text: text.replace("3 0 2 1", "3 0 2 77"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_mesh_is_named(damage: str, tmp_path: Path) -> None:
    write_models(tmp_path)
    path = tmp_path / "obj_000004.ply"
    text = path.read_text()
    path.write_text(DAMAGES[damage](text))
    assert path.read_text() != text
    with pytest.raises(DatasetError, match=r"obj_000004\.ply"):
        read_models(tmp_path)[4].mesh()


@given(
    arrays(float, (12, 3), elements=st.floats(-0.2, 0.2).map(lambda value: round(value, 4))).filter(
        lambda a: np.ptp(a, axis=0).min() > 0.01
    )
)
def test_diameter_is_the_largest_distance(vertices: np.ndarray) -> None:
    model = ObjectModel.from_mesh(1, "thing", vertices, np.zeros((0, 3), int), {})
    assert model.diameter == pytest.approx(pdist(vertices).max(), abs=1e-6)
    np.testing.assert_allclose(model.size, np.ptp(vertices, axis=0), atol=1e-7)


def test_flat_objects_have_a_diameter() -> None:
    square = np.array([[0, 0, 0], [0.1, 0, 0], [0.1, 0.1, 0], [0, 0.1, 0]], float)
    assert ObjectModel.from_mesh(
        1, "card", square, np.array([[0, 1, 2], [0, 2, 3]]), {}
    ).diameter == pytest.approx(np.sqrt(0.02))
