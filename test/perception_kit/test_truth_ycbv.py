# SPDX-License-Identifier: Apache-2.0
"""Truth of YCB-Video folders."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from scipy.io import savemat

from perception_kit.truth import FrameKey, TruthError
from perception_kit.truth_ycbv import YcbVideoTruth

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
    first, second = YcbVideoTruth(folder, 2).frames(KEYS)
    [instance] = second.instances
    assert (instance.class_id, instance.class_name, instance.score) == (2, "003_box", 1.0)
    assert instance.box.tolist() == [32, 10, 47, 20]
    assert instance.full_mask(48, 64).sum() == 150
    assert np.allclose(first.poses[0].translation, [0.1, 0, 1])
    assert first.tracks[0].id == second.tracks[0].id == 2
    assert first.action is None


def test_number_of_frames_must_be_that_of_the_recording(folder: Path) -> None:
    with pytest.raises(TruthError, match="has 2 frames, the recording 3"):
        YcbVideoTruth(folder, 3)


def test_frames_that_were_not_played_are_left_out(folder: Path) -> None:
    [second] = YcbVideoTruth(folder, 2).frames(KEYS[1:])
    assert second.instances[0].box.tolist() == [32, 10, 47, 20]


def test_what_is_missing_is_named(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(TruthError, match=r"holds no NNNNNN-meta\.mat"):
        YcbVideoTruth(tmp_path / "models", 2)
    with pytest.raises(TruthError, match="no folder of models with one sub-folder per class"):
        YcbVideoTruth(folder, 2, models=tmp_path / "nowhere")
    (tmp_path / "models" / "003_box").rmdir()
    (tmp_path / "models" / "004_mug").rmdir()
    with pytest.raises(TruthError, match="names class 2, but there are 1 model folders"):
        list(YcbVideoTruth(folder, 2).frames(KEYS))
    (folder / "000001-label.png").unlink()
    with pytest.raises(TruthError, match=r"000001-label\.png' is missing"):
        list(YcbVideoTruth(folder, 2).frames(KEYS))


def test_real_frames(shared_dir: Path) -> None:
    frames = list(YcbVideoTruth(shared_dir / "data/pose_ycbv/frames/data/0000", 5).frames([FrameKey(k, k) for k in range(5)]))
    assert [instance.class_name for instance in frames[0].instances] == ["009_gelatin_box", "025_mug", "061_foam_brick"]
    assert all(0.3 < pose.translation[2] < 1.5 for frame in frames for pose in frame.poses)
