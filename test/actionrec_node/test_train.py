# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from actionrec_node import train
from actionrec_node.action_model import load_action_model
from actionrec_node.data import LabelledVideo
from actionrec_node.evaluation import evaluate, format_scores
from actionrec_node.training_clips import ClipSettings, TrainingClips, inverse_frequency_weights


@pytest.fixture
def data_folder(write_video, tmp_path: Path) -> Path:
    """Two classes: a square that stands still and one that runs; a held-out video of each."""
    times = np.arange(24) / 15
    for side, count in (("train", 2), ("val", 1)):
        for index in range(count):
            write_video(f"{side}/standing/{index}.mkv", times, speed=0.0)
            write_video(f"{side}/running/{index}.mkv", times, speed=30.0)
    return tmp_path


def _arguments(folder: Path, *more: str) -> list[str]:
    run = folder / "run"
    paths = ["--data", str(folder / "train"), "--val", str(folder / "val"), "--out", str(run / "m.safetensors"), "--run-dir", str(run)]
    return [*paths, "--batch-size", "2", "--workers", "0", "--accelerator", "cpu", *more]


def test_run_writes_model_and_record_and_resumes(data_folder: Path) -> None:
    train.main(_arguments(data_folder, "--steps", "2"))
    record = json.loads((data_folder / "run" / "m.safetensors.json").read_text())
    assert record["steps"] == 2
    assert record["data"]["train_windows"] == {"running": 18, "standing": 18}
    assert record["held_out"]["per_class"]["standing"]["support"] == 9
    model = load_action_model(data_folder / "run" / "m.safetensors")
    assert model.spec.class_names == ("running", "standing")
    train.main(_arguments(data_folder, "--steps", "3", "--resume"))
    assert torch.load(data_folder / "run" / "last.ckpt", weights_only=True)["clock"]["step"] == 3


def test_interrupted_run_sees_the_same_clips_as_an_uninterrupted_one(data_folder: Path) -> None:
    args = train.parse_arguments(_arguments(data_folder))
    spec, videos, _ = train.load_data(args)
    settings = ClipSettings(spec.clip_length, 112, "all", "sampling", seed=3)
    first, second = (TrainingClips(videos, spec.class_names, settings) for _ in range(2))
    assert torch.equal(first[1234][0], second[1234][0])
    assert not torch.equal(first[1234][0], first[1235][0])


def test_a_video_on_both_sides_is_refused(data_folder: Path) -> None:
    with pytest.raises(ValueError, match="2 videos are in both --data and --val"):
        train.read_folders([data_folder / "train", data_folder / "val"], data_folder / "val")


def _labelled(labels: list[int]) -> LabelledVideo:
    return LabelledVideo(Path("v"), np.zeros((len(labels), 8, 8, 3), np.uint8), np.array(labels))


def test_classes_are_drawn_equally_often() -> None:
    videos = [_labelled([0] * 200), _labelled([1] * 17)]
    counts = {}
    for balance in ("sampling", "none"):
        clips = TrainingClips(videos, ["a", "b"], ClipSettings(16, 8, "none", balance, seed=0))
        counts[balance] = np.bincount([clips[number][1] for number in range(400)], minlength=2)
    assert 150 < counts["sampling"][1] < 250
    assert counts["none"][1] < 20


def test_a_class_without_a_window_is_named() -> None:
    with pytest.raises(ValueError, match=r"no training window of 16 frames ends in \['b'\]"):
        TrainingClips([_labelled([0] * 20)], ["a", "b"], ClipSettings(16, 8, "none", "sampling", seed=0))


def test_rarest_class_weighs_one() -> None:
    assert inverse_frequency_weights(np.array([50, 100, 400])).tolist() == [1.0, 0.5, 0.125]


def test_moving_average_forgets_the_start_at_once() -> None:
    start, now = torch.zeros(2), torch.ones(2)
    assert torch.allclose(train.moving_average(start, now, torch.tensor(1)), torch.full((2,), 9 / 11))
    assert torch.allclose(train.moving_average(start, now, torch.tensor(10**6)), torch.full((2,), 1 - train.EMA_DECAY))


def test_predictions_hold_until_the_next_one(model_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = load_action_model(model_path)
    # Falling is seen by the clip that ends at frame 19, walking by the others (they end at 15, 23, ...).
    monkeypatch.setattr(model, "probabilities", lambda clips: np.where(clips[:, -1, 0, 0, :1] == 19, [[1, 0, 0]], [[0, 0, 1]]))
    frames = np.arange(32, dtype=np.uint8)[:, None, None, None].repeat(3, axis=3)
    labels = np.array([2] * 17 + [0] * 6 + [2] * 9)
    scores = evaluate(model, [LabelledVideo(Path("v"), frames, labels)], stride=4)
    assert scores["per_class"]["falling"] == {"precision": 1.0, "recall": pytest.approx(4 / 6), "f1": pytest.approx(0.8), "support": 6}
    assert scores["frame_accuracy"] == pytest.approx(15 / 17)
    assert (scores["falls"], scores["falls_missed"], scores["fall_delay_s"]) == (1, 0, pytest.approx(2 / 15))
    assert "macro F1" in format_scores(scores)
