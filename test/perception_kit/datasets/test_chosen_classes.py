# SPDX-License-Identifier: Apache-2.0
"""Some classes of a dataset."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from bop_rectangles import write_rectangles

from perception_kit.datasets.chosen_classes import ChosenClasses
from perception_kit.datasets.files import DatasetError
from perception_kit.datasets.joined import open_datasets


def test_objects_of_other_classes_are_background(tmp_path: Path) -> None:
    everything = open_datasets([write_rectangles(tmp_path, frames=2)])
    chosen = open_datasets([tmp_path], classes=["blue_box"])
    assert isinstance(chosen, ChosenClasses)
    assert chosen.class_names == {2: "blue_box"}
    assert [model.name for model in chosen.models.values()] == ["blue_box"]
    for index in range(2):
        frame, whole = chosen[index], everything[index]
        assert [instance.class_id for instance in whole.instances] == [1, 1, 2]
        assert [instance.class_id for instance in frame.instances] == [2]
        np.testing.assert_array_equal(frame.labels, whole.labels == 3)
        np.testing.assert_array_equal(frame.rgb, whole.rgb)
        assert chosen.annotated_classes(index) == {"blue_box"}
        assert chosen.name(index) == everything.name(index)


def test_labels_follow_the_instances_that_stay(tmp_path: Path) -> None:
    everything = open_datasets([write_rectangles(tmp_path, frames=1)])
    chosen = ChosenClasses(everything, ["red_box"])
    labels = everything.labels(0)
    np.testing.assert_array_equal(chosen.labels(0), np.where(labels <= 2, labels, 0))


def test_unknown_classes_are_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"no class mug: its classes are red_box, blue_box"):
        open_datasets([write_rectangles(tmp_path, frames=1)], classes=["mug", "red_box"])
