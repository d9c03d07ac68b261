# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import errno
import os
import pickle
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest

from actionrec_node.data import frames
from actionrec_node.data.annotations import DataError, Segment
from actionrec_node.data.frames import FrameFile, StoredFrames, StreamedFrames, read_frames
from actionrec_node.data.labeled_videos import (
    UNLABELED,
    LabeledVideo,
    clip_indices,
    frame_labels,
    list_windows,
    load_video,
    load_videos,
)
from actionrec_node.data.person_boxes import BoxTrack
from actionrec_node.evaluation.clip_scores import predict_video
from actionrec_node.networks.action_model import load_action_model
from actionrec_node.networks.action_model_spec import ActionModelSpec
from perception_kit.videos.video import VideoError, VideoFormat, read_video


def test_frame_labels_at_the_clip_rate() -> None:
    segments = [Segment(0.2, 0.4, "run"), Segment(0.4, 0.6, "fall")]
    labels = frame_labels(segments, ["fall", "run"], frame_count=8, fps=10)
    assert labels.tolist() == [UNLABELED, UNLABELED, 1, 1, 0, 0, UNLABELED, UNLABELED]


def test_a_window_has_the_action_of_its_last_frame() -> None:
    windows = list_windows([np.array([0, 0, 0, 0, 1, 1, 1, 1])], clip_length=3)
    assert windows.end.tolist() == [2, 3, 4, 5, 6, 7]
    assert windows.label.tolist() == [0, 0, 1, 1, 1, 1]


def test_windows_that_end_just_after_a_change_are_left_out() -> None:
    windows = list_windows([np.array([0, 0, 0, 0, 1, 1, 1, 1])], clip_length=3, min_action_frames=3)
    assert windows.end.tolist() == [2, 3, 6, 7]


def test_unlabeled_ends_and_short_videos_give_no_window() -> None:
    windows = list_windows([np.array([0, 0]), np.array([0, 0, UNLABELED, 1])], clip_length=3)
    assert (windows.video.tolist(), windows.end.tolist()) == ([1], [3])


def test_clips_end_at_their_frame_and_stay_in_the_video() -> None:
    assert clip_indices(10, 4).tolist() == [7, 8, 9, 10]
    assert clip_indices(10, 4, speed=2.0).tolist() == [4, 6, 8, 10]
    assert clip_indices(1, 4).tolist() == [0, 0, 0, 1]


def test_a_clip_shows_the_person_where_they_are_seen_and_else_the_whole_image() -> None:
    frames = np.zeros((8, 40, 40, 3), np.uint8)
    frames[:, 10:20, 10:20] = 255
    boxes = np.full((8, 4), np.nan)
    boxes[6] = [0.25, 0.25, 0.5, 0.5]
    video = LabeledVideo(Path("v"), frames, np.zeros(8, np.int64), boxes)
    spec = ActionModelSpec("resnext3d_compact", ("a",), clip_length=4, input_size=(10, 10))
    person, nobody = (video.clip(end, spec, context=1.0) for end in (7, 5))
    assert person.min() == 255, "the box of one frame is enough"
    assert nobody.min() == 0, "nobody is seen"
    assert video.clip(7, spec, context=None).min() == 0


def test_windows_of_one_labeled_stretch_have_its_number() -> None:
    windows = list_windows(
        [np.array([0, 0, 1, 1, 0]), np.array([0, 0, UNLABELED, 0])], clip_length=1
    )
    assert windows.segment.tolist() == [0, 0, 1, 1, 2, 3, 3, 5]


def test_a_label_behind_the_end_of_its_video_is_named(write_video) -> None:
    path = write_video("v.mkv", np.arange(30) / 15)
    for start, usable in ((1.9, True), (2.5, False)):
        segments = [Segment(0, 1, "walking"), Segment(start, 3, "walking")]
        message = r"v\.mkv' ends at 2\..* before 'walking' is labelled at 2\.50 s.*milliseconds"
        with nullcontext() if usable else pytest.raises(VideoError, match=message):
            load_video(path, segments, ["walking"], VideoFormat(fps=15, max_side=32), min_frames=16)


ENDS = {"endless": (float("inf"), True), "rounded up": (2.9, True), "frames": (30, False)}


