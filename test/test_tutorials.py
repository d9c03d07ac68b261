# SPDX-License-Identifier: Apache-2.0
"""The command lines of the tutorials run one after the other, as they stand, on little data."""

from __future__ import annotations

import json
import re
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from documented_commands import DocumentedCommand, commands_of
from mesh_files import box, write_obj, write_picture
from moving_square import write_moving_square
from python_imports import ROOT
from vott_exports import vott_export

from perception_kit.networks.model_metadata import read_metadata

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

TRAINERS = ("pose6d_node.train_segmentation", "pose6d_node.train_pose", "actionrec_node.train")
# Of a camera, and of weights that others trained: test_bringup.py and test_convert.py.
NOT_HERE = {"perception_kit.bringup", "pose6d_node.convert"}


def run_command(command: DocumentedCommand, *more: str) -> None:
    """Run a command with ``more`` options, which take the place of its own of these names.

    In this process: importing the libraries takes longer than most of these commands do.
    """
    package = find_spec(command.module)
    assert package is not None
    is_package = package.submodule_search_locations is not None
    module = import_module(f"{command.module}.__main__" if is_package else command.module)
    assert module.main([*command.arguments, *more]) == 0, command.line


def commands_in(page: str) -> list[DocumentedCommand]:
    """What a reader of a page copies, in its order."""
    commands = [command for command in commands_of(ROOT / page) if command.complete]
    return [command for command in commands if command.module not in NOT_HERE]


def first_try(page: str) -> dict[str, list[str]]:
    """The options of each command with which a page lets its readers try it in minutes."""
    said = re.search(r"`(--\w+ \d+)` renders.*?`(--steps \d+)`\s+trains", (ROOT / page).read_text())
    assert said is not None
    size, steps = (option.split() for option in said.groups())
    return {
        "perception_kit.synth": [*size, "--workers", "1"],
        **dict.fromkeys(TRAINERS, steps),
        "pose6d_node.evaluate": ["--max-frames", "4"],
    }


def test_tracking_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two people who cross, and a detector with an appearance of each."""
    monkeypatch.chdir(tmp_path)
    truth, detections, features = [], [], []
    rng = np.random.default_rng(0)
    looks = np.eye(2, 16)
    for frame in range(1, 31):
        for person, left in ((1, 40 + 8 * frame), (2, 300 - 8 * frame)):
            place = f"{left},{100 + 40 * person},40,90"
            truth.append(f"{frame},{person},{place},1,1,1")
            detections.append(f"{frame},-1,{place},0.9,-1,-1,-1")
            features.append(looks[person - 1] + rng.normal(0, 0.02, 16))
    for folder in ("", "MOT_FOLDER/det/", "MOT_FOLDER/gt/"):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        for name, lines in (("det.txt", detections), ("gt.txt", truth)):
            if name[:2] in folder or not folder:
                (tmp_path / folder / name).write_text("\n".join(lines) + "\n")
    np.save(tmp_path / "f.npy", np.asarray(features, np.float32))
    (tmp_path / "out").mkdir()

    commands = commands_in("docs/tracking.md")
    mot = [command for command in commands if command.module == "tracker_node.mot"]
    assert len(mot) == 2
    for command in mot:
        run_command(command)
    assert len((tmp_path / "tracks.txt").read_text().splitlines()) > 50

    (tune, _) = (command for command in commands if command.module == "tracker_node.tune")
    run_command(tune)
    assert any((tmp_path / "out/tune").iterdir())


OWN_OBJECTS = commands_in("docs/own_objects.md")
REPLAYS = [command for command in OWN_OBJECTS if command.module == "perception_kit.replay"]


@pytest.fixture(scope="module")
def own_objects(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of somebody who followed the tutorial on own objects, but for the replay."""
    folder = tmp_path_factory.mktemp("own_objects")
    for name, color in (("mug", (200, 30, 40)), ("bowl", (30, 60, 210))):
        mesh = write_obj(folder / "my_objects" / name / "mesh.obj")
        write_picture(mesh.with_name("t.png"), color)
    write_picture(folder / "my_photos/wall.png", (90, 120, 140), size=64)

    # Objects that are added, one with a texture and one without colors.
    kettle = write_obj(folder / "new_objects/kettle/mesh.obj", scale=2.0)
    write_picture(kettle.with_name("t.png"), (20, 180, 60))
    box(scale=1.5).export(folder / "bottle.ply")

    # A BOP folder is what the first two commands render; the sizes go on from the demo's models.
    (folder / "my_bop").mkdir()
    for name, target in (
        ("train_pbr", "train/train"),
        ("val", "val/val"),
        ("models", "val/models"),
    ):
        (folder / "my_bop" / name).symlink_to(folder / "data" / target)
    (folder / "models").symlink_to(ROOT / "models")

    options = first_try("docs/own_objects.md")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for command in OWN_OBJECTS:
            if command not in REPLAYS:
                run_command(command, *options.get(command.module, ()))
    return folder


def test_own_objects(own_objects: Path) -> None:
    metrics = json.loads((own_objects / "out/evaluation/metrics.json").read_text())
    assert metrics["per_class"].keys() == {"mug", "bowl"}
    classes = read_metadata(own_objects / "my/pose_more.safetensors", "pose")["class_names"]
    assert classes == ["bowl", "mug", "kettle", "bottle"]
    assert (own_objects / "out/sizes/report.html").is_file()


@pytest.mark.ros
def test_own_objects_in_the_running_nodes(
    own_objects: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(own_objects)
    assert len(REPLAYS) == 1
    run_command(REPLAYS[0])
    assert (own_objects / "out/replay/report.html").is_file()


def test_own_actions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tagged videos of a square."""
    monkeypatch.chdir(tmp_path)
    tags = {
        0.5: "falling",
        1.5: "dummy",
        2.0: "walking",
        4.5: "dummy",
        5.0: "falling",
        5.8: "dummy",
    }
    for name in ("video", "my-export", "my-held-out-export"):
        video = write_moving_square(tmp_path / f"{name}.mp4", np.arange(90) / 15, speed=20.0)
        (tmp_path / f"{name}.json").write_text(json.dumps(vott_export(video, tags)))

    options = first_try("docs/own_actions.md")
    for command in commands_in("docs/own_actions.md"):
        run_command(command, *options.get(command.module, ()))

    metrics = json.loads((tmp_path / "out/action/metrics.json").read_text())
    assert metrics["per_class"].keys() == {"falling", "walking"}
    assert json.loads((tmp_path / "video.json").read_text())["windows"]
