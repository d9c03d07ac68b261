# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from interrupted_training import assert_resume_is_exact
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from actionrec_node import evaluate, train
from actionrec_node.networks.action_model import ActionModel, load_action_model, save_action_model
from actionrec_node.networks.action_model_spec import new_spec
from actionrec_node.trainer import ActionTrainer
from actionrec_node.training_data import load_data

TINY = ["--input-size", "32", "--batch-size", "2", "--workers", "0", "--accelerator", "cpu"]


def _arguments(folder: Path, *more: str) -> list[str]:
    run = folder / "run"
    data = ["--data", str(folder / "train"), "--val", str(folder / "val")]
    return [*data, "--out", str(run / "m.safetensors"), "--run-dir", str(run), *TINY, *more]


def test_run_writes_model_record_config_and_events(data_folder: Path) -> None:
    train.main(_arguments(data_folder, "--steps", "2", "--evaluate-every", "1"))
    run = data_folder / "run"
    record = json.loads((run / "m.safetensors.json").read_text())
    assert record["steps"] == 2
    assert record["data"]["train_windows"] == {"running": 18, "standing": 18}
    assert record["held_out"]["per_class"]["standing"]["support"] == 1
    assert record["held_out"]["frames"]["per_class"]["standing"]["support"] == 9
    model = load_action_model(run / "m.safetensors")
    assert (model.spec.class_names, model.spec.input_size) == (("running", "standing"), (32, 32))
    assert yaml.safe_load((run / "config.yaml").read_text())["batch-size"] == 2
    events = EventAccumulator(str(run)).Reload()
    assert [event.step for event in events.Scalars("held_out/running/recall")] == [1, 2]


@pytest.mark.slow
@pytest.mark.timeout(1200)  # starts two processes, on a machine that may be busy
@pytest.mark.parametrize("schedule", [["--optimizer", "adamw"], ["--epochs", "3"]])
def test_a_run_that_was_killed_and_resumed_is_the_one_that_was_not(
    data_folder: Path, monkeypatch: pytest.MonkeyPatch, schedule: list[str]
) -> None:
    # four videos, two in a batch: two steps an epoch
    data = ["--data", str(data_folder / "train"), "--val", str(data_folder / "val")]
    arguments = [*data, *TINY, "--augmentation", "all", *schedule]
    assert_resume_is_exact(monkeypatch, "actionrec_node.train", arguments, data_folder / "run")


