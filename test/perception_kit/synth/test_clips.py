# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import csv
from pathlib import Path

import av
import numpy as np
import pytest

from perception_kit.geometry import invert_pose
from perception_kit.synth import clips
from perception_kit.synth.clips import (
    FPS,
    HEIGHT,
    WIDTH,
    render_clip,
    sample_segments,
    write_clips,
    write_video,
)
from perception_kit.synth.clips_scene import sample_camera, stage
from perception_kit.synth.clips_table import stage_behind_table
from perception_kit.synth.motion import ACTIONS
from perception_kit.synth.room import TexturePool

SHORT = [("walking", 0.8), ("falling", 1.6)]


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Takes of about two seconds, nobody missing."""
    monkeypatch.setattr(clips, "sample_segments", lambda rng, seats: SHORT)
    monkeypatch.setattr(clips, "EMPTY_FRACTION", 0.0)


def decode(path: Path) -> np.ndarray:
    with av.open(str(path)) as container:
        assert float(container.streams.video[0].average_rate) == FPS
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


@pytest.mark.usefixtures("short")
@pytest.mark.slow
def test_folder_holds_videos_labels_and_classes(tmp_path: Path):
    write_clips(tmp_path / "clips", seed=1, count=2, workers=1)
    with (tmp_path / "clips" / "labels.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert (tmp_path / "clips" / "classes.txt").read_text().split() == list(ACTIONS)
    assert {row["video"] for row in rows} == {"videos/00000.mp4", "videos/00001.mp4"}
    for name in ("videos/00000.mp4", "videos/00001.mp4"):
        frames = decode(tmp_path / "clips" / name)
        of_video = [row for row in rows if row["video"] == name]
        assert frames.shape[1:] == (HEIGHT, WIDTH, 3)
        assert float(of_video[0]["start"]) == 0
        assert float(of_video[-1]["end"]) == pytest.approx(len(frames) / FPS, abs=1e-3)
        assert [row["end"] for row in of_video[:-1]] == [row["start"] for row in of_video[1:]]
        assert {row["label"] for row in of_video} <= set(ACTIONS)


@pytest.mark.usefixtures("short")
def test_same_seed_same_take_and_other_seed_another():
    first, again, different = (
        render_clip(np.random.default_rng(seed), TexturePool("train")) for seed in (5, 5, 6)
    )
    np.testing.assert_array_equal(first.frames, again.frames)
    np.testing.assert_array_equal(first.boxes, again.boxes)
    assert first.segments == again.segments
    assert not np.array_equal(first.frames, different.frames)


def test_the_table_of_the_robot_stands_before_the_people(monkeypatch: pytest.MonkeyPatch):
    """The camera looks up from the table: objects are seen below, and the person above."""
    monkeypatch.setattr(clips, "sample_segments", lambda rng, seats: SHORT)
    monkeypatch.setattr(clips, "EMPTY_FRACTION", 0.0)
    take = stage_behind_table(np.random.default_rng(4), TexturePool("train"), [("walking", 0.8)])
    assert len(take.items) > 6
    clip = render_clip(np.random.default_rng(4), TexturePool("train"), "table")
    assert {label for _, _, label in clip.segments} <= {"walking", "falling", "lying", "other"}
    assert np.nanmin(clip.boxes[:, 1]) < HEIGHT / 3
    assert np.nanmedian(clip.boxes[:, 3]) < 0.9 * HEIGHT, "boxes hold the person, no objects"
    moved = np.abs(clip.frames[-1, -30:].astype(int) - clip.frames[0, -30:]).mean()
    assert moved > 5, "the camera moves"


def test_unknown_view_is_named(tmp_path: Path):
    with pytest.raises(ValueError, match="'attic', expected one of room, table"):
        write_clips(tmp_path, seed=0, count=1, view="attic")


@pytest.mark.usefixtures("short")
def test_boxes_hold_the_person_and_nobody_has_none(tmp_path: Path):
    clip = render_clip(np.random.default_rng(5), TexturePool("train"))
    seen = np.isfinite(clip.boxes).all(axis=1)
    assert seen.mean() > 0.5
    assert np.isnan(clip.boxes[~seen]).all()
    boxes = clip.boxes[seen]
    assert (boxes[:, :2] >= 0).all()
    assert (boxes[:, :2] < boxes[:, 2:]).all()
    assert (boxes[:, 2:] <= [WIDTH, HEIGHT]).all()
    write_clips(tmp_path / "clips", seed=1, count=1, workers=1)
    with (tmp_path / "clips" / "boxes.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["video"] for row in rows} == {"videos/00000.mp4"}
    assert all(0 <= float(row["x_min"]) < float(row["x_max"]) <= WIDTH for row in rows)
    assert rows[-1]["time"] == f"{round(float(rows[-1]['time']) * FPS) / FPS:.3f}"


def test_rooms_without_people_are_labeled_other(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(clips, "EMPTY_FRACTION", 1.0)
    clip = render_clip(np.random.default_rng(0), TexturePool("val"))
    assert clip.segments == [(0.0, len(clip.frames) / FPS, "other")]
    assert np.isnan(clip.boxes).all()


def test_written_labels_are_not_overwritten(tmp_path: Path):
    (tmp_path / "labels.csv").write_text("video,start,end,label\n")
    with pytest.raises(FileExistsError, match=r"labels\.csv"):
        write_clips(tmp_path, seed=0, count=1)


def test_count_below_one_is_refused(tmp_path: Path):
    with pytest.raises(ValueError, match="got 0"):
        write_clips(tmp_path, seed=0, count=0)


def test_every_action_is_well_represented():
    seconds = dict.fromkeys(ACTIONS, 0.0)
    falls = 0
    for seed in range(200):
        for action, length in sample_segments(np.random.default_rng(seed)):
            seconds[action] += length
            falls += action == "falling"
    assert falls >= 200
    total = sum(seconds.values())
    for action in ("walking", "running", "other", "falling"):
        assert seconds[action] / total > 0.12
    for action in ("sitting", "standing"):
        assert seconds[action] / total > 0.05
    without_seats = [
        sample_segments(np.random.default_rng(seed), seats=False) for seed in range(50)
    ]
    assert "sitting" not in {action for segments in without_seats for action, _ in segments}


@pytest.mark.parametrize("seed", range(3))
def test_cameras_stand_in_the_room_and_see_the_action(seed: int):
    rng = np.random.default_rng(seed)
    take = stage(rng, TexturePool("train"), [("walking", 2.0), ("falling", 2.0)])
    times = np.arange(30) / FPS
    camera = sample_camera(rng, take, times, WIDTH, HEIGHT)

    x_min, x_max, _, y_max = take.room.floor_bounds
    eyes = camera.poses[:, :3, 3]
    assert (eyes >= [x_min - 0.6, -3.0, 0.25]).all()
    assert (eyes <= [x_max + 0.6, y_max + 0.65, 2.4]).all()

    assert take.actor is not None
    middle = take.actor.script.joints(times).mean(axis=1)
    k = camera.intrinsics
    seen = 0
    for pose, point in zip(camera.poses, middle, strict=True):
        x, y, z = invert_pose(pose)[:3, :3] @ point + invert_pose(pose)[:3, 3]
        seen += z > 0 and 0 <= x / z * k.fx + k.cx < WIDTH and 0 <= y / z * k.fy + k.cy < HEIGHT
    assert seen > 0.6 * len(times)


def test_same_frames_give_the_same_file(tmp_path: Path):
    frames = np.random.default_rng(0).integers(60, 190, (12, HEIGHT, WIDTH, 3), np.uint8)
    for number in range(4):
        write_video(tmp_path / f"{number}.mp4", frames)
    assert len({(tmp_path / f"{number}.mp4").read_bytes() for number in range(4)}) == 1


def test_video_survives_the_codec(tmp_path: Path):
    ramp = np.linspace(30, 220, WIDTH, dtype=np.uint8)
    frames = np.broadcast_to(ramp[None, None, :, None], (6, HEIGHT, WIDTH, 3)).copy()
    write_video(tmp_path / "ramp.mp4", frames, quality=18)
    decoded = decode(tmp_path / "ramp.mp4")
    assert decoded.shape == frames.shape
    assert np.abs(decoded.astype(int) - frames).mean() < 6
