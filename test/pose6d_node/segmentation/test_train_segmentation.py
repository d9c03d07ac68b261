# SPDX-License-Identifier: Apache-2.0
"""The training command: it learns, survives a kill, and starts from other weights."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from bop_rectangles import write_rectangles
from interrupted_training import assert_resume_is_exact

from perception_kit.networks.model_file import read_model
from perception_kit.networks.model_metadata import ModelFileError
from perception_kit.training.run import load_matching
from pose6d_node import train_segmentation
from pose6d_node.published_weights import imagenet_weights
from pose6d_node.segmentation.layers import LAYERS
from pose6d_node.segmentation.network import (
    build_network,
    freeze_first_layers,
    without_depth,
)
from pose6d_node.segmentation.predictor import Segmenter
from pose6d_node.segmentation.segmentation_model import save_segmentation
from pose6d_node.segmentation.trainer import read_weights

COMMON = ["--accelerator", "cpu", "--input-size", "96", "64", "--batch-size", "2"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_rectangles(tmp_path / "boxes", frames=4, size=(96, 64))


def command(folder: Path, *more: str) -> list[str]:
    where = [
        "--data",
        str(folder),
        "--out",
        str(folder.parent / "seg.safetensors"),
        "--run-dir",
        str(folder.parent / "run"),
    ]
    return [*where, *COMMON, *more]


def test_model_file_describes_itself_and_is_scored(folder: Path) -> None:
    train_segmentation.main(command(folder, "--steps", "2", "--val", str(folder)))
    path = folder.parent / "seg.safetensors"
    _, metadata = read_model(path, "segmentation")
    assert metadata["class_names"] == ["red_box", "blue_box", "person"]
    assert metadata["input_size"] == [96, 64]
    record = json.loads((folder.parent / "seg.safetensors.json").read_text())
    assert record["steps"] == 2
    assert record["held_out"]["total"] > 0
    assert 0 <= record["held_out"]["map"] <= record["held_out"]["map50"] <= 1
    assert Segmenter(path).class_names == metadata["class_names"]


def test_trains_on_several_folders(folder: Path, tmp_path: Path) -> None:
    more = write_rectangles(tmp_path / "more", frames=3, seed=1, size=(96, 64))
    train_segmentation.main(command(folder, "--data", str(more), "--steps", "1"))
    record = json.loads((folder.parent / "seg.safetensors.json").read_text())
    assert record["data"]["frames"] == 7
    assert record["config"]["data"] == [str(folder), str(more)]


def test_trains_in_mixed_precision(folder: Path) -> None:
    train_segmentation.main(command(folder, "--steps", "2", "--precision", "bf16-mixed"))
    tensors, _ = read_model(folder.parent / "seg.safetensors", "segmentation")
    assert all(tensor.isfinite().all() for tensor in tensors.values())
    assert torch.bfloat16 not in {tensor.dtype for tensor in tensors.values()}


@pytest.mark.slow
def test_starts_from_imagenet_and_learns_with_depth(folder: Path) -> None:
    train_segmentation.main(command(folder, "--steps", "2", "--depth"))
    path = folder.parent / "seg.safetensors"
    tensors, metadata = read_model(path, "segmentation")
    assert metadata["depth"]
    assert Segmenter(path).uses_depth
    start = {f"backbone.colour.{name[9:]}": tensor for name, tensor in imagenet_weights().items()}
    changed = {
        name.split(".")[3]
        for name, tensor in start.items()
        if not torch.equal(tensors[name], tensor)
    }
    assert changed == {"layer2", "layer3", "layer4"}


@pytest.mark.slow
@pytest.mark.timeout(1200)  # starts two processes, on a machine that may be busy
def test_resumed_run_equals_an_uninterrupted_one(
    monkeypatch: pytest.MonkeyPatch, folder: Path, tmp_path: Path
) -> None:
    arguments = ["--data", str(folder), *COMMON]
    assert_resume_is_exact(monkeypatch, "pose6d_node.train_segmentation", arguments, tmp_path)


@pytest.mark.slow
def test_scored_on_the_split_of_held_out_frames(folder: Path, tmp_path: Path, capsys) -> None:
    more = ["--steps", "1", "--architecture", "compact", "--val"]
    train_segmentation.main(command(folder, *more, str(folder)))
    assert "has no split 'val': the model is scored on its split 'train'" in capsys.readouterr().out
    held_out = write_rectangles(tmp_path / "held_out", frames=2, size=(96, 64))
    (held_out / "train").rename(held_out / "val")
    (folder.parent / "run" / "last.ckpt").unlink()
    train_segmentation.main(command(folder, *more, str(held_out)))
    record = json.loads((folder.parent / "seg.safetensors.json").read_text())
    assert record["held_out"]["frames"] == 2
    (folder.parent / "run" / "last.ckpt").unlink()
    with pytest.raises(SystemExit, match="2"):
        train_segmentation.main(command(folder, *more, str(folder), "--val-split", "test"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--resume"], "leave --resume out"),
        (["--data", "nowhere"], "'nowhere' does not exist"),
        (["--val", "nowhere"], "'nowhere' does not exist"),
        (["--weights", "nowhere.safetensors"], "nowhere.safetensors"),
        (["--weights", "nowhere.pth"], "nowhere.pth"),
        (
            ["--weights", "imagenet", "--architecture", "compact"],
            "are there for --architecture efficientnet_lite0",
        ),
        (["--input-size", "96", "32"], "both must be at least 64 pixels"),
        (["--input-size", "5000", "64"], "argument --input-size: input_size is [5000, 64]"),
        (["--batch-size", "0"], "must be a whole number of at least 1, got '0'"),
        (["--max-minutes", "0"], "must be a positive number, got '0'"),
        (["--out", "/"], "must be a file whose name ends in .safetensors"),
        (["--learning-rate", "1e30", "--steps", "9"], "lower --learning-rate"),
    ],
)
def test_what_cannot_be_used_is_said_before_the_training(
    folder: Path, capsys, arguments: list[str], message: str
) -> None:
    with pytest.raises(SystemExit, match="2"):
        train_segmentation.main(command(folder, "--steps", "2", *arguments))
    assert message in capsys.readouterr().err
    assert not (folder.parent / "seg.safetensors").exists()


def test_held_out_frames_of_other_classes_are_refused(folder: Path, tmp_path: Path, capsys) -> None:
    other = write_rectangles(tmp_path / "other", frames=1, size=(96, 64))
    models = other / "models" / "models_info.json"
    models.write_text(models.read_text().replace("_box", "_mug").replace("person", "cat"))
    with pytest.raises(SystemExit, match="2"):
        train_segmentation.main(command(folder, "--steps", "1", "--val", str(other)))
    assert "none of which is trained" in capsys.readouterr().err


def test_weights_are_those_of_the_architecture_that_is_trained(tmp_path: Path) -> None:
    path = str(tmp_path / "seg.safetensors")
    save_segmentation(path, build_network("compact", 1, depth=True), "compact", ["mug"], [96, 64])
    assert read_weights(path, "compact")
    with pytest.raises(
        ModelFileError, match=r"has the architecture 'compact', but 'resnet50' is to be trained"
    ):
        read_weights(path, "resnet50")


@pytest.mark.parametrize("architecture", ["compact", "efficientnet_lite0", "resnet50"])
@pytest.mark.parametrize("last", LAYERS)
def test_layers_of_given_weights_are_kept(architecture: str, last: str) -> None:
    network = build_network(architecture, 1)
    freeze_first_layers(network, last)
    for name, parameter in network.named_parameters():
        layer = next((layer for layer in LAYERS if f"body.{layer}." in name), None)
        if layer is not None and LAYERS.index(layer) > LAYERS.index(last):
            assert parameter.requires_grad, name
        elif "backbone.body." in name:
            assert not parameter.requires_grad, name
        elif "backbone" not in name:
            assert parameter.requires_grad, name


def test_colors_of_a_network_that_sees_depth_are_taken_over(tmp_path: Path) -> None:
    with_depth, color = build_network("compact", 1, depth=True), build_network("compact", 1)
    fresh = load_matching(color, without_depth(with_depth.state_dict(), color))
    assert all(name.startswith("descriptor.") for name in fresh)  # fitted after training
    first = "backbone.body.stem.0.0.weight"
    assert first in color.state_dict()
    assert torch.equal(
        color.state_dict()[first], with_depth.state_dict()[first.replace(".", ".colour.", 1)]
    )


def test_a_run_is_not_resumed_as_another(folder: Path, capsys) -> None:
    train_segmentation.main(command(folder, "--steps", "1", "--architecture", "compact"))
    weights = str(folder.parent / "seg.safetensors")
    for option, values, message in (
        ("--seed", ["5"], "was 0, is 5"),
        ("--batch-size", ["4"], "was 2, is 4"),
        ("--input-size", ["64", "96"], "was [96, 64], is [64, 96]"),
        ("--weights", [weights], f"was none, is {weights}"),
    ):
        more = ["--steps", "2", "--architecture", "compact", "--resume", option, *values]
        with pytest.raises(SystemExit, match="2"):
            train_segmentation.main(command(folder, *more))
        assert f"{option} {message}" in capsys.readouterr().err

    models = folder / "models" / "models_info.json"
    models.write_text(models.read_text().replace("red_box", "green_box"))
    with pytest.raises(SystemExit, match="2"):
        train_segmentation.main(
            command(folder, "--steps", "2", "--architecture", "compact", "--resume")
        )
    assert "is ['green_box', 'blue_box', 'person']" in capsys.readouterr().err


def test_weights_of_other_classes_start_all_but_the_last_layers() -> None:
    source, target = build_network("compact", 3), build_network("compact", 5)
    fresh = load_matching(target, source.state_dict())
    assert {name.split(".")[1] for name in fresh} == {"box_predictor", "mask_predictor"}
    torch.testing.assert_close(target.backbone.state_dict(), source.backbone.state_dict())


def test_weights_of_another_architecture_are_refused() -> None:
    with pytest.raises(ValueError, match="another architecture"):
        load_matching(build_network("compact", 3), {"encoder.weight": torch.zeros(3)})


@pytest.mark.slow
def test_chosen_classes_of_any_split_are_learned(folder: Path, capsys) -> None:
    (folder / "train").rename(folder / "train_pbr")
    more = ["--steps", "1", "--classes", "blue_box", "--val", str(folder)]
    train_segmentation.main(command(folder, *more))
    _, metadata = read_model(folder.parent / "seg.safetensors", "segmentation")
    assert metadata["class_names"] == ["blue_box"]
    record = json.loads((folder.parent / "seg.safetensors.json").read_text())
    assert record["held_out"]["total"] == 4

    # Several splits are one dataset; which ones must be said.
    shutil.copytree(folder / "train_pbr", folder / "train_real")
    other = ["--steps", "1", "--run-dir", str(folder.parent / "other")]
    with pytest.raises(SystemExit, match="2"):
        train_segmentation.main(command(folder, *other))
    assert "the splits train_pbr, train_real: choose with --split" in capsys.readouterr().err
    both = [*other, "--split", "train_pbr", "train_real"]
    train_segmentation.main(command(folder, *both))
    record = json.loads((folder.parent / "seg.safetensors.json").read_text())
    assert record["data"]["frames"] == 8
