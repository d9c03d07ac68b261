# SPDX-License-Identifier: Apache-2.0
"""Converted checkpoints compute what the originals do."""

from __future__ import annotations

import importlib.util
import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from dataset_layouts import write_linemod
from torchvision.models.detection import maskrcnn_resnet50_fpn

from perception_kit.processes import EXIT_BAD_INPUT
from perception_kit.types import Intrinsics
from pose6d_node.convert import main
from pose6d_node.densefusion.crops import COLOR_MEAN, COLOR_STD, cut_crop, make_inputs
from pose6d_node.densefusion.pose_model import PoseModel
from pose6d_node.segmentation.predictor import Segmenter

NUMBERS = range(1, 14)
NAMES = [f"obj_{number:02d}" for number in NUMBERS]


@pytest.fixture(scope="module")
def models_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("linemod")
    return write_linemod(folder, dict.fromkeys(NUMBERS, 117.0)) / "models"


@pytest.fixture(scope="module")
def published(reference_dir: Path) -> dict[str, dict[str, torch.Tensor]]:
    """Tensors of the published checkpoints, of which the reference outputs were computed."""
    spec = importlib.util.spec_from_file_location("det_weights", reference_dir / "det_weights.py")
    det_weights = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(det_weights)
    keys = json.loads((reference_dir / "densefusion_keys.json").read_text())
    return {
        network: det_weights.fill({name: torch.empty(shape) for name, shape in shapes.items()}, 1)
        for network, shapes in keys.items()
    }


def save_published(
    folder: Path, published: dict[str, dict[str, torch.Tensor]], prefix: str
) -> list[str]:
    paths = {
        "PoseNet": folder / "pose_model_1.pth",
        "PoseRefineNet": folder / "pose_refine_model_1.pth",
    }
    for network, path in paths.items():
        torch.save({prefix + name: tensor for name, tensor in published[network].items()}, path)
    return [str(path) for path in paths.values()]


def relative_error(actual: torch.Tensor, expected: np.ndarray) -> float:
    return float(np.linalg.norm(actual.numpy() - expected) / np.linalg.norm(expected))


