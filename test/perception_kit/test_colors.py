# SPDX-License-Identifier: Apache-2.0
"""One colour for each name, that of a fall for nothing else, and all of them legible."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perception_kit.colors import FALL_COLOR, FALL_LABEL, PALETTE, Color, class_color
from perception_kit.networks.model_metadata import read_metadata
from perception_kit.resources import package_folder

PANEL = (0x16, 0x1B, 0x22)  # background in report/page.css


def relative_luminance(color: tuple[int, int, int]) -> float:
    """Definition of WCAG 2, for sRGB from 0 to 255."""
    linear = [
        value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4
        for value in (channel / 255 for channel in color)
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@given(st.text(max_size=20))
def test_class_colors_are_fixed_and_never_the_red_of_a_fall(name: str) -> None:
    red, green, blue = color = class_color(name)
    assert color == class_color(name)
    assert not (red > 200 and green < 60 and blue < 60)


@given(st.text(max_size=20))
def test_names_in_their_color_can_be_read_on_the_pages(name: str) -> None:
    """Contrast of WCAG 2 for small text."""
    assert (relative_luminance(class_color(name)) + 0.05) / (
        relative_luminance(PANEL) + 0.05
    ) >= 4.5


def differences(colors: Sequence[Color]) -> list[float]:
    """CIELAB distance (dE76) of every two colors."""
    lab = cv2.cvtColor(np.array([colors], np.float32) / 255, cv2.COLOR_RGB2LAB)[0]
    return [float(np.linalg.norm(first - second)) for first, second in combinations(lab, 2)]


def test_colors_of_the_palette_can_be_told_apart() -> None:
    assert len(PALETTE) == 48
    assert min(differences(PALETTE)) > 22
    assert min(differences([FALL_COLOR, color])[0] for color in PALETTE) > 50


@pytest.mark.parametrize(
    ("model", "least"),
    [("demo/segmentation", 40), ("demo/action", 50), ("ycbv/segmentation", 22)],
)
def test_classes_of_a_shipped_model_can_be_told_apart(model: str, least: float) -> None:
    path = package_folder() / "models" / f"{model}.safetensors"
    names = [*read_metadata(path)["class_names"], FALL_LABEL]
    assert min(differences([class_color(name) for name in dict.fromkeys(names)])) > least
