# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from actionrec_node import evaluate as command
from actionrec_node.data.labeled_videos import LabeledVideo
from actionrec_node.evaluation.clip_scores import (
    PredictedVideo,
    clip_scores,
    evaluate_clips,
    format_scores,
)
from actionrec_node.networks.action_model import ActionModel, load_action_model, save_action_model
from actionrec_node.networks.action_model_spec import ActionModelSpec


def test_predictions_hold_until_the_next_one(
    model_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = load_action_model(model_path)
    # Falling is seen by the clip that ends at frame 19, walking by the others (they end at 15, 23,
    # ...).
    scores_by_fall = {True: [1.0, 0.0, 0.0], False: [0.0, 0.0, 1.0]}
    monkeypatch.setattr(
        model,
        "probabilities",
        lambda clips: np.array([scores_by_fall[bool(clip[-1, 0, 0, 0] == 19)] for clip in clips]),
    )
    frames = np.arange(32, dtype=np.uint8)[:, None, None, None].repeat(3, axis=3)
    labels = np.array([2] * 17 + [0] * 6 + [2] * 9)
    scores = evaluate_clips(model, [LabeledVideo(Path("v"), frames, labels)], stride=4)

    assert scores["frames"]["per_class"]["falling"] == {
        "precision": 1.0,
        "recall": pytest.approx(4 / 6),
        "f1": pytest.approx(0.8),
        "support": 6,
    }
    assert scores["frames"]["accuracy"] == pytest.approx(15 / 17)
    assert (scores["falls"], scores["falls_missed"]) == (1, 0)
    assert scores["fall_delay_s"] == pytest.approx(2 / 15)

    assert scores["clips"] == 3
    assert scores["per_class"]["falling"] == {
        "precision": 1.0,
        "recall": 1.0,
        "f1": 1.0,
        "support": 1,
    }
    assert "accuracy 1.000 of clips, 0.882 of frames" in format_scores(scores)


def test_a_clip_has_the_highest_mean_score_of_its_windows() -> None:
    # Windows 3, 5 and 7 lie in the first clip and say a with 0.567 on average; 9 ends too soon
    # after the change to count.
    scores = np.array([[0.9, 0.1], [0.4, 0.6], [0.4, 0.6], [0.1, 0.9], [0.0, 1.0]])
    video = PredictedVideo(np.array([0] * 8 + [1] * 4), np.array([3, 5, 7, 9, 11]), scores)
    result = clip_scores([video], ["a", "b"], clip_length=4, clip_fps=10.0)
    assert result["confusion"] == [[1, 0, 0], [0, 1, 0]]
    assert result["frames"]["confusion"] == [[2, 3, 0], [0, 4, 0]]


def test_windows_count_by_their_frames_within_the_clip() -> None:
    # The clip b begins at frame 4: of the windows of six frames that end at 6 and 9, three and six
    # lie in it.
    scores = np.array([[1.0, 0.0], [0.8, 0.2], [0.3, 0.7]])
    video = PredictedVideo(np.array([0] * 4 + [1] * 6), np.array([5, 6, 9]), scores)
    result = clip_scores([video], ["a", "b"], clip_length=6, clip_fps=10.0)
    assert result["confusion"] == [[0, 0, 0], [0, 1, 0]]


def test_clips_that_no_window_sees_are_counted() -> None:
    scores = np.array([[0.2, 0.8], [0.2, 0.8]])
    video = PredictedVideo(np.array([0] * 3 + [1] * 5), np.array([5, 7]), scores)
    result = clip_scores([video], ["a", "b"], clip_length=6, clip_fps=10.0)
    assert (result["clips"], result["clips_without_window"]) == (1, 1)
    assert result["per_class"]["a"]["support"] == 0


def _tiny_model(path: Path, names: tuple[str, ...]) -> Path:
    save_action_model(
        path, ActionModel(ActionModelSpec("resnext3d_compact", names, input_size=(32, 32)))
    )
    return path


def test_the_command_writes_metrics_and_plots(write_video, tmp_path: Path) -> None:
    for label in ("falling", "walking"):
        write_video(f"data/{label}/a.mkv", np.arange(30) / 15)
    model = _tiny_model(tmp_path / "m.safetensors", ("falling", "running", "walking"))
    out = tmp_path / "out"
    arguments = ["--data", str(tmp_path / "data"), "--model", str(model), "--out", str(out)]
    assert command.main(arguments) == 0

    metrics = json.loads((out / "metrics.json").read_text())
    assert {name: score["support"] for name, score in metrics["per_class"].items()} == {
        "falling": 1,
        "running": 0,
        "walking": 1,
    }
    assert list(metrics["per_class"]["falling"]) == ["precision", "recall", "f1", "support"]
    assert np.sum(metrics["confusion"]) == metrics["clips"] == 2
    assert np.sum(metrics["frames"]["confusion"]) == 30
    assert 0 <= metrics["roc_falling"]["auc"] <= 1
    assert metrics["fall_alarm"]["falls"] == 1
    assert metrics["fall_alarm"]["minutes"] == pytest.approx(30 / 15 / 60)
    assert metrics["architecture"] == "resnext3d_compact"
    seconds = metrics["seconds_per_clip"]
    assert 0 < seconds["network"] <= seconds["with_preprocessing"]

    assert {path.name for path in out.glob("*.png")} == {
        "confusion.png",
        "per_class.png",
        "roc_falling.png",
        "fall_alarm.png",
    }

    shutil.rmtree(tmp_path / "data" / "falling")
    assert command.main(arguments) == 0
    plots = {path.name for path in out.glob("*.png")}
    assert plots == {"confusion.png", "per_class.png"}, "no curve of other data is left"


@pytest.mark.parametrize(
    ("case", "message"),
    [
        pytest.param("label", "a.mkv' is labelled ['swimming']", id="label that the model lacks"),
        pytest.param("short", "a.mkv' has 3 frames at 15 fps, a clip needs 16", id="three frames"),
        pytest.param("corrupt", "a.mkv' could not be decoded", id="corrupt"),
        pytest.param("empty", "walking' holds no video", id="empty class folder"),
        pytest.param("nowhere", "does not exist", id="no folder"),
        pytest.param("out", "is-a-file", id="output folder that is a file"),
        pytest.param("proc", "/proc/self/task", id="output folder that cannot be written to"),
        pytest.param(
            "missing",
            "1 of 1 labelled videos do not exist, such as '",
            id="video that is not there",
        ),
        pytest.param(
            "late",
            "no clip of 16 frames at 15 fps ends in a labelled segment",
            id="nothing to score",
        ),
        pytest.param(
            "boxes", "boxes.csv says of 1 of 1 videos, such as '", id="boxes beside the image"
        ),
    ],
)
def test_data_that_cannot_be_scored_is_named(
    write_video, tmp_path: Path, capsys: pytest.CaptureFixture[str], case: str, message: str
) -> None:
    label = "swimming" if case == "label" else "walking"
    if case != "nowhere":
        video = write_video(f"data/{label}/a.mkv", np.arange(3 if case == "short" else 20) / 15)
    if case == "corrupt":
        video.write_bytes(b"no video")
    if case == "empty":
        video.unlink()
    if case in ("missing", "late"):
        (tmp_path / "data" / "walking").rename(tmp_path / "data" / "videos")
        name = "videos/b.mkv" if case == "missing" else "videos/a.mkv"
        (tmp_path / "data" / "labels.csv").write_text(
            f"video,start,end,label\n{name},0,0.5,walking\n"
        )
    if case == "boxes":
        (tmp_path / "data" / "boxes.csv").write_text(
            "video,time,x_min,y_min,x_max,y_max\nwalking/a.mkv,0.5,900,900,990,990\n"
        )
    (tmp_path / "is-a-file").touch()
    unusable = {"out": tmp_path / "is-a-file", "proc": Path("/proc/self/task")}
    out = unusable.get(case, tmp_path / "out")

    model = _tiny_model(tmp_path / "m.safetensors", ("falling", "walking"))
    people = ["--per-person"] if case == "boxes" else []
    arguments = ["--data", str(tmp_path / "data"), "--model", str(model), "--out", str(out)]
    assert command.main([*arguments, *people]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--stride", "0"], "argument --stride: must be a whole number of at least 1"),
        (["--per-person", "0.5"], "argument --per-person: must be a number of at least 1"),
        (["--folder-fps", "0"], "argument --folder-fps: must be a positive number"),
        (["--device", "tpu"], "argument --device: unknown device 'tpu'"),
    ],
)
def test_options_that_make_no_sense(
    capsys: pytest.CaptureFixture[str], more: list[str], message: str
) -> None:
    with pytest.raises(SystemExit):
        command.parse_arguments(["--data", "d", "--model", "m.safetensors", "--out", "o", *more])
    assert message in capsys.readouterr().err
