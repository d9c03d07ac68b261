# SPDX-License-Identifier: Apache-2.0
"""Which frames are scored: spread ones, or those of videos one after another."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from perception_kit.datasets.files import DatasetError
from pose6d_node.evaluation.chosen_frames import frame_notes, frames_to_use


class Scenes(SimpleNamespace):
    """A dataset of annotated scenes with so many frames each."""

    folder = Path("data")

    def __len__(self) -> int:
        return sum(self.counts)

    def scene(self, index: int) -> str:
        return next(str(k) for k in range(len(self.counts)) if index < sum(self.counts[: k + 1]))

    def instances(self, index: int) -> list[str]:
        return ["box"] * self.annotated


def dataset_of(*counts: int, annotated: bool = True) -> Any:
    return Scenes(counts=counts, annotated=annotated)


@pytest.mark.parametrize(
    ("counts", "most", "frames"),
    [
        ((60,), 6, [0, 1, 2, 3, 4, 5]),
        ((4, 3), 300, [0, 1, 2, 3, 4, 5, 6]),
        ((2, 10), 6, [0, 1, 2, 3, 4, 5]),
        ((10, 10), 6, [0, 1, 2, 10, 11, 12]),
        ((5, 5, 5), 4, [0, 1, 5, 6]),
        ((5, 5), 1, [0]),
    ],
)
def test_frames_of_videos_are_consecutive(
    counts: tuple[int, ...], most: int, frames: list[int]
) -> None:
    assert frames_to_use(dataset_of(*counts), most, consecutive=True) == frames


def test_other_frames_are_spread() -> None:
    assert frames_to_use(dataset_of(60, 41), 3) == [0, 50, 100]


def test_what_is_left_out_of_videos_is_said() -> None:
    dataset = dataset_of(10, 10)
    (note,) = frame_notes(dataset, [0, 1, 10, 11], consecutive=True)
    assert note == "4 of 20 frames are used, the first ones of 2 scenes"
    assert frame_notes(dataset, [0, 9], consecutive=False) == []
    assert frame_notes(dataset, list(range(20)), consecutive=True) == []


def test_frames_without_instances_are_refused() -> None:
    with pytest.raises(DatasetError, match="no instance is annotated in 1 frame of 'data'"):
        frames_to_use(dataset_of(3, annotated=False), 1)
