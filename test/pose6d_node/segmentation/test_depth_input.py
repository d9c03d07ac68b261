# SPDX-License-Identifier: Apache-2.0
"""The depth channel counts pixels per metre, whatever the camera and the size of its image."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pose6d_node.segmentation.depth_input import MAX_VALUE, UNIT, depth_channel


@given(distance=st.floats(0.3, 5), focal_length=st.floats(200, 1500), scale=st.sampled_from([1, 2, 4]))
def test_value_is_the_pixels_that_a_metre_spans(distance: float, focal_length: float, scale: int) -> None:
    depth = np.full((60 * scale, 80 * scale), distance, np.float32)
    values = depth_channel(depth, focal_length * scale, (80, 60))
    np.testing.assert_allclose(values, min(focal_length / distance / UNIT, MAX_VALUE), rtol=1e-5)


@pytest.mark.parametrize("unknown", [0.0, np.nan, -1.0])
def test_unknown_depth_is_zero(unknown: float) -> None:
    depth = np.ones((60, 80), np.float32)
    depth[10:20, 30:40] = unknown
    values = depth_channel(depth, 400.0, (80, 60))
    assert np.all(values[10:20, 30:40] == 0)
    assert np.count_nonzero(values) == 60 * 80 - 100