def test_learning_rate_of_sgd_falls_to_a_tenth_at_chosen_epochs(
    data_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rates = []
    step = ActionTrainer.step

    def note(trainer: ActionTrainer, *batch: Any) -> Any:
        rates.append(trainer.optimizer.param_groups[0]["lr"])
        return step(trainer, *batch)

    monkeypatch.setattr(ActionTrainer, "step", note)
    # Four videos, two in a batch: two steps an epoch.
    train.main(
        _arguments(data_folder, "--optimizer", "sgd", "--epochs", "3", "--lr-steps", "1", "2")
    )
    assert rates == pytest.approx([0.01, 0.01, 0.001, 0.001, 0.0001, 0.0001])


def test_fine_tuning_replaces_the_head_and_leaves_frozen_stages_alone(data_folder: Path) -> None:
    torch.manual_seed(5)
    published = ActionModel(
        new_spec("resnext3d_compact", [f"class {index}" for index in range(7)])
    ).network.state_dict()
    torch.save(
        {"state_dict": {f"module.{name}": tensor for name, tensor in published.items()}},
        data_folder / "published.pth",
    )
    weights = [
        "--weights",
        str(data_folder / "published.pth"),
        "--freeze-through",
        "layer2",
        "--optimizer",
        "sgd",
    ]
    train.main(_arguments(data_folder, "--steps", "2", *weights))
    tuned = load_action_model(data_folder / "run" / "m.safetensors").network.state_dict()
    frozen = {
        name for name in published if name.startswith(("conv1.", "bn1.", "layer1.", "layer2."))
    }
    assert {name for name in frozen if not torch.equal(published[name], tuned[name])} == set()
    trained = {name for name in published if name.endswith("conv2.weight")} - frozen
    assert trained
    assert all(not torch.equal(published[name], tuned[name]) for name in trained)
    assert tuned["fc.weight"].shape == (2, 512)


def test_fine_tuning_keeps_the_head_of_a_model_of_the_same_classes(data_folder: Path) -> None:
    torch.manual_seed(5)
    before = ActionModel(new_spec("resnext3d_compact", ["running", "standing"]))
    save_action_model(data_folder / "before.safetensors", before)
    train.main(
        _arguments(
            data_folder, "--steps", "1", "--weights", str(data_folder / "before.safetensors")
        )
    )
    tuned = load_action_model(data_folder / "run" / "m.safetensors").network.state_dict()
    # One step moves the head a little; a fresh one would lie elsewhere.
    assert (
        0
        < (tuned["fc.weight"] - before.network.fc.weight).abs().max()
        < 0.01
        < before.network.fc.weight.abs().max()
    )


def test_a_part_of_the_weights_before_the_training_can_be_kept(data_folder: Path) -> None:
    torch.manual_seed(5)
    before = ActionModel(new_spec("resnext3d_compact", ["running", "standing"]))
    save_action_model(data_folder / "before.safetensors", before)
    states = {}
    for name, option in {"trained": [], "mixed": ["--wise-ft", "0.25"]}.items():
        more = ["--steps", "2", "--weights", str(data_folder / "before.safetensors"), *option]
        more += ["--out", str(data_folder / name / "m.safetensors")]
        more += ["--run-dir", str(data_folder / name)]
        train.main(_arguments(data_folder, *more))
        model = load_action_model(data_folder / name / "m.safetensors")
        states[name] = model.network.state_dict()
    for name, tensor in before.network.state_dict().items():
        if tensor.is_floating_point():
            expected = 0.75 * tensor + 0.25 * states["trained"][name]
            torch.testing.assert_close(states["mixed"][name], expected)


def test_a_fall_class_of_any_name_raises_the_alarm(
    data_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for side in ("train", "val"):
        (data_folder / side / "running").rename(data_folder / side / "Fall Down")
    model, val = data_folder / "run" / "m.safetensors", ["--data", str(data_folder / "val")]
    score = ["--model", str(model), "--out", str(data_folder / "ev")]

    def metrics() -> dict[str, Any]:
        assert evaluate.main([*val, *score]) == 0
        return json.loads((data_folder / "ev" / "metrics.json").read_text())

    # Without a choice, both commands say that there is no alarm.
    train.main(_arguments(data_folder, "--steps", "1"))
    assert metrics()["fall_alarm"] is None
    said = capsys.readouterr().err
    assert said.count("there is no fall alarm") == 2
    assert "--alarm-class 'Fall Down'" in said

    # The class that is named raises it, and goes on doing so when the model is trained further.
    first = data_folder / "first.safetensors"
    chosen = ["--alarm-class", "Fall Down", "--out", str(first)]
    train.main(
        _arguments(data_folder, "--steps", "1", *chosen, "--run-dir", str(data_folder / "a"))
    )
    more = ["--weights", str(first), "--run-dir", str(data_folder / "b")]
    train.main(_arguments(data_folder, "--steps", "1", *more))
    found = metrics()
    assert found["alarm_classes"] == ["Fall Down"]
    assert (found["falls"], found["fall_alarm"]["falls"]) == (1, 1)
    assert found["roc_falling"]["auc"] is not None
    assert "no fall alarm" not in capsys.readouterr().err


def test_held_out_fraction_by_its_old_name(
    data_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    at = (arguments := _arguments(data_folder)).index("--val")
    del arguments[at : at + 2]
    assert train.parse_arguments([*arguments, "--val-share=0.5"]).val_fraction == 0.5
    assert "warning: --val-share is now called --val-fraction" in capsys.readouterr().err
    (tmp_path / "old.yaml").write_text("val_share: 0.25\n")
    options = train.parse_arguments([*arguments, "--config", str(tmp_path / "old.yaml")])
    assert options.val_fraction == 0.25
    assert "warning: --val-share is now called --val-fraction" in capsys.readouterr().err


def test_held_out_fraction_of_one_folder_by_subject(data_folder: Path) -> None:
    arguments = _arguments(data_folder, "--val-fraction", "0.5", "--group-pattern", r"(\d)\.mkv")
    at = arguments.index("--val")
    args = train.parse_arguments([*arguments[:at], *arguments[at + 2 :]])
    args.run_dir.mkdir()
    data = load_data(args)
    assert [{video.path.name for video in side} for side in (data.train, data.held_out)] in (
        [{"0.mkv"}, {"1.mkv"}],
        [{"1.mkv"}, {"0.mkv"}],
    )


def test_nothing_of_data_that_is_only_trained_on_is_held_out(
    data_folder: Path, tmp_path: Path
) -> None:
    arguments = _arguments(data_folder, "--fold", "1/2", "--also-train", str(tmp_path / "more"))
    at = arguments.index("--val")
    arguments = [*arguments[:at], *arguments[at + 2 :]]
    shutil.copytree(arguments[arguments.index("--data") + 1], tmp_path / "more")

    args = train.parse_arguments(arguments)
    args.run_dir.mkdir()
    data = load_data(args)
    assert (len(data.train), len(data.held_out)) == (6, 2)
    assert sum("more" in video.path.parts for video in data.train) == 4


def test_subjects_of_both_sides_are_named(
    data_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for side, subjects in {"train": "AB", "val": "BC"}.items():
        lines = [
            f"{label}/0.mkv,0,inf,{label},{subject}"
            for label, subject in zip(("standing", "running"), subjects, strict=True)
        ]
        (data_folder / side / "labels.csv").write_text(
            "\n".join(["video,start,end,label,subject", *lines])
        )
    train.main(_arguments(data_folder, "--steps", "1"))
    assert "warning: subjects of both sides of the data: B; scores of" in capsys.readouterr().err
    record = json.loads((data_folder / "run" / "m.safetensors.json").read_text())
    assert record["data"]["shared_subjects"] == ["B"]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--freeze-through", "layer1"], "--freeze-through needs --weights"),
        (["--wise-ft", "0.5"], "--wise-ft needs --weights: it takes the mean with them"),
        (["--val-fraction", "0.1"], "give one of --val, --val-fraction and --fold"),
        (
            ["--accelerator", "cpu", "--precision", "bf16-mixed"],
            "--precision bf16-mixed needs a GPU here",
        ),
        (["--group-pattern", "S1"], "--group-pattern needs --val-fraction or --fold"),
        (["--fold", "3/2"], "argument --fold: expected K/N with K from 1 to N"),
        (["--epochs", "1", "--steps", "25"], "give either --epochs or --steps and --max-minutes"),
        (["--epochs", "1", "--max-minutes", "1"], "give either --epochs or --steps"),
        (["--lr-steps", "3"], "--lr-steps needs --optimizer sgd"),
        (["--steps", "0"], "argument --steps: must be a whole number of at least 1, got '0'"),
        (
            ["--clip-length", "1"],
            "argument --clip-length: must be a whole number of at least 2, got '1'",
        ),
        (
            ["--input-size", "1"],
            "argument --input-size: input_size is (1, 1), expected a list of 2, each of them a"
            " whole number from 8 to 4096",
        ),
        (
            ["--clip-length", "1025"],
            "argument --clip-length: clip_length is 1025, expected a whole number from 2 to 1024",
        ),
        (
            ["--clip-fps", "1e-3"],
            "argument --clip-fps: clip_fps is 0.001, expected a number from 0.01 to 1000",
        ),
        (
            ["--clip-length", "1024", "--input-size", "512"],
            "in all: lower --clip-length or --input-size",
        ),
        (["--learning-rate", "0"], "argument --learning-rate: must be a positive number, got '0'"),
        (
            ["--label-smoothing", "1"],
            "argument --label-smoothing: must be a number of at least 0 and below 1, got '1'",
        ),
        (
            ["--out", "model"],
            "argument --out: must be a file whose name ends in .safetensors, got 'model'",
        ),
    ],
)
def test_options_that_do_not_go_together(
    data_folder: Path, capsys: pytest.CaptureFixture[str], more: list[str], message: str
) -> None:
    with pytest.raises(SystemExit):
        train.parse_arguments(_arguments(data_folder, *more))
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("case", "message"),
    [
        ("one class", "show the one class ['standing']"),
        ("both sides", "2 videos are in two of the data folders"),
        ("no checkpoint", "there is no checkpoint"),
        ("no stage", "cannot freeze up to 'layer9', expected one of conv1, layer1"),
        ("other classes", "--wise-ft 0.5 needs --weights of the same classes, expected running"),
        ("no fraction", "the fraction to hold out must be above 0 and below 1, got 2"),
        ("no pattern", "'(' is no regular expression"),
        ("no folder", "is-a-file' must be a folder, but there is a file: name another --run-dir"),
        (
            "one clip of one pixel",
            (
                "1 clips of 16 pixels at once cannot be trained on (Expected more than 1 value per"
                " channel"
            ),
        ),
        ("too fast", "the loss is nan at step"),
        ("no alarm class", "['fall'] are none of the classes 'running', 'standing'"),
        (
            "--surroundings 0.25",
            "--surroundings must know where people are, but no boxes.csv of",
        ),
        (
            "--backgrounds photos --surroundings 0.25",
            "--surroundings and --backgrounds must know where people are",
        ),
        ("no name", "these labels cannot be classes of a model: class_names is ('fall\\nover'"),
        ("no weights", "model file 'none.safetensors' does not exist"),
    ],
)
def test_what_cannot_be_trained_on_ends_the_command_with_a_message(
    data_folder: Path, case: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = _arguments(data_folder, "--steps", "1")
    if case == "one class":
        (data_folder / "train" / "running").rename(data_folder / "elsewhere")
    elif case == "both sides":
        arguments += ["--data", str(data_folder / "val")]
    elif case == "no checkpoint":
        arguments += ["--resume"]
    elif case == "no stage":
        model = ActionModel(new_spec("resnext3d_compact", ["a", "b"]))
        save_action_model(data_folder / "w.safetensors", model)
        arguments += ["--weights", str(data_folder / "w.safetensors"), "--freeze-through", "layer9"]
    elif case == "other classes":
        model = ActionModel(new_spec("resnext3d_compact", ["a", "b"]))
        save_action_model(data_folder / "w.safetensors", model)
        arguments += ["--weights", str(data_folder / "w.safetensors"), "--wise-ft", "0.5"]
    elif case in ("no fraction", "no pattern"):
        at = arguments.index("--val")
        del arguments[at : at + 2]
        arguments += (
            ["--val-fraction", "2"]
            if case == "no fraction"
            else ["--val-fraction", "0.5", "--group-pattern", "("]
        )
    elif case == "one clip of one pixel":
        arguments += ["--batch-size", "1", "--input-size", "16"]
    elif case == "too fast":
        arguments += ["--learning-rate", "1e30", "--optimizer", "sgd", "--steps", "20"]
    elif case == "no alarm class":
        arguments += ["--alarm-class", "fall"]
    elif case == "no name":
        (data_folder / "train" / "running").rename(data_folder / "train" / "fall\nover")
    elif case.startswith("--"):
        arguments += case.split()
    elif case == "no folder":
        (data_folder / "is-a-file").touch()
        arguments += ["--run-dir", str(data_folder / "is-a-file")]
    else:
        arguments += ["--weights", "none.safetensors"]
    with pytest.raises(SystemExit) as ended:
        train.main(arguments)
    assert ended.value.code == 2
    error = capsys.readouterr().err
    assert "error: " in error
    assert message in error


@pytest.mark.parametrize(
    ("case", "message"),
    [
        (
            "classes of other names",
            "class_names was ('running', 'standing'), is ('running', 'walking')",
        ),
        (
            "more data",
            (
                "windows of --data was {'running': 18, 'standing': 18}, is {'running': 27,"
                " 'standing': 18}"
            ),
        ),
        ("--optimizer sgd", "--optimizer was adamw, is sgd"),
        ("--seed 5", "--seed was 0, is 5"),
        ("--batch-size 1", "--batch-size was 2, is 1"),
        ("--input-size 48", "--input-size was (32, 32), is (48, 48)"),
        ("--augmentation all", "--augmentation was some, is all"),
        ("--label-smoothing 0", "--label-smoothing was 0.05, is 0.0"),
        ("--weights", "--weights was [], is ['"),
        (
            "no resume",
            "last.ckpt' is of an earlier run: --resume to go on from it, or name another --run-dir",
        ),
        ("damaged", "last.ckpt' is no checkpoint"),
    ],
)
def test_a_run_does_not_go_on_as_another(
    data_folder: Path, case: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    train.main(_arguments(data_folder, "--steps", "1"))
    arguments = _arguments(data_folder, "--steps", "2", "--resume")
    if case == "classes of other names":
        for side in ("train", "val"):
            (data_folder / side / "standing").rename(data_folder / side / "walking")
    elif case == "more data":
        shutil.copy(
            data_folder / "train" / "running" / "0.mkv", data_folder / "train" / "running" / "2.mkv"
        )
    elif case == "--weights":
        model = ActionModel(new_spec("resnext3d_compact", ["running", "standing"]))
        save_action_model(data_folder / "w.safetensors", model)
        arguments += [case, str(data_folder / "w.safetensors")]
    elif case.startswith("--"):
        arguments += case.split()
    elif case == "no resume":
        arguments.remove("--resume")
    else:
        (data_folder / "run" / "last.ckpt").write_bytes(b"junk")
    with pytest.raises(SystemExit) as ended:
        train.main(arguments)
    assert ended.value.code == 2
    assert message in capsys.readouterr().err


def test_i3d_trains_on_frames_and_flow(data_folder: Path) -> None:
    train.main(
        _arguments(
            data_folder,
            "--steps",
            "1",
            "--architecture",
            "i3d",
            "--clip-length",
            "9",
            "--clip-fps",
            "15",
        )
    )
    model = load_action_model(data_folder / "run" / "m.safetensors")
    assert model.inputs == ("rgb", "flow")
    clip = np.random.default_rng(0).integers(0, 256, (9, 32, 32, 3), np.uint8)
    assert model.probabilities([clip, clip]).shape == (2, 2)
