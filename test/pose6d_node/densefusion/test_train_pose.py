# SPDX-License-Identifier: Apache-2.0
"""The training command runs, goes on after a kill, and writes a model with its record."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from interrupted_training import assert_resume_is_exact
from painted_box import box_model

from perception_kit.networks.model_file import read_model
from perception_kit.networks.model_metadata import ModelFileError
from pose6d_node import train_pose
from pose6d_node.densefusion.pose_model import PoseModel
from pose6d_node.densefusion.predictor import PoseEstimator
from pose6d_node.densefusion.trainer import RefinerStart, create_model, unlearned_sizes


def arguments_of(bop_folder: Path) -> list[str]:
    paths = ["--data", str(bop_folder), "--val", str(bop_folder)]
    return [*paths, "--accelerator", "cpu", "--batch-size", "4"]


def run(bop_folder: Path, out: Path, *extra: str) -> dict[str, Any]:
    """One training command; returns the record that it wrote."""
    outputs = ["--out", str(out / "pose.safetensors"), "--run-dir", str(out)]
    train_pose.main([*arguments_of(bop_folder), *outputs, *extra])
    return json.loads((out / "pose.safetensors.json").read_text())


@pytest.mark.slow
@pytest.mark.timeout(1200)  # starts two processes, on a machine that may be busy
def test_resumed_run_equals_an_uninterrupted_one(
    monkeypatch: pytest.MonkeyPatch, bop_folder: Path, tmp_path: Path
) -> None:
    # the refiner joins in between the two kills
    arguments = [*arguments_of(bop_folder), "--refine-after", "0.4"]
    assert_resume_is_exact(monkeypatch, "pose6d_node.train_pose", arguments, tmp_path)


def test_training_writes_a_model_and_resumes(
    bop_folder: Path, box_views, camera, tmp_path: Path, capsys
) -> None:
    first = run(bop_folder, tmp_path, "--steps", "2", "--refine-after", "0.4")
    assert first["steps"] == 2
    assert first["held_out"]["count"] == len(box_views)
    before = torch.load(tmp_path / "last.ckpt", weights_only=True)
    assert before["trainer"]["refining"]
    second = run(bop_folder, tmp_path, "--steps", "3", "--resume", "--learning-rate", "1e-4")
    after = torch.load(tmp_path / "last.ckpt", weights_only=True)
    assert second["steps"] == after["clock"]["step"] == 3
    key = "estimator.coordinates.2.weight"
    assert 0 < float((after["model"][key] - before["model"][key]).abs().max()) < 0.01
    model = str(tmp_path / "pose.safetensors")
    for option, value, message in (
        ("--architecture", "densefusion", "was densefusion_compact, is densefusion"),
        ("--seed", "5", "was 0, is 5"),
        ("--batch-size", "2", "was 4, is 2"),
        ("--weights", model, f"was None, is {model}"),
    ):
        with pytest.raises(SystemExit, match="2"):
            run(bop_folder, tmp_path, "--steps", "4", "--resume", option, value)
        assert f"{option} {message}" in capsys.readouterr().err
    view = box_views[0]
    estimator = PoseEstimator(tmp_path / "pose.safetensors", min_confidence=0.0)
    assert len(estimator(view.rgb, view.depth, camera, [view.instance()])) == 1


def test_mixed_precision_and_other_weights(bop_folder: Path, tmp_path: Path, capsys) -> None:
    run(bop_folder, tmp_path, "--steps", "2", "--precision", "bf16-mixed")
    first, _ = read_model(tmp_path / "pose.safetensors", "pose")
    assert all(
        tensor.isfinite().all() and tensor.dtype != torch.bfloat16 for tensor in first.values()
    )
    for folder in ("next", "other"):
        (tmp_path / folder).mkdir()
    run(
        bop_folder,
        tmp_path / "next",
        "--steps",
        "1",
        "--weights",
        str(tmp_path / "pose.safetensors"),
        "--seed",
        "5",
    )
    second, _ = read_model(tmp_path / "next" / "pose.safetensors", "pose")
    changes = {
        name: float((second[name] - tensor).abs().max())
        for name, tensor in first.items()
        if name.endswith("weight")
    }
    assert 0 < max(changes.values()) < 0.01, (
        "one small step away from the weights given, not newly drawn"
    )
    with pytest.raises(SystemExit, match="2"):
        run(
            bop_folder,
            tmp_path / "other",
            "--architecture",
            "densefusion",
            "--weights",
            str(tmp_path / "pose.safetensors"),
        )
    assert "has the architecture 'densefusion_compact'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--resume"], "no checkpoint"),
        (["--data", "nowhere"], "'nowhere' does not exist"),
        (["--weights", "nowhere.safetensors"], "nowhere.safetensors"),
        (["--refine-iterations", "0"], "must be a whole number of at least 1, got '0'"),
        (["--out", "/"], "must be a file whose name ends in .safetensors"),
    ],
)
def test_what_cannot_be_used_is_said(
    bop_folder: Path, tmp_path: Path, capsys, arguments: list[str], message: str
) -> None:
    with pytest.raises(SystemExit, match="2"):
        run(bop_folder, tmp_path, "--steps", "2", *arguments)
    assert message in capsys.readouterr().err


def test_a_dataset_without_rigid_objects_is_refused(
    bop_folder: Path, tmp_path: Path, capsys
) -> None:
    folder = shutil.copytree(bop_folder, tmp_path / "nothing")
    (folder / "models" / "models_info.json").write_text("{}")
    with pytest.raises(SystemExit, match="2"):
        run(folder, tmp_path, "--steps", "1")
    assert "has no rigid object among its models" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "error", "run_progress", "refining"),
    [
        ("neither", 0.2, 0.1, False),
        ("margin passed", 0.01, 0.1, True),
        ("fraction of the run is over", 0.2, 0.6, True),
    ],
)
def test_when_the_refiner_joins_in(
    name: str, error: float, run_progress: float, refining: bool
) -> None:
    start = RefinerStart(mean_error=error)
    start.follow(error)
    assert start.update(run_progress, margin=0.05, latest=0.5) is refining, name
    start.follow(1.0)
    assert start.update(0.1, margin=0.05, latest=0.5) is refining, "the refiner never leaves again"


def test_weights_without_a_network_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "added.safetensors"
    PoseModel.untrained([box_model()]).save(path, {})
    outputs = ["--out", "x.safetensors", "--run-dir", "x", "--weights", str(path)]
    options = train_pose.parse_arguments([*arguments_of(tmp_path), *outputs])
    with pytest.raises(ModelFileError, match="holds added objects only, no network to start from"):
        create_model(options, [box_model()])


def test_sizes_that_are_not_learned_are_said() -> None:
    scale = torch.tensor([[1.0, 1.0, 1.0], [0.6, 0.6, 0.6], [1.0, 1.6, 1.0]])
    assert unlearned_sizes(scale[:1]) is None
    line = unlearned_sizes(scale)
    assert line is not None
    assert line.startswith("2 of 3 instances are 0.6 to 1.6 times as large as their models")


def test_weights_to_start_from_leave_the_objects_their_surfaces(tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    other = PoseModel.for_objects([box_model()], "densefusion_compact")
    assert other.model_normals is not None
    assert other.model_colors is not None
    other.model_normals.fill_(7.0)
    other.model_colors.fill_(7)
    other.save(path, {})

    options = train_pose.parse_arguments(
        [
            *arguments_of(tmp_path),
            "--out",
            "x.safetensors",
            "--run-dir",
            "x",
            "--weights",
            str(path),
        ]
    )
    model = create_model(options, [box_model()])
    fresh = PoseModel.for_objects([box_model()], "densefusion_compact")
    for name in ("model_points", "model_normals", "model_colors"):
        torch.testing.assert_close(getattr(model, name), getattr(fresh, name))
    torch.testing.assert_close(model.refiner.state_dict(), other.refiner.state_dict())
