# SPDX-License-Identifier: Apache-2.0
"""From a BOP folder as BlenderProc writes it to evaluated models, by the README's commands."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import pytest
import trimesh
from box_views import BoxView, write_bop

from pose6d_node import evaluate, train_pose, train_segmentation

NAME = "obj_000001"  # BlenderProc's models_info.json has no names


def write_blenderproc(folder: Path, views: list[BoxView], gray: bool, mesh: str) -> Path:
    """Split train_pbr with JPEG images, whole masks beside the visible ones, unnamed models."""
    write_bop(folder, views)
    (folder / "train").rename(folder / "train_pbr")
    scene = folder / "train_pbr/000000"
    for png in sorted((scene / "rgb").iterdir()):
        image = cv2.imread(str(png), cv2.IMREAD_GRAYSCALE if gray else cv2.IMREAD_COLOR)
        cv2.imwrite(str(png.with_suffix(".jpg")), image)
        png.unlink()
    (scene / "mask").mkdir()
    (folder / "camera.json").write_text('{"cx": 79.5, "cy": 59.5, "fx": 150, "fy": 150}')

    path = folder / "models/models_info.json"
    info = json.loads(path.read_text())
    del info["1"]["name"]
    path.write_text(json.dumps(info))
    if mesh != ".ply":
        ply = folder / "models/obj_000001.ply"
        trimesh.load(ply).export(ply.with_suffix(mesh))
        ply.unlink()
    return folder


@pytest.mark.slow
@pytest.mark.timeout(600)  # two trainings, on a machine that may be busy
@pytest.mark.parametrize(("gray", "mesh"), [(False, ".ply"), (True, ".stl")])
def test_from_folder_to_evaluated_models(
    gray: bool, mesh: str, box_views: list[BoxView], tmp_path: Path
) -> None:
    data = str(write_blenderproc(tmp_path / "data", box_views, gray, mesh))
    segmentation, pose = tmp_path / "segmentation.safetensors", tmp_path / "pose.safetensors"
    common = ["--data", data, "--val", data, "--steps", "2", "--accelerator", "cpu"]
    common += ["--batch-size", "2", "--classes", NAME]

    outputs = ["--out", str(segmentation), "--run-dir", str(tmp_path / "segmentation")]
    small = ["--input-size", "160", "120", "--architecture", "compact"]
    assert train_segmentation.main([*common, *outputs, *small]) == 0
    outputs = ["--out", str(pose), "--run-dir", str(tmp_path / "pose")]
    assert train_pose.main([*common, *outputs, "--split", "train_pbr"]) == 0

    models = ["--model", str(segmentation), "--model", str(pose)]
    out = tmp_path / "evaluation"
    assert evaluate.main(["--data", data, *models, "--max-frames", "3", "--out", str(out)]) == 0
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["per_class"].keys() == {NAME}
    assert metrics["instances"]["total"] == 3
    assert metrics["poses"]["given_masks"]["refined"]["count"] == 3
