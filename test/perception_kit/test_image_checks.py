# SPDX-License-Identifier: Apache-2.0
"""Images that would be misread are refused."""

from __future__ import annotations

import numpy as np
import pytest

from perception_kit.image_checks import check_color, check_depth

RGB = np.zeros((6, 8, 3), np.uint8)


def test_color_and_depth_that_are_taken() -> None:
    check_color(RGB)
    check_depth(np.ones((6, 8), np.float32), RGB)
    check_depth(np.ones((6, 8)), RGB)


@pytest.mark.parametrize(
    "rgb", [RGB[..., 0], RGB[..., :2], RGB.astype(np.float32), RGB[:0]], ids=lambda rgb: rgb.shape
)
def test_other_color_is_refused(rgb: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"expected an \(H, W, 3\) uint8 colour image, got shape"):
        check_color(rgb)


@pytest.mark.parametrize("dtype", [np.uint16, np.int32])
def test_depth_in_millimetres_is_refused(dtype: type) -> None:
    message = f"depth is {np.dtype(dtype)}, expected float32 in metres: divide .* by 1000"
    with pytest.raises(ValueError, match=message):
        check_depth(np.full((6, 8), 1500, dtype), RGB)


def test_depth_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match=r"depth is \(3, 4\) and colour \(6, 8\): .* aligned"):
        check_depth(np.ones((3, 4), np.float32), RGB)