@pytest.mark.parametrize("prefix", ["", "module."])
@torch.no_grad()
def test_densefusion_computes_the_reference_outputs(
    prefix: str, published, models_folder, reference_dir: Path, tmp_path: Path
) -> None:
    checkpoints = save_published(tmp_path, published, prefix)
    out = tmp_path / "pose.safetensors"
    command = [*checkpoints, "--class-names", *NAMES, "--models", str(models_folder)]
    assert main([*command, "--out", str(out)]) == 0
    model = PoseModel.load(out)
    assert model.spec.class_names == NAMES
    assert (model.spec.crop_size, model.spec.num_points) == (160, 500)

    reference = dict(np.load(reference_dir / "densefusion_seed1.npz"))
    height, width = reference["image"].shape[2:]
    choose = reference["choose"][:, 0]
    x = (2 * (choose % width) + 1) / width - 1
    y = (2 * (choose // width) + 1) / height - 1
    pixels = torch.from_numpy(np.stack([x, y], axis=-1)).float()
    image, cloud, refine_cloud, features = (
        torch.from_numpy(reference[name]) for name in ("image", "cloud", "refine_cloud", "emb")
    )
    index = torch.from_numpy(reference["obj"]).reshape(1)

    votes = model.estimator(image, cloud, pixels, index)
    assert relative_error(votes.quaternions, reference["pose_r"]) < 1e-4
    assert relative_error(votes.offsets, reference["pose_t"]) < 1e-4
    assert relative_error(votes.confidence.unsqueeze(2), reference["pose_c"]) < 1e-4
    rotation, translation = model.refiner(refine_cloud, features, index)
    assert relative_error(rotation, reference["refine_r"]) < 1e-4
    assert relative_error(translation, reference["refine_t"]) < 1e-4


def test_converted_networks_are_given_what_they_were_trained_on() -> None:
    rng = np.random.default_rng(0)
    rgb = rng.integers(0, 256, (120, 160, 3), dtype=np.uint8)
    depth = rng.uniform(0.78, 0.82, (120, 160)).astype(np.float32)
    mask = np.zeros((120, 160), bool)
    mask[30:70, 50:90] = True
    intrinsics = Intrinsics(200.0, 210.0, 80.0, 60.0, 160, 120)
    crop = cut_crop(rgb, depth, intrinsics, mask, 0, size=40, margin=1.0)
    inputs = make_inputs(crop, torch.tensor([0.3]), 500, torch.rand(1, 1600), "camera")

    # Colours are not divided by 255, as in the published training.
    expected = (rgb[30:70, 50:90].astype(np.float32) - COLOR_MEAN) / COLOR_STD
    np.testing.assert_allclose(inputs.image[0].permute(1, 2, 0), expected, rtol=1e-5)

    x = np.rint((inputs.pixels[0, :, 0].numpy() + 1) * 20 - 0.5).astype(int) + 50
    y = np.rint((inputs.pixels[0, :, 1].numpy() + 1) * 20 - 0.5).astype(int) + 30
    z = depth[y, x]
    points = np.stack([(x - 80) / 200 * z, (y - 60) / 210 * z, z], axis=1)
    np.testing.assert_allclose(inputs.cloud[0], points, rtol=1e-5)

    pose = torch.eye(3)[None], torch.tensor([[0.1, 0.2, 0.8]])
    rotation, translation = inputs.to_camera_frame(*pose)
    torch.testing.assert_close(rotation, pose[0])
    torch.testing.assert_close(translation, pose[1])


@torch.no_grad()
@pytest.mark.slow
def test_torchvisions_mask_rcnn_finds_the_same(tmp_path: Path) -> None:
    torch.manual_seed(0)
    settings = {
        "min_size": 64,
        "max_size": 96,
        "rpn_pre_nms_top_n_test": 300,
        "rpn_post_nms_top_n_test": 100,
        "box_score_thresh": 0.0,
    }
    original = maskrcnn_resnet50_fpn(
        weights=None, weights_backbone=None, num_classes=4, **settings
    ).eval()
    torch.save({"model": original.state_dict(), "epoch": torch.tensor(3)}, tmp_path / "model_3.pth")

    out = tmp_path / "segmentation.safetensors"
    command = [str(tmp_path / "model_3.pth"), "--class-names", "mug", "bowl", "box"]
    assert main([*command, "--input-size", "96", "64", "--out", str(out)]) == 0

    rgb = np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8)
    expected = original([torch.from_numpy(rgb).permute(2, 0, 1) / 255])[0]
    segmenter = Segmenter(out, score_threshold=0.0, max_detections=100)
    assert segmenter.class_names == ["mug", "bowl", "box"]
    boxes, labels, scores, masks, _ = segmenter._detector(rgb, None, None, (96, 64))
    assert len(boxes) > 0
    # RoIAlign adds its samples in another order, which a hundredth of a pixel in a box of untrained
    # weights can be.
    torch.testing.assert_close(boxes, expected["boxes"], rtol=1e-4, atol=1e-2)
    torch.testing.assert_close(scores, expected["scores"], rtol=1e-4, atol=1e-4)
    assert labels.tolist() == expected["labels"].tolist()
    assert masks.shape[0] == len(boxes)


class CodeWhenUnpickled:
    """Runs code when it is loaded."""

    def __reduce__(self):
        return (print, ("code from a checkpoint was run",))


def test_pickled_code_is_not_run(tmp_path: Path, capsys) -> None:
    # Protocol 2 is what torch.save uses.
    (tmp_path / "bad.pth").write_bytes(pickle.dumps(CodeWhenUnpickled(), protocol=2))
    torch.save({"model": CodeWhenUnpickled()}, tmp_path / "worse.pth")
    out = str(tmp_path / "out.safetensors")
    for name in ("bad.pth", "worse.pth"):
        command = [str(tmp_path / name), "--class-names", "mug", "--out", out]
        assert main(command) == EXIT_BAD_INPUT
        captured = capsys.readouterr()
        assert "was run" not in captured.out
        assert f"{name}' is not a checkpoint of tensors alone" in captured.err


def test_what_does_not_fit_is_named(published, models_folder: Path, tmp_path: Path, capsys) -> None:
    checkpoints = save_published(tmp_path, published, "")
    torch.save({"conv.weight": torch.zeros(1)}, tmp_path / "other.pth")
    torch.save([1, 2], tmp_path / "list.pth")
    torch.save({1: torch.zeros(1)}, tmp_path / "numbered.pth")
    torch.save({"conv4_c.bias": torch.tensor([torch.nan])}, tmp_path / "diverged.pth")
    torch.save({"conv4_c.bias": torch.zeros(len(NAMES))}, tmp_path / "cut.pth")

    models = ["--models", str(models_folder)]
    cases = [
        (
            [*checkpoints, "--class-names", "mug", *models],
            "for 13 classes, but 1 class names are given",
        ),
        (
            [checkpoints[0], "--class-names", *NAMES, *models],
            "one DenseFusion estimator and its DenseFusion refiner",
        ),
        ([*checkpoints, "--class-names", *NAMES], "needs --models"),
        ([*checkpoints, "--class-names", "teapot", *NAMES[1:], *models], "no model named teapot"),
        ([str(tmp_path / "other.pth"), "--class-names", "mug"], "is none of Mask R-CNN"),
        ([str(tmp_path / "list.pth"), "--class-names", "mug"], "holds no state dict"),
        ([str(tmp_path / "missing.pth"), "--class-names", "mug"], "does not exist"),
        ([str(tmp_path / "numbered.pth"), "--class-names", "mug"], "holds no state dict"),
        (
            [str(tmp_path / "diverged.pth"), "--class-names", "mug"],
            "values that are not finite (in 'conv4_c.bias')",
        ),
        (
            [checkpoints[1], str(tmp_path / "cut.pth"), "--class-names", *NAMES, *models],
            "tensors in '" + str(tmp_path / "cut.pth"),
        ),
    ]

    for arguments, message in cases:
        assert main([*arguments, "--out", str(tmp_path / "out.safetensors")]) == EXIT_BAD_INPUT
        assert message in capsys.readouterr().err
    assert not (tmp_path / "out.safetensors").exists()