@pytest.mark.parametrize("case", ENDS)
def test_a_label_that_ends_long_after_its_video_is_named(case: str, write_video) -> None:
    end, usable = ENDS[case]
    path = write_video("v.mkv", np.arange(30) / 15)
    message = (
        r"v\.mkv' ends at 2\..*, but 'walking' is labelled until 30\.00 s: are the times seconds"
    )
    with nullcontext() if usable else pytest.raises(VideoError, match=message):
        load_video(
            path,
            [Segment(0, end, "walking")],
            ["walking"],
            VideoFormat(fps=15, max_side=32),
            min_frames=16,
        )


@pytest.mark.parametrize(("last", "usable"), [(2.5, True), (29, False)])
def test_a_box_long_after_the_end_of_its_video_is_named(
    last: float, usable: bool, write_video
) -> None:
    path = write_video("v.mkv", np.arange(30) / 15)
    track = BoxTrack(np.array([0.0, last]), np.array([[10.0, 10, 20, 20]] * 2))
    message = r"v\.mkv' ends at 2\..*boxes\.csv has a box at 29\.00 s"
    with nullcontext() if usable else pytest.raises(VideoError, match=message):
        load_video(
            path,
            [Segment(0, 2, "walking")],
            ["walking"],
            VideoFormat(fps=15, max_side=32),
            min_frames=16,
            track=track,
        )


