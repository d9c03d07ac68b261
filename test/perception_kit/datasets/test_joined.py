# SPDX-License-Identifier: Apache-2.0
"""Several folders read as one dataset."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from dataset_layouts import write_linemod, write_scene, write_ycb_video

from perception_kit.datasets.files import DatasetError
from perception_kit.datasets.joined import open_datasets, with_background
from perception_kit.datasets.opener import open_dataset


def test_frames_of_all_parts_in_turn(tmp_path: Path) -> None:
    write_ycb_video(tmp_path / "a")
    write_ycb_video(tmp_path / "b")
    single = open_dataset(tmp_path / "a")
    joined = open_datasets([tmp_path / "a", tmp_path / "b"])
    assert len(joined) == 2 * len(single)
    assert joined.class_names == single.class_names
    assert [joined.name(k) for k in range(len(joined))] == [
        f"{folder}/{single.name(k)}" for folder in "ab" for k in range(len(single))
    ]
    for k in range(len(joined)):
        expected = single[k % len(single)]
        np.testing.assert_array_equal(joined[k].labels, expected.labels)
        np.testing.assert_array_equal(joined.labels(k), expected.labels)
        np.testing.assert_array_equal(joined.rgb(k), expected.rgb)
        np.testing.assert_array_equal(joined.depth(k), expected.depth)
        assert joined.intrinsics(k, *expected.depth.shape) == expected.intrinsics
        assert [instance.class_id for instance in joined.instances(k)] == [
            instance.class_id for instance in expected.instances
        ]
        assert joined.annotated_classes(k) == single.annotated_classes(k % len(single))


@pytest.mark.parametrize("index", [-1, 4])
def test_no_frame_beyond_the_ends(index: int, tmp_path: Path) -> None:
    write_ycb_video(tmp_path / "a")
    joined = open_datasets([tmp_path / "a", tmp_path / "a"])
    with pytest.raises(IndexError, match=f"frame {index} of 4"):
        joined.rgb(index)


def test_other_classes_are_refused(tmp_path: Path) -> None:
    write_scene(tmp_path / "bop")
    write_linemod(tmp_path / "linemod", {4: 117.0})
    with pytest.raises(
        DatasetError,
        match=r"linemod' has the classes \{4: 'obj_04'\}.*bop' has \{4: 'wedge', 9: 'person'\}",
    ):
        open_datasets([tmp_path / "bop", tmp_path / "linemod"], ["train"])


def test_one_folder_is_itself(tmp_path: Path) -> None:
    write_scene(tmp_path)
    assert type(open_datasets([tmp_path])) is type(open_dataset(tmp_path))


def test_a_background_shows_none_of_the_classes(tmp_path: Path) -> None:
    write_scene(tmp_path / "bop")
    write_linemod(tmp_path / "linemod", {4: 117.0})
    data = open_datasets([tmp_path / "bop"], ["train"], ["wedge"])
    joined = with_background(data, [tmp_path / "linemod"])
    assert joined.class_names == data.class_names
    assert len(joined) > len(data)
    assert not any(joined.instances(index) for index in range(len(data), len(joined)))
    assert with_background(data, []) is data


def test_a_background_with_a_trained_class_is_refused(tmp_path: Path) -> None:
    write_scene(tmp_path)
    data = open_datasets([tmp_path], ["train"])
    with pytest.raises(DatasetError, match="has the classes person, wedge, which are trained"):
        with_background(data, [tmp_path])
