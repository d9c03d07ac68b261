# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from actionrec_node.data.augmentation import FILTERS, augment, flip, random_crop


@pytest.fixture
def still_clip() -> np.ndarray:
    """Six equal frames: they stay equal when all frames share one draw."""
    frame = np.random.default_rng(0).integers(0, 256, (40, 48, 3), dtype=np.uint8)
    return np.repeat(frame[None], 6, axis=0)


@pytest.mark.parametrize("name", list(FILTERS))
def test_a_filter_draws_once_for_all_frames(name: str, still_clip: np.ndarray) -> None:
    before = still_clip.copy()
    out = FILTERS[name](still_clip, np.random.default_rng(1))
    assert out.shape == still_clip.shape
    assert out.dtype == np.uint8
    assert (out == out[:1]).all()
    assert (out != before).any()
    assert np.array_equal(still_clip, before), "the input must not change"


@pytest.mark.parametrize(
    ("mode", "least", "most"), [("none", 0, 0), ("one", 1, 1), ("some", 0, 7), ("all", 7, 7)]
)
def test_number_of_filters_of_a_mode(
    monkeypatch: pytest.MonkeyPatch, mode: str, least: int, most: int
) -> None:
    used: list[str] = []
    for name in FILTERS:
        monkeypatch.setitem(FILTERS, name, lambda clip, rng, name=name: used.append(name) or clip)
    counts, orders = set(), set()
    for seed in range(60):
        used.clear()
        augment(np.zeros((1, 4, 4, 3), np.uint8), np.random.default_rng(seed), mode)
        assert len(set(used)) == len(used)
        counts.add(len(used))
        orders.add(tuple(used))
    assert (min(counts), max(counts)) == (least, most)
    assert len(orders) > 1 or mode == "none"


def test_flip_mirrors_left_and_right(still_clip: np.ndarray) -> None:
    assert np.array_equal(flip(still_clip, np.random.default_rng(0))[:, :, 0], still_clip[:, :, -1])


def test_crop_shares_one_rectangle_and_has_the_wanted_size(still_clip: np.ndarray) -> None:
    out = random_crop(still_clip, 32, np.random.default_rng(2))
    assert out.shape == (6, 32, 32, 3)
    assert (out == out[:1]).all()