def test_all_videos_with_a_problem_are_named_or_left_out(
    write_video, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = write_video("good.mkv", np.arange(40) / 30)
    short = write_video("short.mkv", np.arange(3) / 30)
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video")
    annotations = {path: [Segment(0, 1, "walking")] for path in (good, short, broken)}
    form = VideoFormat(fps=15, max_side=32)

    message = r"(?s)2 of 3 videos.*short\.mkv' has 3 frames at 15 fps, a clip needs 16.*broken\.mp4"
    with pytest.raises(DataError, match=message):
        load_videos(annotations, ["walking"], form, min_frames=16)

    (video,) = load_videos(annotations, ["walking"], form, min_frames=16, skip_bad=True)
    assert isinstance(video, LabeledVideo)
    assert video.path == good
    assert "short.mkv" in capsys.readouterr().out
    with pytest.raises(DataError, match="no video is left"):
        load_videos({short: annotations[short]}, ["walking"], form, min_frames=16, skip_bad=True)


BOXES = {
    "of a larger image": (0.5, [9000.0, 9000, 9100, 9100]),
    "before the video": (-3.0, [10.0, 10, 20, 20]),
    "after the video": (2.5, [10.0, 10, 20, 20]),
}


@pytest.mark.parametrize("case", BOXES)
def test_boxes_that_never_show_the_person_are_named(
    case: str, write_video, capsys: pytest.CaptureFixture[str]
) -> None:
    time, box = BOXES[case]
    paths = [write_video(f"{name}.mkv", np.arange(30) / 15) for name in ("bad", "good")]
    annotations = {path: [Segment(0, 1, "walking")] for path in paths}
    tracks = {paths[0]: BoxTrack(np.array([time]), np.array([box]))}
    form = VideoFormat(fps=15, max_side=32)
    message = r"boxes\.csv says of 1 of 1 videos, such as '.*bad\.mkv', at no time where"
    with pytest.raises(DataError, match=message):
        load_videos(annotations, ["walking"], form, min_frames=16, tracks=tracks)

    tracks[paths[1]] = BoxTrack(np.array([0.5]), np.array([[10.0, 10, 20, 20]]))
    videos = load_videos(annotations, ["walking"], form, min_frames=16, tracks=tracks)
    assert [video.shows_person for video in videos] == [False, True]
    assert "1 of 2 videos, such as" in capsys.readouterr().err


def test_a_disk_without_room_for_frames_is_named(
    write_video, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    path = write_video("v.mkv", np.arange(30) / 15)
    annotations, form = {path: [Segment(0, 1, "walking")]}, VideoFormat(fps=15, max_side=32)
    monkeypatch.setattr(os, "pwrite", fail)
    message = rf"{tmp_path}' cannot hold the frames .*No space.*name another --run-dir"
    with pytest.raises(OSError, match=message):
        load_videos(annotations, ["walking"], form, min_frames=16, folder=tmp_path)
    with pytest.raises(OSError, match="name another TMPDIR"):
        load_videos(annotations, ["walking"], form, min_frames=16)


def test_frames_of_all_videos_are_kept_out_of_memory(write_video, tmp_path: Path) -> None:
    paths = [
        write_video("short.mkv", np.arange(20) / 15),
        write_video("wide.mkv", np.arange(30) / 15, height=32),
    ]
    form = VideoFormat(fps=15, max_side=48)
    annotations = {path: [Segment(0, 1, "walking")] for path in paths}
    loaded = load_videos(annotations, ["walking"], form, min_frames=16, folder=tmp_path)
    for path, video in zip(paths, loaded, strict=True):
        every = np.arange(len(video.frames))
        np.testing.assert_array_equal(video.frames[every], read_video(path, form))
        assert isinstance(video.frames, StoredFrames)
    assert sorted(tmp_path.iterdir()) == sorted(paths)  # the file has no name


def test_of_videos_to_train_on_the_frames_before_labels_are_kept(
    write_video, tmp_path: Path
) -> None:
    path = write_video("long.mkv", np.arange(120) / 15, speed=10.0)
    form, segments = VideoFormat(15, 48), [Segment(4, 4.6, "walking"), Segment(7, 9, "falling")]
    names = ["falling", "walking"]
    (video,) = load_videos({path: segments}, names, form, 16, folder=tmp_path, lead_frames=18)
    whole = read_video(path, form)
    windows = list_windows([video.labels], 16)
    for end in windows.end.tolist():
        indices = clip_indices(end, 16, speed=1.15)
        np.testing.assert_array_equal(video.frames[indices], whole[indices])
    with pytest.raises(IndexError, match=r"\[40, 41\] were not kept"):
        video.frames[np.array([40, 41, 42])]


def test_scores_of_a_long_video_are_those_of_one_in_memory(
    write_video, model_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_video("v.mkv", np.arange(90) / 15, speed=10.0)
    segments, form = [Segment(0, 3, "walking"), Segment(3, 6, "falling")], VideoFormat(15, 48)
    track = BoxTrack(np.arange(60) / 10, np.tile([10.0, 8.0, 40.0, 40.0], (60, 1)))
    model = load_action_model(model_path)

    def predicted(context: float | None) -> list[np.ndarray]:
        video = load_video(path, segments, model.spec.class_names, form, 16, track)
        assert isinstance(video.frames, kind)
        # Twice: the second model of a comparison starts the video again.
        return [predict_video(model, video, 4, context).scores for _ in range(2)]

    kind: type = np.ndarray
    held = [predicted(context) for context in (None, 1.5)]
    kind = StreamedFrames
    monkeypatch.setattr(frames, "MAX_HELD_BYTES", 10_000)
    np.testing.assert_array_equal([predicted(context) for context in (None, 1.5)], held)


def test_a_long_video_holds_one_clip(write_video, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "MAX_HELD_BYTES", 10_000)
    path, form = write_video("v.mkv", np.arange(90) / 15, speed=10.0), VideoFormat(15, 48)
    streamed, whole = read_frames(path, form), read_video(path, form)
    assert isinstance(streamed, StreamedFrames)
    assert len(streamed) == len(whole)
    for end in (15, 19, 60, 80, 20):
        indices = clip_indices(end, 16)
        np.testing.assert_array_equal(streamed[indices], whole[indices])
        assert len(streamed._held) == 16


def test_frames_are_read_in_processes_that_are_started_afresh(write_video) -> None:
    path, form = write_video("v.mkv", np.arange(30) / 15), VideoFormat(15, 48)
    stored = FrameFile().store(path, form, lambda number: True)
    received = pickle.loads(pickle.dumps(stored))
    del stored
    np.testing.assert_array_equal(received[np.arange(30)], read_video(path, form)[:30])


@pytest.mark.parametrize(("rate", "is_slow"), [(2, True), (10, False), (30, False)])
def test_a_video_of_a_low_rate_is_named_to_train_and_to_evaluate_on(
    write_video, capsys: pytest.CaptureFixture[str], rate: int, is_slow: bool
) -> None:
    path, form = write_video("v.mkv", np.arange(20) / rate), VideoFormat(15.0, 32)
    for read in (
        lambda: read_frames(path, form),
        lambda: FrameFile().store(path, form, lambda number: True),
    ):
        read()
        warning = f"warning: '{path}' has 2 fps, the model expects 15"
        assert (warning in capsys.readouterr().err) == is_slow
