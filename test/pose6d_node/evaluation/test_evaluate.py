# SPDX-License-Identifier: Apache-2.0
"""The evaluation command on untrained models: its files, its notes and its errors."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from bop_rectangles import write_rectangles

from perception_kit.datasets.bop_models import read_models
from perception_kit.networks.model_file import save_model
from perception_kit.processes import EXIT_BAD_INPUT
from pose6d_node.densefusion.pose_model import PoseModel
from pose6d_node.evaluate import main
from pose6d_node.evaluation.pose_stages import headline_stage, pose_stages
from pose6d_node.segmentation.network import build_network
from pose6d_node.segmentation.segmentation_model import save_segmentation


@pytest.fixture(scope="module")
def models(bop_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("models")
    paths = {
        name: folder / f"{name}.safetensors" for name in ("segmentation", "pose", "other", "action")
    }
    save_segmentation(
        paths["segmentation"], build_network("compact", 2), "compact", ["box", "ball"], [160, 120]
    )
    model = PoseModel.for_objects(
        list(read_models(bop_folder / "models").values()), "densefusion_compact"
    )
    model.save(paths["pose"], {})
    model.spec.class_names[0] = "teapot"
    model.save(paths["other"], {})
    save_model(paths["action"], "action", {"x": torch.zeros(1)}, {})
    return paths


def run(bop_folder: Path, out: Path, *models: Path) -> int:
    given = [argument for path in models for argument in ("--model", str(path))]
    folders = ["--data", str(bop_folder), "--out", str(out)]
    return main([*folders, "--max-frames", "3", "--worst", "2", "--device", "cpu", *given])


def test_files_of_a_whole_evaluation(
    bop_folder: Path, models: dict[str, Path], tmp_path: Path, capsys
) -> None:
    assert run(bop_folder, tmp_path, models["segmentation"], models["pose"]) == 0
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert metrics["frames"] == 3
    assert metrics["per_scene"]["000000"]["count"] == 3
    assert {"map", "map50", "box_map"} <= metrics["segmentation"].keys()
    assert metrics["instances"]["total"] == 3
    assert metrics["per_class"]["box"].keys() == {"segmentation", "instances", "pose"}
    stages = ["unrefined", "refined", "refined + ICP", "registered", "+ turns", "+ views"]
    assert {masks: list(found) for masks, found in metrics["poses"].items()} == {
        "given_masks": stages,
        "predicted_masks": stages,
    }
    with (tmp_path / "instances.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 12 * 3
    assert {float(row["visible_fraction"]) for row in rows} == {1.0}
    assert all(0 <= float(row["confidence"]) <= 1 for row in rows)
    config = json.loads((tmp_path / "config.json").read_text())
    assert len(config["models"]["pose"]["sha256"]) == 64
    pictures = list((tmp_path / "worst").iterdir())
    assert len(pictures) == 2
    assert all(cv2.imread(str(path)).shape == (120, 160, 3) for path in pictures)
    assert "given masks" in capsys.readouterr().out
    assert "precision_recall" not in metrics["segmentation"], "curves are of the page alone"

    page = (tmp_path / "report.html").read_text()
    for expected in ("Evaluation on", "0 of 3 objects are found", "average recalls of BOP"):
        assert expected in page
    assert page.count('<figure><img alt="0') == 2
    listed = json.loads(page.partition('id="data">')[2].partition("</script>")[0])["instances"]
    assert [len(row) == len(listed["columns"]) for row in listed["rows"]] == [True] * 3


def test_a_pose_model_of_other_classes_is_refused(
    bop_folder: Path, models: dict[str, Path], tmp_path: Path, capsys
) -> None:
    assert run(bop_folder, tmp_path, models["segmentation"], models["other"]) == EXIT_BAD_INPUT
    assert f"knows the poses of teapot, but '{bop_folder}' shows box" in capsys.readouterr().err


def test_class_that_the_pose_model_does_not_know_is_named(
    models: dict[str, Path], tmp_path: Path, capsys
) -> None:
    folder = write_rectangles(tmp_path / "boxes", frames=2)
    objects = [model for model in read_models(folder / "models").values() if not model.articulated]
    path = tmp_path / "red.safetensors"
    PoseModel.untrained(objects[:1]).save(path, {})
    assert run(folder, tmp_path / "out", path) == 0
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert metrics["per_class"].keys() == {"red_box"}
    assert "the pose model does not know blue_box" in capsys.readouterr().out


def test_without_refinement_no_poses_are_called_refined(
    models: dict[str, Path],
) -> None:
    stages = list(pose_stages(models["pose"], "cpu", refine_iterations=0))
    assert stages == ["unrefined", "unrefined + ICP", "registered", "+ turns", "+ views"]
    assert headline_stage(dict.fromkeys(stages[:2])) == "unrefined"  # type: ignore[arg-type]


@pytest.mark.slow
def test_a_model_that_estimates_sizes_beside_one_that_does_not(
    bop_folder: Path, models: dict[str, Path], tmp_path: Path, capsys
) -> None:
    folder = shutil.copytree(bop_folder, tmp_path / "sized")
    ground_truth = next(folder.glob("*/000000/scene_gt.json"))
    frames = json.loads(ground_truth.read_text())
    for entry in (entry for entries in frames.values() for entry in entries):
        entry["scale"] = [1.2, 1.2, 1.2]
    ground_truth.write_text(json.dumps(frames))
    sized = tmp_path / "sized.safetensors"
    objects = list(read_models(folder / "models").values())
    PoseModel.for_objects(objects, "densefusion_compact", "uniform", (0.6, 1.6)).save(sized, {})

    assert run(folder, tmp_path / "out", models["pose"], sized) == 0
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    stages = metrics["poses"]["given_masks"]
    assert list(stages)[-2:] == ["known size, refined", "known size, + views"]
    assert stages["known size, + views"]["size_error_median"] == pytest.approx(1 - 1 / 1.2)
    assert stages["+ views"]["size_error_median"] >= 0
    assert "size error" in capsys.readouterr().out
    page = (tmp_path / "out" / "report.html").read_text()
    for expected in ("Sizes of objects", "3D IoU, mean", "AP at 5°, 5 cm"):
        assert expected in page


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["action"], "holds a 'action' model"),
        (["pose", "other"], "holds a 'pose' model: give one"),
        (["missing"], "does not exist"),
    ],
)
def test_models_that_cannot_be_used_are_named(
    given: list[str], message: str, bop_folder, models, tmp_path: Path, capsys
) -> None:
    paths = [models.get(name, tmp_path / f"{name}.safetensors") for name in given]
    assert run(bop_folder, tmp_path / "out", *paths) == EXIT_BAD_INPUT
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (["--max-frames", "0"], "must be a whole number of at least 1"),
        (["--refine-iterations", "-1"], "must be a whole number of at least 0"),
        (["--device", "gpu"], "expected cpu, cuda, cuda:N or auto"),
    ],
)
def test_options_out_of_range_are_named(
    option: list[str], message: str, bop_folder, models, tmp_path: Path, capsys
) -> None:
    folders = ["--data", str(bop_folder), "--out", str(tmp_path)]
    required = [*folders, "--model", str(models["pose"])]
    with pytest.raises(SystemExit, match="2"):
        main([*required, *option])
    assert message in capsys.readouterr().err


def test_out_that_is_a_file_is_named(
    bop_folder: Path, models: dict[str, Path], tmp_path: Path, capsys
) -> None:
    (tmp_path / "out").touch()
    assert run(bop_folder, tmp_path / "out", models["pose"]) == EXIT_BAD_INPUT
    assert "out'" in capsys.readouterr().err


def test_folder_that_is_no_dataset_is_named(
    models: dict[str, Path], tmp_path: Path, capsys
) -> None:
    assert run(tmp_path, tmp_path / "out", models["pose"]) == EXIT_BAD_INPUT
    assert "no frames in a known layout" in capsys.readouterr().err


def test_empty_masks_are_counted(
    bop_folder: Path, models: dict[str, Path], tmp_path: Path, capsys
) -> None:
    folder = shutil.copytree(bop_folder, tmp_path / "unmasked")
    path = next(folder.glob("*/000000/mask_visib/000000_000000.png"))
    cv2.imwrite(str(path), np.zeros((120, 160), np.uint8))
    assert run(folder, tmp_path / "out", models["segmentation"]) == 0
    assert "1 instance annotated as visible, but with an empty mask" in capsys.readouterr().out


def test_frames_without_ground_truth_are_named(
    bop_folder: Path, models: dict[str, Path], tmp_path: Path, capsys
) -> None:
    folder = shutil.copytree(bop_folder, tmp_path / "untold")
    for name in ("scene_gt", "scene_gt_info"):
        path = folder / f"train/000000/{name}.json"
        path.write_text(json.dumps({frame: [] for frame in json.loads(path.read_text())}))
    assert run(folder, tmp_path / "out", models["pose"]) == EXIT_BAD_INPUT
    assert "no instance is annotated in 3 frames of" in capsys.readouterr().err


def test_name_of_the_data_folder_in_the_release_before_goes_on_working(
    bop_folder: Path, models: dict[str, Path], tmp_path: Path, capsys
) -> None:
    out, model = str(tmp_path), str(models["action"])
    assert main(["--dataset", str(bop_folder), "--out", out, "--model", model]) == EXIT_BAD_INPUT
    assert "--dataset is now called --data" in capsys.readouterr().err


def test_without_depth_images_the_segmentation_alone_is_scored(
    bop_folder: Path, models: dict[str, Path], tmp_path: Path, capsys
) -> None:
    folder = shutil.copytree(bop_folder, tmp_path / "color")
    shutil.rmtree(folder / "train/000000/depth")
    out = tmp_path / "out"
    assert run(folder, out, models["segmentation"], models["pose"]) == 0
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["instances"]["total"] == 3
    assert metrics["poses"] == {}
    assert "no depth images: the segmentation alone is scored" in metrics["notes"][0]
    assert "are not scored: they need depth" in metrics["notes"][1]

    capsys.readouterr()
    assert run(folder, out, models["pose"]) == EXIT_BAD_INPUT
    assert "only a segmentation model can be scored on it" in capsys.readouterr().err


def test_photographs_of_several_sizes_and_unknown_cameras_are_scored(
    models: dict[str, Path], tmp_path: Path
) -> None:
    folder, out = tmp_path / "photographs", tmp_path / "out"
    for split in ("labels", "images"):
        (folder / split / "val").mkdir(parents=True)
    (folder / "data.yaml").write_text("names: [box, ball]\n")
    for number, size in enumerate([(40, 60, 3), (64, 48, 3)]):
        cv2.imwrite(str(folder / "images" / "val" / f"{number}.png"), np.zeros(size, np.uint8))
        outline = f"{number} 0.2 0.2 0.8 0.2 0.8 0.8 0.2 0.8\n"
        (folder / "labels" / "val" / f"{number}.txt").write_text(outline)
    assert run(folder, out, models["segmentation"]) == 0
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["instances"]["total"] == 2
    assert metrics["segmentation"].keys() >= {"map", "box_map"}


def test_classes_that_are_not_chosen_are_not_scored(
    models: dict[str, Path], tmp_path: Path, capsys
) -> None:
    folder = write_rectangles(tmp_path / "boxes", frames=2)
    command = ["--data", str(folder), "--model", str(models["segmentation"]), "--device", "cpu"]
    out = tmp_path / "out"
    assert main([*command, "--out", str(out), "--classes", "blue_box"]) == 0
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["instances"]["total"] == 2
    assert metrics["per_class"].keys() == {"blue_box"}
    assert main([*command, "--out", str(out), "--classes", "mug"]) == EXIT_BAD_INPUT
    assert "has no class mug" in capsys.readouterr().err
