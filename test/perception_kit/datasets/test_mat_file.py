# SPDX-License-Identifier: Apache-2.0
"""Arrays come back as SciPy has written them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.io import savemat

from perception_kit.datasets.mat_file import MatFileError, read_mat

ARRAYS = {
    "doubles": np.linspace(0, 1, 24).reshape(2, 3, 4),
    "floats": np.ones((2, 5), np.float32),
    "bytes": np.arange(7, dtype=np.uint8)[None],
    "wholes": np.array([[-3, 70_000]], np.int32),
    "one": np.array([[9]], np.int64),
    "none": np.zeros((0, 3)),
}


@pytest.mark.parametrize("compressed", [False, True])
def test_arrays_come_back(tmp_path: Path, compressed: bool) -> None:
    savemat(tmp_path / "a.mat", ARRAYS, do_compression=compressed)
    found = read_mat(tmp_path / "a.mat")
    assert found.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)


@pytest.mark.parametrize("content", ["text", {"a": 1.0}, 1j], ids=["text", "struct", "complex"])
def test_other_things_are_left_out(tmp_path: Path, content: object) -> None:
    savemat(tmp_path / "a.mat", {"a": content, "b": np.eye(2)})
    assert read_mat(tmp_path / "a.mat").keys() == {"b"}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_change_is_read_or_refused(tmp_path: Path, data: st.DataObject) -> None:
    path = tmp_path / "a.mat"
    savemat(path, {"doubles": np.eye(3), "bytes": np.arange(7, dtype=np.uint8)})
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(120, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    try:
        read_mat(path)
    except MatFileError:
        return
