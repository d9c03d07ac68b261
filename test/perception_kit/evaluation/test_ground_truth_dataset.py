# SPDX-License-Identifier: Apache-2.0
"""Ground truth from folders of annotated frames."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from dataset_layouts import write_scene
from scipy.io import savemat

from perception_kit.evaluation.ground_truth import FrameGroundTruth, FrameKey, GroundTruthError
from perception_kit.evaluation.ground_truth_dataset import DatasetGroundTruth

KEYS = [FrameKey(0, 100), FrameKey(1, 200)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two frames of classes 2 (visible) and 3 (hidden) in the data set's layout."""
    for name in ("002_can", "003_box", "004_mug"):
        (tmp_path / "models" / name).mkdir(parents=True)
    folder = tmp_path / "data" / "0000"
    folder.mkdir(parents=True)
    for k in (1, 2):
        labels = np.zeros((48, 64), np.uint8)
        labels[10:20, 30 + k : 45 + k] = 2
        cv2.imwrite(str(folder / f"{k:06d}-label.png"), labels)
        poses = np.stack([np.hstack([np.eye(3), [[0.1 * k], [0], [1]]]), np.zeros((3, 4))], axis=2)
        savemat(folder / f"{k:06d}-meta.mat", {"cls_indexes": [[2], [3]], "poses": poses})
    return folder


def test_frames_in_order(folder: Path) -> None:
    first, second = DatasetGroundTruth(folder, 2).frames(KEYS)
    [instance] = second.instances
    assert (instance.class_id, instance.class_name, instance.score) == (2, "003_box", 1.0)
    assert instance.box.tolist() == [32, 10, 47, 20]
    assert instance.full_mask(48, 64).sum() == 150
    assert np.allclose(first.poses[0].translation, [0.1, 0, 1])
    assert first.tracks[0].id == second.tracks[0].id == 2
    assert first.action is None


def test_number_of_frames_must_be_that_of_the_recording(folder: Path) -> None:
    with pytest.raises(GroundTruthError, match="has 2 frames, the recording 3"):
        DatasetGroundTruth(folder, 3)


def test_frames_that_were_not_played_are_left_out(folder: Path) -> None:
    [second] = DatasetGroundTruth(folder, 2).frames(KEYS[1:])
    assert second.instances[0].box.tolist() == [32, 10, 47, 20]


def test_what_is_missing_is_named(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(GroundTruthError, match="holds no frames in a known layout"):
        DatasetGroundTruth(tmp_path / "models", 2)
    (tmp_path / "models" / "003_box").rmdir()
    (tmp_path / "models" / "004_mug").rmdir()
    with pytest.raises(GroundTruthError, match="names class 2, but there are 1 model folders"):
        list(DatasetGroundTruth(folder, 2).frames(KEYS))
    (folder / "000001-label.png").unlink()
    with pytest.raises(GroundTruthError, match=r"000001-label\.png' is missing"):
        list(DatasetGroundTruth(folder, 2).frames(KEYS))


def test_real_frames(recorded_frames: Callable[[str], Path]) -> None:
    source = DatasetGroundTruth(recorded_frames("0000"), 5)
    frames = list(source.frames([FrameKey(k, k) for k in range(5)]))
    assert [instance.class_name for instance in frames[0].instances] == [
        "009_gelatin_box",
        "025_mug",
        "061_foam_brick",
    ]
    assert all(0.3 < pose.translation[2] < 1.5 for frame in frames for pose in frame.poses)


@pytest.mark.parametrize("as_scene", [True, False])
def test_bop_folder_or_one_of_its_scenes(tmp_path: Path, as_scene: bool) -> None:
    scene = write_scene(tmp_path)
    [ground_truth] = DatasetGroundTruth(scene if as_scene else tmp_path, 1).frames(KEYS[:1])
    assert [(found.class_name, found.score) for found in ground_truth.instances] == [
        ("wedge", 0.5),
        ("person", 1.0),
    ]
    assert [track.id for track in ground_truth.tracks] == [4, 9]


def test_frames_named_by_their_stamps_are_joined_by_stamp(tmp_path: Path) -> None:
    scene, stamp = write_scene(tmp_path), 1_700_000_000_000_000_007
    for path in scene.rglob("*.json"):
        path.write_text(path.read_text().replace('"7"', f'"{stamp}"'))
    for path in scene.glob("mask_visib/*.png"):
        path.rename(path.with_name(path.name.replace("000007", str(stamp))))
    before, found = DatasetGroundTruth(scene, 2).frames(
        [FrameKey(0, stamp - 10**9), FrameKey(1, stamp)]
    )
    assert before == FrameGroundTruth()
    assert len(found.instances) == 2


def test_instances_of_a_class_are_told_apart(tmp_path: Path) -> None:
    scene = write_scene(tmp_path)
    for path in scene.rglob("*.json"):
        path.write_text(path.read_text().replace('"obj_id": 9', '"obj_id": 4'))
    [ground_truth] = DatasetGroundTruth(scene, 1).frames(KEYS[:1])
    assert [track.id for track in ground_truth.tracks] == [4, 100_004]
