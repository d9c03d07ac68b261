# SPDX-License-Identifier: Apache-2.0
"""Frames in memory, reproducible samples and targets for torchvision."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from bop_rectangles import write_rectangles

from perception_kit.datasets.files import DatasetError
from perception_kit.datasets.opener import open_dataset
from pose6d_node.segmentation.dataset import (
    EMPTY_COLOR,
    TrainingSamples,
    detection_target,
    load_frames,
    network_image,
)
from pose6d_node.segmentation.network import IMAGE_MEAN


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_rectangles(tmp_path / "boxes", frames=5)


def test_frames_have_the_size_asked_for(folder: Path) -> None:
    frames = load_frames(open_dataset(folder), (80, 60))
    assert frames.rgb.shape == (5, 60, 80, 3)
    assert frames.labels.shape == (5, 60, 80)
    assert frames.class_names == ["red_box", "blue_box", "person"]
    assert frames.classes[0][:5].tolist() == [0, 1, 1, 2, 0]


def test_images_of_another_shape_are_not_stretched(folder: Path) -> None:
    dataset = open_dataset(folder)
    whole = load_frames(dataset, (80, 60), with_depth=True)
    fitted = load_frames(dataset, (80, 90), with_depth=True)
    for name in ("rgb", "labels", "depth"):
        np.testing.assert_array_equal(getattr(fitted, name)[:, :60], getattr(whole, name))
    assert (fitted.rgb[:, 60:] == EMPTY_COLOR).all()
    assert not fitted.labels[:, 60:].any()
    assert not fitted.depth[:, 60:].any()

    # 0 once it is normalised, as the border of a batch.
    empty = network_image(torch.tensor(EMPTY_COLOR).view(1, 3, 1, 1), None)
    assert (empty.flatten() - torch.tensor(IMAGE_MEAN)).abs().max() < 1 / 255


def test_hidden_instances_are_ignored(folder: Path) -> None:
    path = folder / "train" / "000000" / "scene_gt_info.json"
    info = json.loads(path.read_text())
    info["0"][1]["visib_fract"] = 0.09
    path.write_text(json.dumps(info))
    assert load_frames(open_dataset(folder), (80, 60)).classes[0][:5].tolist() == [0, 1, 0, 2, 0]


def test_unlisted_class_is_named(folder: Path) -> None:
    path = folder / "train" / "000000" / "scene_gt.json"
    ground_truth = json.loads(path.read_text())
    ground_truth["2"][0]["obj_id"] = 77
    path.write_text(json.dumps(ground_truth))
    expected = r"frame 2 in .*000000/scene_gt.json' shows an object 77"
    with pytest.raises(DatasetError, match=expected):
        load_frames(open_dataset(folder), (80, 60))


def test_frames_with_nothing_to_learn_from_are_refused(folder: Path) -> None:
    with pytest.raises(DatasetError, match="read at 8x6 pixels, show no instance"):
        load_frames(open_dataset(folder), (8, 6))


def test_a_pass_shows_every_frame_once_and_resumes_anywhere(folder: Path) -> None:
    frames = load_frames(open_dataset(folder), (80, 60))
    for k in range(5):
        frames.classes[k] = np.full(256, k)

    whole = TrainingSamples(frames, seed=3, start=0, count=15)
    for epoch in range(3):
        assert sorted(int(whole[5 * epoch + k][2][0]) for k in range(5)) == [0, 1, 2, 3, 4]

    later = TrainingSamples(frames, seed=3, start=7, count=4)
    for k in range(4):
        for expected, resumed in zip(whole[7 + k], later[k], strict=True):
            assert torch.equal(expected, resumed)


def test_target_boxes_enclose_their_masks() -> None:
    labels = torch.zeros((40, 60), dtype=torch.uint8)
    labels[10:20, 5:25] = 1
    labels[30:33, 50:52] = 2  # too few pixels to learn from
    labels[22:38, 30:46] = 3
    classes = torch.zeros(256, dtype=torch.int64)
    classes[1], classes[2], classes[3] = 4, 4, 2

    target = detection_target(labels, classes)
    assert target["boxes"].tolist() == [[5, 10, 25, 20], [30, 22, 46, 38]]
    assert target["labels"].tolist() == [4, 2]
    assert target["masks"].dtype == torch.uint8
    assert target["masks"].sum(dim=(1, 2)).tolist() == [200, 256]


def test_image_without_instances_has_an_empty_target() -> None:
    labels, classes = torch.zeros((40, 60), dtype=torch.uint8), torch.zeros(256, dtype=torch.int64)
    target = detection_target(labels, classes)
    assert target["boxes"].shape == (0, 4)
    assert target["masks"].shape == (0, 40, 60)
