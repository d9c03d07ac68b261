# SPDX-License-Identifier: Apache-2.0
"""Switches and fragments of objects, counted by tracker and class."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from bop_rectangles import NAMES, write_rectangles

from bench.article.identities import IdentityCounter, add_up, dataset_scenes
from perception_kit.types import Instance, Intrinsics


class PerfectSegmenter:
    """Finds what is annotated."""

    def __init__(self, found: list[list[Instance]]) -> None:
        self._found = iter(found)

    def __call__(
        self, rgb: np.ndarray, depth: np.ndarray | None, intrinsics: Intrinsics | None
    ) -> list[Instance]:
        return next(self._found)


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    """Twelve times the same image."""
    folder = write_rectangles(tmp_path / "scene", frames=12)
    images = sorted((folder / "train/000000").glob("*/*.png"))
    for image in images:
        first = image.with_name("000000" + image.name[6:])
        image.write_bytes(first.read_bytes())
    return folder


def test_each_object_is_counted_with_each_tracker(scene: Path) -> None:
    ((name, frames),) = dataset_scenes(scene)
    frames = list(frames)
    assert name == "000000"
    found = [list(frame.ground_truth.instances or []) for frame in frames]
    for instances in found:
        for number, instance in enumerate(instances):
            instance.descriptor = np.eye(3, dtype=np.float32)[number]
    counter = IdentityCounter(PerfectSegmenter(found), None, rate=2.0)  # type: ignore[arg-type]
    for number, frame in enumerate(frames):
        counter.add(number, frame)

    counts = counter.counts()
    assert set(counts) == {"λ = 0.5", "λ = 0.25", "node"}
    for classes in counts.values():
        assert set(classes) == set(NAMES.values())
        for values in classes.values():
            assert (values["id_switches"], values["fragments"]) == (0, 0)
            # A track is confirmed with its third frame.
            assert values["misses"] == 2 * values["truth_ids"]
            assert values["truth_boxes"] > 10 * values["truth_ids"]
    assert add_up([counts, counts])["node"]["red_box"]["misses"] == 8
