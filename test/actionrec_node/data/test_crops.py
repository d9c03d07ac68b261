# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actionrec_node.data.crops import clip_region, crop, crop_clip

FRACTIONS = st.floats(0.0, 1.0)
BOXES = st.lists(
    st.tuples(FRACTIONS, FRACTIONS, FRACTIONS, FRACTIONS).map(
        lambda v: np.array([min(v[0], v[2]), min(v[1], v[3]), max(v[0], v[2]), max(v[1], v[3])])
    ),
    min_size=1,
    max_size=5,
)


@given(BOXES, st.floats(0.3, 4.0), st.floats(1.0, 3.0))
def test_region_lies_in_the_image_holds_all_boxes_and_is_square_where_there_is_room(
    boxes: list[np.ndarray], aspect: float, context: float
) -> None:
    region = clip_region(boxes, aspect, context)
    assert (region >= -1e-9).all()
    assert (region <= 1 + 1e-9).all()
    assert (np.min(boxes, axis=0)[:2] >= region[:2] - 1e-9).all()
    assert (np.max(boxes, axis=0)[2:] <= region[2:] + 1e-9).all()
    width, height = (region[2:] - region[:2]) * (aspect, 1.0)
    assert width == pytest.approx(height) or max(width / aspect, height) == pytest.approx(1.0)


def test_region_of_one_box_is_its_larger_side_with_context() -> None:
    # A box of 40 x 80 pixels in an image of 400 x 200, context 1.5: 120 x 120 pixels around it.
    region = clip_region([np.array([0.4, 0.3, 0.5, 0.7])], 2.0, 1.5) * [400, 200, 400, 200]
    np.testing.assert_allclose(region, [120, 40, 240, 160])


def test_crop_of_a_region() -> None:
    image = np.zeros((20, 40, 3), np.uint8)
    image[5:15, 10:20] = 200
    assert crop(image, np.array([0.25, 0.25, 0.5, 0.75]), 8).min() == 200
    assert crop(image, np.array([1.0, 1.0, 1.0, 1.0]), 8).shape == (8, 8, 3), "at least one pixel"


def test_a_clip_shows_the_same_region_of_all_images() -> None:
    images = np.zeros((2, 20, 40, 3), np.uint8)
    images[0, 5:15, 10:20] = 200
    images[1, 5:15, 20:30] = 200
    boxes = np.array([[0.25, 0.25, 0.5, 0.75], [0.5, 0.25, 0.75, 0.75]])
    clip = crop_clip(images, boxes, 8, "stretch", context=1.0)  # 20 x 20 pixels in the middle
    assert (clip[0, 4, :, 0] > 100).tolist() == [True] * 4 + [False] * 4
    assert (clip[1, 4, :, 0] > 100).tolist() == [False] * 4 + [True] * 4
    whole = crop_clip(images, None, 8, "center")
    assert whole.shape == (2, 8, 8, 3)
    assert whole[0, 4, 0, 0] == 200, "the square in the middle begins at column 10"


@pytest.mark.parametrize("surroundings", [0.0, 0.25, 1.0])
def test_what_is_around_a_box_fades_and_what_is_in_it_stays(surroundings: float) -> None:
    images = np.full((1, 100, 100, 3), 214, np.uint8)
    boxes = np.array([[0.4, 0.4, 0.6, 0.6]])
    clip = crop_clip(images, boxes, 50, "stretch", 2.5, surroundings)  # 50 x 50 pixels
    assert (clip[0, 15:35, 15:35] == 214).all()
    corner = round(114 + 100 * surroundings)
    assert (clip[0, :8, :8] == corner).all()


def test_an_image_without_a_box_keeps_its_surroundings() -> None:
    images = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), np.uint8)
    assert (crop_clip(images, None, 8, "stretch", surroundings=0.0) == images).all()
