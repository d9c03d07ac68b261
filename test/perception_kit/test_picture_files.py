# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from perception_kit.budgets import BudgetError
from perception_kit.datasets.files import DatasetError, read_color
from perception_kit.picture_files import decoded, read_pixels


@pytest.fixture
def pixels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (60, 80, 3)).astype(np.uint8)


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_half_a_picture_is_none(suffix: str, tmp_path: Path, pixels: np.ndarray) -> None:
    data = cv2.imencode(suffix, pixels)[1].tobytes()
    whole, half = tmp_path / f"whole{suffix}", tmp_path / f"half{suffix}"
    whole.write_bytes(data)
    half.write_bytes(data[: len(data) // 2])
    found = read_pixels(whole)
    assert found is not None
    assert found.shape == pixels.shape
    assert read_pixels(half) is None
    with pytest.raises(DatasetError, match=f"half{suffix}' is missing or cannot be decoded"):
        read_color(half)


def test_the_name_may_be_of_any_bytes(tmp_path: Path, pixels: np.ndarray) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe.png"))
    path.write_bytes(cv2.imencode(".png", pixels)[1].tobytes())
    np.testing.assert_array_equal(read_pixels(path), pixels)


def test_sixteen_bits_stay(tmp_path: Path) -> None:
    path, depth = tmp_path / "depth.png", np.array([[0, 1000, 65535]], np.uint16)
    cv2.imwrite(str(path), depth)
    np.testing.assert_array_equal(read_pixels(path, cv2.IMREAD_UNCHANGED), depth)


@pytest.mark.parametrize("data", [b"", b"no picture"])
def test_what_is_no_picture(data: bytes) -> None:
    assert decoded(data) is None


def test_no_file_and_too_many_pixels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OSError, match="none"):
        read_pixels(tmp_path / "none.png")
    path = tmp_path / "large.png"
    cv2.imwrite(str(path), np.zeros((40, 40), np.uint8))
    monkeypatch.setattr("perception_kit.budgets.MAX_PIXELS", 100)
    with pytest.raises(BudgetError, match="declares 40x40 pixels"):
        read_pixels(path)
