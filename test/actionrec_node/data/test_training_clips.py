# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch

from actionrec_node.data.annotations import DataError
from actionrec_node.data.clip_settings import ClipSettings
from actionrec_node.data.labeled_videos import LabeledVideo
from actionrec_node.data.training_clips import (
    TrainingClips,
    batches,
    inverse_frequency_weights,
)
from actionrec_node.networks.action_model_spec import new_spec

SPEC = new_spec("resnext3d_compact", ("a", "b"), input_size=(8, 8))


def _labeled(labels: list[int]) -> LabeledVideo:
    frames = np.random.default_rng(len(labels)).integers(0, 256, (len(labels), 10, 10, 3), np.uint8)
    return LabeledVideo(Path("v"), frames, np.array(labels))


def test_classes_are_drawn_equally_often() -> None:
    videos = [_labeled([0] * 200), _labeled([1] * 17)]
    counts = {}
    for balance in ("sampling", "none"):
        clips = TrainingClips(videos, SPEC, ClipSettings("none", balance))
        counts[balance] = np.bincount([clips[number][1] for number in range(400)], minlength=2)
    assert 150 < counts["sampling"][1] < 250
    assert counts["none"][1] < 20


def test_folders_of_a_class_are_drawn_equally_often(tmp_path: Path) -> None:
    folders = [tmp_path / "rendered", tmp_path / "real"]
    videos = [_labeled([0] * 200), _labeled([0] * 20), _labeled([1] * 20)]
    for video, folder in zip(videos, (*folders, folders[0]), strict=True):
        video.path = folder / "v.mp4"
        video.frames = np.full((len(video.labels), 10, 10, 3), folder is folders[1], np.uint8)
    numbers = {folder / "v.mp4": number for number, folder in enumerate(folders)}
    clips = TrainingClips(videos, SPEC, ClipSettings("none"), numbers)
    drawn = [clips[number] for number in range(400)]
    of_class = [float(clip[0].max()) for clip, label in drawn if label == 0]
    is_real = [value > min(of_class) for value in of_class]
    assert 0.35 < np.mean(is_real) < 0.65


def test_a_clip_depends_on_seed_and_number_alone() -> None:
    videos = [_labeled([0] * 30), _labeled([1] * 30)]
    clips, again, of_another_seed = (
        TrainingClips(videos, SPEC, ClipSettings("all", "sampling", seed)) for seed in (3, 3, 4)
    )
    assert torch.equal(clips[1234][0][0], again[1234][0][0])
    assert not torch.equal(clips[1234][0][0], clips[1235][0][0])
    assert not torch.equal(clips[1234][0][0], of_another_seed[1234][0][0])


def test_processes_share_the_clips_of_one_process() -> None:
    clips = TrainingClips([_labeled([0] * 30), _labeled([1] * 30)], SPEC, ClipSettings())
    alone = [batch[0] for (batch, _) in islice(batches(clips, 4, first_step=2, workers=0), 2)]
    for process in range(2):
        own = batches(clips, 2, 2, 0, process, processes=2)
        for (batch, _), whole in zip(islice(own, 2), alone, strict=True):
            assert torch.equal(batch[0], whole[2 * process : 2 * process + 2])


def test_an_epoch_has_one_clip_for_each_labeled_stretch() -> None:
    videos = [_labeled([0] * 30 + [1] * 20 + [0] * 10), _labeled([1] * 30)]
    clips = TrainingClips(videos, SPEC, ClipSettings())
    assert clips.epoch_clips == 4


def test_a_class_without_a_window_is_named() -> None:
    with pytest.raises(DataError, match=r"no training window of 16 frames ends in \['b'\]"):
        TrainingClips([_labeled([0] * 20)], SPEC, ClipSettings())


def test_rarest_class_weighs_one() -> None:
    assert inverse_frequency_weights(np.array([50, 100, 400])).tolist() == [1.0, 0.5, 0.125]
