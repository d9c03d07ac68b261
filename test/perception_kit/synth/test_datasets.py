# SPDX-License-Identifier: Apache-2.0
"""Written data, read back: BOP folders, bags, and that the same seed gives the same bytes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import open3d as o3d
import pytest

from perception_kit.bags.bag import read_messages
from perception_kit.datasets.bop import BopDataset
from perception_kit.datasets.bop_models import read_models
from perception_kit.datasets.opener import open_dataset
from perception_kit.geometry import back_project
from perception_kit.synth.__main__ import main, parse_arguments
from perception_kit.synth.bop_writer import BopJob
from perception_kit.synth.objects import builtin_classes
from perception_kit.synth.recording import SyntheticRecording, action_segments
from perception_kit.synth.scene import pinhole
from perception_kit.synth.world import WorldConfig

SMALL = pinhole(160, 120)
SIZE = ("--width", "160", "--height", "120")
DETECTIONS, POSES, TRACKS, ACTIONS = (
    f"/ground_truth/{name}" for name in ("detections", "poses", "tracks", "actions")
)
IMAGE, DEPTH = "/camera/camera/color/image_raw", "/camera/camera/aligned_depth_to_color/image_raw"


def world(split: str) -> WorldConfig:
    return WorldConfig(split, SMALL, None, (), True)


def bop_arguments(out: Path, workers: int) -> list[str]:
    """Command line for six small training frames of seed 5."""
    amount = ["--seed", "5", "--frames", "6", *SIZE]
    return ["--format", "bop", *amount, "--workers", str(workers), "--out", str(out)]


@pytest.fixture(scope="module")
def bop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("bop") / "set"
    assert main(bop_arguments(out, workers=1)) == 0
    return out


@pytest.fixture(scope="module")
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("bag") / "scene"
    length = ["--seconds", "2", "--fps", "3"]
    assert main(["--seed", "7", *length, *SIZE, "--workers", "1", "--out", str(out)]) == 0
    return out


def test_bop_masks_poses_and_depth_agree(bop: Path) -> None:
    data = BopDataset(bop)
    classes = {object_class.class_id: object_class for object_class in builtin_classes()}
    assert len(data) == 6

    checked = 0
    for index in range(len(data)):
        frame = data[index]
        points = back_project(frame.depth, frame.intrinsics)
        for number, instance in enumerate(frame.instances, start=1):
            seen = points[(frame.labels == number) & (frame.depth > 0)]
            if instance.class_id not in classes or len(seen) < 60:
                continue

            scene = o3d.t.geometry.RaycastingScene()
            mesh = classes[instance.class_id].mesh
            scene.add_triangles(mesh.vertices, mesh.faces.astype(np.uint32))
            local = ((seen - instance.translation) @ instance.rotation).astype(np.float32)
            distance = scene.compute_distance(o3d.core.Tensor.from_numpy(local)).numpy()
            assert np.median(distance) < 0.004, f"frame {index}, instance {number}"
            checked += 1
    assert checked >= 10


def test_bop_models(bop: Path) -> None:
    models = read_models(bop / "models")
    for object_class in builtin_classes():
        model = models[object_class.class_id]
        assert model.name == object_class.name
        assert model.diameter == pytest.approx(object_class.diameter, rel=1e-5)
        assert model.symmetric == (object_class.symmetry.axis is not None)
        extent = object_class.mesh.vertices.max(axis=0)
        np.testing.assert_allclose(model.points(500).max(axis=0), extent, atol=0.02)
    assert models[7].articulated
    assert models[7].name == "person"


def test_objects_of_many_sizes_lie_where_their_depth_is(tmp_path: Path) -> None:
    out = tmp_path / "set"
    sizes = ["--scales", "0.6", "1.6", "--scale-axes", "--no-person"]
    assert main([*bop_arguments(out, workers=1), *sizes]) == 0
    data, stated = BopDataset(out), []
    classes = {object_class.class_id: object_class for object_class in builtin_classes()}
    for index in range(len(data)):
        frame = data[index]
        points = back_project(frame.depth, frame.intrinsics)
        for number, instance in enumerate(frame.instances, start=1):
            object_class = classes[instance.class_id]
            stated.append(instance.scale)
            if object_class.symmetry.axis is not None:
                assert instance.scale[0] == instance.scale[1], "what is round stays round"
            seen = points[(frame.labels == number) & (frame.depth > 0)]
            if len(seen) < 60:
                continue
            scene = o3d.t.geometry.RaycastingScene()
            mesh = object_class.mesh.scaled(instance.scale)
            scene.add_triangles(mesh.vertices, mesh.faces.astype(np.uint32))
            local = ((seen - instance.translation) @ instance.rotation).astype(np.float32)
            distance = scene.compute_distance(o3d.core.Tensor.from_numpy(local)).numpy()
            assert np.median(distance) < 0.004, f"frame {index}, instance {number}"
    assert len(stated) >= 10
    assert 0.6 <= np.min(stated) < 0.9 < 1.2 < np.max(stated) <= 1.6


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--format", "bag", "--scales", "0.6", "1.6"], "--scales is for --format bop"),
        (["--format", "bop", "--scale-axes"], "--scale-axes is a choice of --scales"),
        (["--format", "bop", "--scales", "0", "1"], "0"),
    ],
)
def test_sizes_that_mean_nothing_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    with pytest.raises(SystemExit):
        parse_arguments(["--out", str(tmp_path / "set"), *arguments])
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("scales", [("1.6", "0.6"), ("1", "1000"), ("1e-09", "1")])
def test_sizes_are_a_range_of_one_class(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], scales: tuple[str, str]
) -> None:
    out = ["--out", str(tmp_path / "set")]
    assert main(["--format", "bop", "--scales", *scales, *out]) == 2
    assert f"cannot be scaled between {scales[0]} and {scales[1]}" in capsys.readouterr().err


def test_stable_poses_of_a_scaled_object_rest_on_the_same_facets() -> None:
    for object_class in builtin_classes()[:2]:
        scale = np.array([0.7, 1.3, 1.6])
        scaled = object_class.scaled(scale)
        for own, pose in zip(object_class.stable_poses, scaled.stable_poses, strict=True):
            below = np.argsort((object_class.hull @ own.rotation.T)[:, 2])[:3]
            turned = (object_class.hull * scale) @ pose.rotation.T
            assert pose.height == pytest.approx(-turned[:, 2].min(), abs=2e-3)
            np.testing.assert_allclose(turned[below, 2], turned[:, 2].min(), atol=4e-3)


def test_bop_visible_fractions(bop: Path) -> None:
    info = json.loads((bop / "train/000000/scene_gt_info.json").read_text())
    entries = [entry for entries in info.values() for entry in entries]
    assert all(0 < entry["visib_fract"] <= 1 for entry in entries)
    assert all(entry["px_count_visib"] <= entry["px_count_all"] for entry in entries)
    assert any(entry["visib_fract"] < 0.9 for entry in entries), "objects do cover each other"


def test_frames_lie_in_the_folder_of_their_split(tmp_path: Path) -> None:
    out = tmp_path / "set"
    frames = ["--format", "bop", "--split", "val", "--frames", "1", *SIZE, "--workers", "1"]
    assert main([*frames, "--no-person", "--out", str(out)]) == 0
    assert sorted(path.name for path in out.iterdir()) == ["models", "val"]
    assert open_dataset(out).name(0) == "000000/000000"

    # Held-out frames are preferred to training frames, and test frames to others.
    shutil.copytree(out / "val/000000", out / "train/000001")
    assert open_dataset(out).name(0) == "000000/000000"
    shutil.copytree(out / "val/000000", out / "test/000002")
    assert open_dataset(out).name(0) == "000002/000000"


def test_a_frame_depends_on_its_number_only(bop: Path, tmp_path: Path) -> None:
    BopJob(tmp_path, world("train"), 5).renderer()(3)
    again, original = tmp_path / "000000", bop / "train/000000"
    for name in ("rgb/000003.jpg", "depth/000003.png", "mask_visib/000003_000000.png"):
        assert (again / name).read_bytes() == (original / name).read_bytes()

    BopJob(tmp_path / "other", world("train"), 6).renderer()(3)
    different = tmp_path / "other/000000"
    image = "rgb/000003.jpg"
    assert (different / image).read_bytes() != (original / image).read_bytes()


@pytest.mark.slow
def test_number_of_workers_does_not_matter(bop: Path, tmp_path: Path) -> None:
    out = tmp_path / "set"
    assert main(bop_arguments(out, workers=2)) == 0
    files = sorted(path.relative_to(bop) for path in bop.rglob("*") if path.is_file())
    assert files == sorted(path.relative_to(out) for path in out.rglob("*") if path.is_file())
    assert all((bop / path).read_bytes() == (out / path).read_bytes() for path in files)


def test_recording_renders_the_same_frame_again() -> None:
    recording = SyntheticRecording(world("test"), 7, 2.0, 3.0)
    first, second = recording.renderer()(4), recording.renderer()(4)
    np.testing.assert_array_equal(first.frame.rgb, second.frame.rgb)
    np.testing.assert_array_equal(first.frame.depth_mm, second.frame.depth_mm)


def test_bag_has_all_topics_on_one_grid_of_stamps(bag: Path) -> None:
    stamps: dict[str, list[int]] = {}
    camera_info = IMAGE.replace("image_raw", "camera_info")
    topics = [IMAGE, DEPTH, camera_info, DETECTIONS, POSES, TRACKS, ACTIONS]
    for recorded in read_messages(bag, topics):
        header = recorded.message.header
        stamp = header.stamp.sec * 10**9 + header.stamp.nanosec
        stamps.setdefault(recorded.topic, []).append(stamp)
        assert header.frame_id == "camera_color_optical_frame"
    expected = [1_700_000_000 * 10**9 + round(k * 1e9 / 3) for k in range(6)]
    assert len(stamps) == 7
    assert all(times == expected for times in stamps.values())


def test_bag_ground_truth_is_consistent(bag: Path) -> None:
    frames: dict[int, dict] = {}
    for recorded in read_messages(bag, [IMAGE, DEPTH, DETECTIONS, POSES, TRACKS, ACTIONS]):
        frames.setdefault(recorded.stamp_ns, {})[recorded.topic] = recorded.message

    identities: list[dict[int, str]] = []
    for frame in frames.values():
        assert frame[IMAGE].encoding == "rgb8"
        assert frame[DEPTH].encoding == "16UC1"

        detections = frame[DETECTIONS].detections
        assert [detection.detection_id for detection in detections] == [*range(len(detections))]
        scores = [detection.score for detection in detections]
        assert scores == sorted(scores, reverse=True)
        names = [detection.class_name for detection in detections]
        assert "person" in names
        assert any(names.count(name) > 1 for name in names), "two of a kind in view"
        _check_masks(detections)

        poses, tracks = frame[POSES].poses, frame[TRACKS].tracks
        rigid = {index for index, name in enumerate(names) if name != "person"}
        assert {pose.detection_id for pose in poses} == rigid
        assert sorted(track.detection_id for track in tracks) == list(range(len(detections)))
        for track in tracks:
            assert track.class_name == names[track.detection_id]
        identities.append({track.id: track.class_name for track in tracks})

        (action,) = frame[ACTIONS].actions
        assert action.class_scores[frame[ACTIONS].class_names.index(action.label)] == 1
        assert identities[-1][action.track_id] == "person"

    for known in identities:
        assert all(identities[0].get(identity, name) == name for identity, name in known.items())


def _check_masks(detections: list) -> None:
    for detection in detections:
        roi = detection.mask_roi
        assert len(detection.mask) == roi.height * ((roi.width + 7) // 8)
        mask = np.unpackbits(detection.mask.reshape(roi.height, -1), axis=1)[:, : roi.width]
        assert mask.any(axis=0)[[0, -1]].all()
        assert mask.any(axis=1)[[0, -1]].all()

        x, y = roi.x_offset, roi.y_offset
        assert detection.box.tolist() == [x, y, x + roi.width, y + roi.height]


@pytest.mark.parametrize(
    ("arguments", "frames", "seconds"),
    [
        ([], None, 10.0),
        (["--frames", "6", "--fps", "3"], 6, 2.0),
        (["--seconds", "4"], None, 4.0),
        (["--format", "bop"], 1000, None),
        (["--format", "bop", "--frames", "6"], 6, None),
    ],
)
def test_frames_say_the_length_of_bags_too(
    arguments: list[str], frames: int | None, seconds: float | None
) -> None:
    options = parse_arguments([*arguments, "--out", "x"])
    assert (options.frames, options.seconds) == (frames, seconds)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--frames", "6", "--seconds", "4"],
        ["--format", "bop", "--seconds", "4"],
        ["--format", "clips", "--frames", "6"],
    ],
)
def test_a_length_that_means_nothing_is_refused(arguments: list[str]) -> None:
    with pytest.raises(SystemExit):
        parse_arguments([*arguments, "--out", "x"])


def test_what_was_written_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "scene"
    assert main(["--frames", "1", *SIZE, "--workers", "1", "--no-person", "--out", str(out)]) == 0
    shown = capsys.readouterr().out
    assert f"wrote {out}: rosbag2" in shown
    assert f"next: perception replay {out} --out OUT" in shown


@pytest.mark.parametrize("seconds", [4, 10, 20, 60])
def test_recordings_walk_run_fall_and_lie(seconds: float) -> None:
    segments = action_segments(seconds)
    assert {"walking", "running", "falling", "lying"} <= {action for action, _ in segments}
    assert sum(length for _, length in segments) >= seconds - 1e-6


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--meshes", "nowhere"], "nowhere"),
        (["--backgrounds", "."], "images to use as backgrounds"),
        (["--seconds", "-1"], "positive length"),
    ],
    ids=["no_meshes", "no_photos", "negative_length"],
)
def test_unusable_input_is_explained(
    arguments: list[str],
    complaint: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([*arguments, "--out", "scene"]) == 2
    assert complaint in capsys.readouterr().err


def test_existing_output_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--out", str(tmp_path)]) == 2
    assert "exists already" in capsys.readouterr().err
