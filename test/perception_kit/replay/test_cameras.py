# SPDX-License-Identifier: Apache-2.0
"""Two rendered cameras: their topics and TF, and the fusion of what their replays have written."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from perception_kit.bags.bag import BagError, BagReader, BagWriter, read_messages
from perception_kit.bags.camera_topics import find_camera_topics, topics_of_camera
from perception_kit.bags.transforms import RecordedTransforms
from perception_kit.evaluation.ground_truth import FrameGroundTruth
from perception_kit.evaluation.matching import EvaluatedFrame
from perception_kit.evaluation.run_folder import RESULTS
from perception_kit.fusion.camera_tracks import CameraTrack
from perception_kit.replay import cameras
from perception_kit.replay.__main__ import main
from perception_kit.replay.batch import replay_command
from perception_kit.replay.cameras import (
    CAMERAS,
    RecordedView,
    fuse_views,
    fused_report,
    print_cameras,
)
from perception_kit.replay.settings import ReplaySettings
from perception_kit.ros.from_messages import poses_from_message
from perception_kit.synth.__main__ import main as synth
from perception_kit.synth.choices import CAMERA_NAMES
from perception_kit.synth.robot_path import CirclePath, DrivePath
from perception_kit.types import FrameResults

FPS, SECONDS = 2, 7


class EmptyView(RecordedView):
    """A frame of a camera that sees nothing."""

    def __init__(self, camera: str, stamp_ns: int, arrival_ns: int) -> None:
        self.arrival_ns = arrival_ns
        self.camera, self.frame_id = camera, f"{camera}_camera_color_optical_frame"
        self.frame = EvaluatedFrame(stamp_ns, FrameGroundTruth(), FrameResults())

    def tracks(self, camera_to_common: np.ndarray | None) -> list[CameraTrack]:
        return []


@pytest.fixture(scope="module")
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("cameras") / "scene"
    length = ["--cameras", "2", "--seconds", str(SECONDS), "--fps", str(FPS), "--seed", "3"]
    size = ["--width", "160", "--height", "120", "--workers", "1"]
    assert synth([*length, *size, "--out", str(out)]) == 0
    return out


@pytest.fixture
def tasks(bag: Path, tmp_path: Path) -> dict[str, ReplaySettings]:
    """Settings of the two replays, which have found all that there is, with tracks of their own."""
    tasks = {}
    for number, camera in enumerate(CAMERA_NAMES):
        model = Path("none.safetensors")
        task = ReplaySettings(bag, tmp_path / camera, model, model, model, camera_namespace=camera)
        tasks[camera] = task
        with BagWriter(task.out / RESULTS) as results:
            topics = {
                f"/{camera}/ground_truth/detections": "/pose6d_node/detections",
                f"/{camera}/ground_truth/tracks": "/tracker_node/tracks",
            }
            for topic, stamp_ns, message in read_messages(bag, topics):
                for track in message.tracks if topic.endswith("tracks") else []:
                    track.id += 100 * number
                results.write(topics[topic], message, stamp_ns)
    return tasks


def test_each_camera_has_its_topics(bag: Path) -> None:
    with BagReader(bag) as reader:
        for name in CAMERA_NAMES:
            topics = find_camera_topics(topics_of_camera(reader.topics, name))
            assert topics.color == f"/{name}/camera/camera/color/image_raw"
            assert topics.depth.startswith(f"/{name}/camera/camera/aligned_depth_to_color")
        with pytest.raises(BagError, match=r"namespace '/middle', expected one of left, right$"):
            topics_of_camera(reader.topics, "middle")


def test_objects_stand_still_in_the_common_frame_for_both_cameras(bag: Path) -> None:
    with BagReader(bag) as reader:
        transforms = RecordedTransforms.of_bag(reader)
    places: dict[str, list[np.ndarray]] = {}
    for name in CAMERA_NAMES:
        for message in read_messages(bag, [f"/{name}/ground_truth/poses"]):
            header = message.message.header
            pose = transforms.pose_in("odom", header.frame_id, message.stamp_ns)
            for found in poses_from_message(message.message):
                place = pose[:3, :3] @ found.translation + pose[:3, 3]
                places.setdefault(found.class_name, []).append(place)
    assert len(places) > 2
    once = [np.array(seen) for seen in places.values() if np.ptp(seen, axis=0).max() < 0.01]
    assert len(once) > 2, "those of which there is one"


def test_identities_are_kept_from_one_view_to_the_next(tasks: dict[str, ReplaySettings]) -> None:
    report = fused_report(tasks, "odom")
    assert report["hand_overs"] >= 2
    assert report["hand_overs_kept"] == report["hand_overs"]
    assert (report["id_switches"], report["alone"]) == (0, {})
    assert all(entry["is_kept"] for entry in report["seen_again"])


def test_without_tf_each_camera_is_alone(tasks: dict[str, ReplaySettings]) -> None:
    report = fused_report(tasks, "map")
    assert set(report["alone"]) == set(CAMERA_NAMES)
    assert "does not connect 'left_camera_color_optical_frame' with 'map'" in str(report["alone"])
    assert report["hand_overs_kept"] == 0


def test_clocks_that_are_hours_apart_are_named(
    tasks: dict[str, ReplaySettings], capsys: pytest.CaptureFixture[str]
) -> None:
    with BagReader(tasks["left"].bag) as reader:
        transforms = RecordedTransforms.of_bag(reader)

    arrivals = range(0, 10**9, 250_000_000)
    views = {
        "left": [EmptyView("left", arrival_ns, arrival_ns) for arrival_ns in arrivals],
        "right": [EmptyView("right", ns + 36_000 * 10**9, ns) for ns in arrivals],
    }
    report = fuse_views(views, transforms, "odom")
    ((reason, frames),) = report["alone"]["right"].items()
    assert "the stamps of 'right' are 36000.0 s ahead of those of 'left'" in reason
    assert frames == 4
    assert all("clock" not in text for text in report["alone"]["left"])

    print_cameras(report, [Path("cameras.json")])
    assert "no frame has ground truth on /left/ground_truth/tracks" in capsys.readouterr().out


def test_a_camera_that_cannot_be_replayed_leaves_the_other(
    bag: Path, tasks: dict[str, ReplaySettings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(tasks["left"].out / RESULTS)

    def replayed(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(command, 2 if "left" in command else 0)

    monkeypatch.setattr(subprocess, "run", replayed)
    arguments = [str(bag), "--out", str(tmp_path), "--cameras", "left", "right"]
    assert main(arguments) == 2
    report = json.loads((tmp_path / CAMERAS).read_text())
    assert (report["cameras"], report["id_switches"]) == (["right"], 0)
    assert report["identities"] > 0


def test_one_bag_and_two_cameras_are_expected(
    bag: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for names in (["left"], ["left", "/left/"]):
        assert main([str(bag), "--out", str(tmp_path), "--cameras", *names]) == 2
        error = capsys.readouterr().err
        assert f"two different names or more, separated by blanks, got {' '.join(names)}" in error
    assert main([str(bag), str(bag), "--out", str(tmp_path), "--cameras", "left", "right"]) == 2
    assert "--cameras takes one bag" in capsys.readouterr().err


def test_a_fixed_frame_that_tf_lacks_is_named_before_any_is_replayed(
    bag: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frame = ["--fixed-frame", "mapp"]
    assert main([str(bag), "--out", str(tmp_path), "--cameras", "left", "right", *frame]) == 2
    error = capsys.readouterr().err
    assert "--fixed-frame is 'mapp', but the TF of" in error
    assert "odom" in error
    assert not list(tmp_path.iterdir())


def test_a_camera_without_images_is_named_before_any_is_replayed(
    bag: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_camera(settings: ReplaySettings) -> None:
        raise BagError(f"no depth of {settings.camera_namespace}")

    monkeypatch.setattr(cameras, "ReplayInput", no_camera)
    assert main([str(bag), "--out", str(tmp_path), "--cameras", "left", "right"]) == 2
    assert "'right' cannot be replayed: no depth of right" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_camera_that_the_bag_lacks_is_named_before_any_is_replayed(
    bag: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(bag), "--out", str(tmp_path), "--cameras", "left", "nope"]) == 2
    error = capsys.readouterr().err
    assert "namespace '/nope', expected one of left, right" in error
    assert not list(tmp_path.iterdir())


def test_the_replay_of_one_camera_knows_its_namespace(tasks: dict[str, ReplaySettings]) -> None:
    command = replay_command(tasks["right"])
    assert command[command.index("--camera-namespace") + 1] == "right"
    assert "--camera-namespace" in replay_command(replace(tasks["right"], camera_namespace=""))


def test_a_drive_leaves_the_table_and_comes_back() -> None:
    path, seconds = DrivePath(50.0, np.random.default_rng(0)), np.linspace(0, 50, 500)
    cosine = []
    for moment in seconds:
        pose = path.at(moment)
        to_table = np.array([0.0, 0.0, 0.4]) - pose[:3, 3]
        cosine.append(pose[:3, 2] @ to_table / np.linalg.norm(to_table))
    out_of_sight = seconds[np.array(cosine) < np.cos(0.7)]
    assert np.ptp(out_of_sight) > 30
    assert min(cosine[0], cosine[-1]) > 0.95


def test_a_circle_goes_once_round_the_table_and_looks_at_it() -> None:
    path = CirclePath(0.4, 30.0, np.random.default_rng(0))
    poses = [path.at(moment) for moment in np.linspace(0, 30, 61)]
    np.testing.assert_allclose(poses[0], poses[-1], atol=1e-9)
    angles = np.unwrap([np.arctan2(pose[1, 3], pose[0, 3]) for pose in poses])
    assert angles[-1] - angles[0] == pytest.approx(2 * np.pi)
    for pose in poses:
        to_table = np.array([0.0, 0.0, 0.4]) - pose[:3, 3]
        assert pose[:3, 2] @ to_table == pytest.approx(np.linalg.norm(to_table))
