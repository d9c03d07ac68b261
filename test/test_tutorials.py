# SPDX-License-Identifier: Apache-2.0
"""The tutorials' command lines run one after the other, as they stand, on small sizes.

What makes them small is put behind their own options, of which the last one counts.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import cv2
import numpy as np
import pytest
from documented_commands import DocumentedCommand, commands_of
from mesh_files import RED, box, write_obj, write_picture
from poster_videos import write_video
from python_imports import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
NOTHING: Mapping[str, str] = MappingProxyType({})


def run_page(
    page: str,
    folder: Path,
    small: Mapping[str, str],
    filled_in: Mapping[str, str] = NOTHING,
) -> list[str]:
    """Run the commands of a page's blocks whose modules are in ``small``, with those options.

    ``filled_in`` has what stands for the reader's own files. Returns the modules that have run.
    """
    ran = []
    for command in commands_of(ROOT / "docs" / page):
        arguments = [filled_in.get(word, word) for word in command.arguments]
        is_runnable = command.complete or arguments != list(command.arguments)
        if command.module in small and is_runnable:
            run_command(command, [*arguments, *small[command.module].split()], folder)
            ran.append(command.module)
    return ran


def run_command(command: DocumentedCommand, arguments: list[str], folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", command.module, *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": f"{ROOT}:{os.environ.get('PYTHONPATH', '')}"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, f"{command.line}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"


def test_own_objects(tmp_path: Path) -> None:
    write_obj(tmp_path / "my_objects/parcel/parcel.obj")
    write_picture(tmp_path / "my_objects/parcel/t.png", RED)
    write_picture(tmp_path / "my_photos/wall.png", RED, size=64)
    write_obj(tmp_path / "new_objects/mug/mug.obj")
    write_picture(tmp_path / "new_objects/mug/t.png", RED)
    box().export(tmp_path / "bottle.ply")

    training = "--steps 2 --batch-size 2 --accelerator cpu"
    small = {
        "perception_kit.synth": "--frames 6 --width 160 --height 120 --workers 1",
        "pose6d_node.train_segmentation": training,
        "pose6d_node.train_pose": training,
        "pose6d_node.evaluate": "--max-frames 2 --device cpu",
        "pose6d_node.update_objects": "",
    }
    # The second half of the page does the same with a BOP folder, which is the rendered one here.
    (tmp_path / "my_bop").symlink_to(tmp_path / "data" / "bop")
    (tmp_path / "data" / "bop").mkdir(parents=True)
    for name, made in (
        ("train_pbr", "train/train"),
        ("val", "val/val"),
        ("models", "train/models"),
    ):
        (tmp_path / "data" / "bop" / name).symlink_to(tmp_path / "data" / made)

    ran = run_page("own_objects.md", tmp_path, small)
    assert [ran.count(module) for module in small] == [2, 2, 2, 2, 1]
    assert (tmp_path / "out/evaluation/report.html").is_file()
    assert (tmp_path / "my/pose_more.safetensors").is_file()


def write_export(folder: Path, name: str, shade: int) -> None:
    """A video in which a bar walks and tips over in four seconds, and Label Studio's export."""
    write_person_like_video(folder / f"{name}.mp4", shade)
    spans = ((0.0, 2.4, "walking"), (2.4, 4.0, "falling"))
    results = [
        {"value": {"start": start, "end": end, "labels": [label]}} for start, end, label in spans
    ]
    task = {"id": 1, "data": {"video": f"/data/upload/1/0a1b2c3d-{name}.mp4"}}
    task["annotations"] = [{"id": 1, "result": results}]
    (folder / f"{name}.json").write_text(json.dumps([task]))


def write_person_like_video(path: Path, shade: int) -> None:
    """Four seconds in which a bright bar stands, walks and tips over."""
    frames = []
    for k in range(60):
        picture = np.full((120, 160, 3), shade, np.uint8)
        angle = min(90.0, 3.0 * max(0, k - 40))
        corners = cv2.boxPoints(((30.0 + k, 70.0), (14.0, 60.0), angle)).astype(np.int32)
        frames.append(cv2.fillConvexPoly(picture, corners, (220, 210, 200)))
    write_video(path, iter(frames), fps=15.0)


def test_own_actions(tmp_path: Path) -> None:
    write_export(tmp_path, "video", shade=60)
    (tmp_path / "video.json").rename(tmp_path / "my-export.json")
    write_export(tmp_path, "other", shade=90)
    clips = commands_of(ROOT / "docs/own_actions.md")[0]
    run_command(clips, ["other.json", "--out", "my_held_out_clips"], tmp_path)

    small = {
        "actionrec_node.clips": "",
        "actionrec_node.train": "--steps 2 --batch-size 2 --workers 0",
        "actionrec_node.evaluate": "--device cpu",
        "actionrec_node.classify": "--device cpu",
    }
    ran = run_page("own_actions.md", tmp_path, small)
    assert [ran.count(module) for module in small] == [1, 1, 1, 1]
    assert json.loads((tmp_path / "video.json").read_text())["windows"]


def test_tracking_files(tmp_path: Path) -> None:
    """Two people who cross, and a detector with an appearance of each."""
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

    assert run_page("tracking.md", tmp_path, {"tracker_node.mot": ""}) == ["tracker_node.mot"] * 2
    assert len((tmp_path / "tracks.txt").read_text().splitlines()) > 50

    (tune, _) = (
        command
        for command in commands_of(ROOT / "docs/tracking.md")
        if command.module == "tracker_node.tune" and command.complete
    )
    run_command(tune, list(tune.arguments), tmp_path)
    assert any((tmp_path / "out/tune").iterdir())


def test_video_search(tmp_path: Path) -> None:
    (tmp_path / "scene.srt").write_text("1\n00:00:02,000 --> 00:00:04,000\nwhere is my mug\n")
    small = {"video_search.index": ""}
    ran = run_page("video_search.md", tmp_path, small, {"SOURCE…": "scene.srt"})
    assert ran == ["video_search.index"]
    assert (tmp_path / "LIBRARY").is_dir()

    inline = {command.module: command for command in commands_of(ROOT / "docs/video_search.md")}
    run_command(inline["video_search.find"], ["LIBRARY", "mug"], tmp_path)
    forget = inline["video_search.forget"]
    own = ["scene.srt" if word == "scene" else word for word in forget.arguments]
    run_command(forget, own, tmp_path)
