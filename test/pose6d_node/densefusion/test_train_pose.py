# SPDX-License-Identifier: Apache-2.0
"""The training command runs, goes on after a kill, and writes a model with its record."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from pathlib import Path

import pytest
import torch

from perception_kit.networks.model_file import load_model
from pose6d_node import train_pose
from pose6d_node.densefusion.predictor import PoseEstimator
from pose6d_node.train_pose import Progress


def run(
    monkeypatch: pytest.MonkeyPatch, bop_folder: Path, out: Path, *extra: str
) -> dict[str, object]:
    """One training command; returns the record that it wrote."""
    arguments = (
        f"--data {bop_folder} --val {bop_folder} --out {out / 'pose.safetensors'} --run-dir {out}"
        " --accelerator cpu --batch-size 4"
    )
    monkeypatch.setattr(sys, "argv", ["train_pose", *arguments.split(), *extra])
    train_pose.main()
    return json.loads((out / "pose.safetensors.json").read_text())


def test_training_writes_a_model_and_resumes(
    monkeypatch, bop_folder: Path, box_views, camera, tmp_path: Path, capsys
) -> None:
    first = run(monkeypatch, bop_folder, tmp_path, "--steps", "2", "--refine-after", "0.4")
    assert first["steps"] == 2
    assert first["held_out"]["count"] == len(box_views)
    before = torch.load(tmp_path / "last.ckpt", weights_only=True)
    assert before["progress"]["refining"]
    second = run(monkeypatch, bop_folder, tmp_path, "--steps", "3", "--resume")
    after = torch.load(tmp_path / "last.ckpt", weights_only=True)
    assert second["steps"] == after["clock"]["step"] == 3
    key = "estimator.coordinates.2.weight"
    assert 0 < float((after["model"][key] - before["model"][key]).abs().max()) < 0.01
    with pytest.raises(SystemExit, match="2"):
        run(
            monkeypatch,
            bop_folder,
            tmp_path,
            "--steps",
            "4",
            "--resume",
            "--architecture",
            "densefusion",
        )
    assert "architecture was densefusion_compact, is densefusion" in capsys.readouterr().err
    view = box_views[0]
    assert (
        len(
            PoseEstimator(tmp_path / "pose.safetensors")(
                view.rgb, view.depth, camera, [view.instance()]
            )
        )
        == 1
    )


def test_mixed_precision_and_other_weights(
    monkeypatch, bop_folder: Path, tmp_path: Path, capsys
) -> None:
    run(monkeypatch, bop_folder, tmp_path, "--steps", "2", "--precision", "bf16-mixed")
    first, _ = load_model(tmp_path / "pose.safetensors", "pose")
    assert all(
        tensor.isfinite().all() and tensor.dtype != torch.bfloat16 for tensor in first.values()
    )
    for folder in ("next", "other"):
        (tmp_path / folder).mkdir()
    run(
        monkeypatch,
        bop_folder,
        tmp_path / "next",
        "--steps",
        "1",
        "--weights",
        str(tmp_path / "pose.safetensors"),
        "--seed",
        "5",
    )
    second, _ = load_model(tmp_path / "next" / "pose.safetensors", "pose")
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
            monkeypatch,
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
        (["--data", "nowhere"], "'nowhere' holds no frames in a known layout"),
        (["--weights", "nowhere.safetensors"], "nowhere.safetensors"),
        (["--refine-iterations", "0"], "must be a whole number of at least 1, got '0'"),
        (["--out", "/"], "must be a file whose name ends in .safetensors"),
    ],
)
def test_what_cannot_be_used_is_said(
    monkeypatch, bop_folder: Path, tmp_path: Path, capsys, arguments: list[str], message: str
) -> None:
    with pytest.raises(SystemExit, match="2"):
        run(monkeypatch, bop_folder, tmp_path, "--steps", "2", *arguments)
    assert message in capsys.readouterr().err


def test_a_dataset_without_rigid_objects_is_refused(
    monkeypatch, bop_folder: Path, tmp_path: Path, capsys
) -> None:
    folder = shutil.copytree(bop_folder, tmp_path / "nothing")
    (folder / "models" / "models_info.json").write_text("{}")
    with pytest.raises(SystemExit, match="2"):
        run(monkeypatch, folder, tmp_path, "--steps", "1")
    assert "has no rigid object among its models" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "error", "run_progress", "refining"),
    [
        ("neither", 0.2, 0.1, False),
        ("margin passed", 0.01, 0.1, True),
        ("share of the run is over", 0.2, 0.6, True),
    ],
)
def test_when_the_refiner_joins_in(
    name: str, error: float, run_progress: float, refining: bool
) -> None:
    progress = Progress(mean_error=error)
    progress.update(error, run_progress, argparse.Namespace(refine_margin=0.05, refine_after=0.5))
    assert progress.refining is refining, name
    progress.update(1.0, 0.1, argparse.Namespace(refine_margin=0.05, refine_after=0.5))
    assert progress.refining is refining, "the refiner never leaves again"
