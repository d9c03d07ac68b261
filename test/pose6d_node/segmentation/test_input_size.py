# SPDX-License-Identifier: Apache-2.0
"""Images keep their aspect at the network's input size."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pose6d_node.segmentation.input_size import fitted_size, resize_color, unused_input

_sides = st.integers(1, 4000)


@given(_sides, _sides, st.integers(64, 1000), st.integers(64, 1000))
def test_an_image_fills_one_side_and_keeps_its_aspect(
    width: int, height: int, most_wide: int, most_high: int
) -> None:
    size = fitted_size(width, height, (most_wide, most_high))
    assert size[0] == most_wide or size[1] == most_high
    assert 1 <= size[0] <= most_wide
    assert 1 <= size[1] <= most_high
    scale = min(most_wide / width, most_high / height)
    assert abs(size[0] - scale * width) <= 1
    assert abs(size[1] - scale * height) <= 1


def test_wide_images_in_a_narrow_input_are_mentioned() -> None:
    expected = (
        "images of 1280x720 fill 75% of --input-size 320 240: 320 180 shows the same and is faster"
    )
    assert unused_input(1280, 720, (320, 240)) == expected
    assert unused_input(640, 480, (320, 240)) is None
    assert unused_input(848, 480, (320, 180)) is None


def test_colors_are_averaged_where_the_image_shrinks_and_interpolated_where_it_grows() -> None:
    stripes = np.zeros((8, 8, 3), np.uint8)
    stripes[:, ::2] = 200
    assert (resize_color(stripes, (4, 4)) == 100).all()

    row = np.arange(0, 160, 20, dtype=np.uint8)
    ramp = np.broadcast_to(row[None, :, None], (8, 8, 3)).copy()
    assert (np.diff(resize_color(ramp, (32, 32))[0, 2:-2, 0].astype(int)) == 5).all()
