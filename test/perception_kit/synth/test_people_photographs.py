# SPDX-License-Identifier: Apache-2.0
"""Rendered photographs of people, read back."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from perception_kit.datasets.opener import open_dataset
from perception_kit.synth.__main__ import main

SIZE = ["--width", "96", "--height", "72"]


def render(out: Path, workers: int) -> None:
    amount = ["--seed", "3", "--frames", "10", *SIZE, "--workers", str(workers)]
    assert main(["--format", "photographs", *amount, "--out", str(out)]) == 0


def test_people_are_outlined_and_reproducible(tmp_path: Path) -> None:
    render(tmp_path / "one", 1)
    render(tmp_path / "two", 2)
    dataset, again = open_dataset(tmp_path / "one"), open_dataset(tmp_path / "two")
    assert len(dataset) == 10  # more than one scene
    assert dataset.class_names == {1: "person"}

    people = 0
    for index in range(len(dataset)):
        rgb, labels = dataset.color_and_labels(index)
        assert rgb.shape == (72, 96, 3)
        assert np.array_equal(rgb, again.rgb(index))
        assert np.array_equal(labels, again.labels(index))
        people += len(dataset.instances(index))
        if labels.any():  # somebody in clothes looks unlike what surrounds them
            assert np.abs(rgb[labels == 1].mean(0) - rgb[labels == 0].mean(0)).max() > 2
    assert people > 4
