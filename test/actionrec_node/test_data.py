# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from actionrec_node.data import (
    UNLABELLED,
    DataError,
    LabelledVideo,
    Segment,
    class_names_of,
    cut_clip,
    frame_labels,
    list_windows,
    load_videos,
    read_annotations,
)
from actionrec_node.video import VideoError


def _video(labels: list[int]) -> LabelledVideo:
    return LabelledVideo(Path("v.mp4"), np.arange(len(labels), dtype=np.uint8)[:, None, None, None], np.array(labels))


def test_csv_and_class_folders_together(tmp_path: Path) -> None:
    (tmp_path / "walking").mkdir()
    (tmp_path / "walking" / "a.mp4").touch()
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "b.mp4").touch()
    (tmp_path / "labels.csv").write_text("video,start,end,label\nvideos/b.mp4,0,1.5,falling\nvideos/b.mp4,1.5,3,lying\n")
    annotations = read_annotations(tmp_path)
    assert annotations[tmp_path / "videos/b.mp4"] == [Segment(0, 1.5, "falling"), Segment(1.5, 3, "lying")]
    assert annotations[tmp_path / "walking/a.mp4"] == [Segment(0, float("inf"), "walking")]
    assert class_names_of(annotations) == ["falling", "lying", "walking"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("video,start,label\n", r"lacks the columns \['end'\]", id="missing column"),
        pytest.param("video,start,end,label\na.mp4,zero,1,x\n", "line 2: start and end must be seconds", id="not a number"),
        pytest.param("video,start,end,label\na.mp4,2,1,x\n", "line 2: start 2.0 is not before end 1.0", id="end before start"),
    ],
)
def test_bad_csv_is_named_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "labels.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        read_annotations(tmp_path)


def test_folder_without_videos_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"neither labels\.csv nor class folders"):
        read_annotations(tmp_path)
    with pytest.raises(DataError, match="does not exist"):
        read_annotations(tmp_path / "nowhere")


def test_frame_labels_at_the_clip_rate() -> None:
    labels = frame_labels([Segment(0.2, 0.4, "run"), Segment(0.4, 0.6, "fall")], ["fall", "run"], frame_count=8, fps=10)
    assert labels.tolist() == [UNLABELLED, UNLABELLED, 1, 1, 0, 0, UNLABELLED, UNLABELLED]


def test_a_window_has_the_action_of_its_last_frame() -> None:
    windows = list_windows([_video([0, 0, 0, 0, 1, 1, 1, 1])], clip_length=3)
    assert windows.end.tolist() == [2, 3, 4, 5, 6, 7]
    assert windows.label.tolist() == [0, 0, 1, 1, 1, 1]


def test_windows_that_end_just_after_a_change_are_left_out() -> None:
    windows = list_windows([_video([0, 0, 0, 0, 1, 1, 1, 1])], clip_length=3, min_action_frames=3)
    assert windows.end.tolist() == [2, 3, 6, 7]


def test_unlabelled_ends_and_short_videos_give_no_window() -> None:
    windows = list_windows([_video([0, 0]), _video([0, 0, UNLABELLED, 1])], clip_length=3)
    assert (windows.video.tolist(), windows.end.tolist()) == ([1], [3])


def test_clips_end_at_their_frame_and_stay_in_the_video() -> None:
    frames = _video([0] * 20).frames
    assert cut_clip(frames, 10, 4).ravel().tolist() == [7, 8, 9, 10]
    assert cut_clip(frames, 10, 4, speed=2.0).ravel().tolist() == [4, 6, 8, 10]
    assert cut_clip(frames, 1, 4).ravel().tolist() == [0, 0, 0, 1]


def test_loading_names_the_video_with_a_problem(write_video) -> None:
    path = write_video("short.mkv", np.arange(3) / 30)
    with pytest.raises(VideoError, match=r"short\.mkv.*a clip needs 16"):
        load_videos({path: [Segment(0, 1, "walking")]}, ["walking"], fps=15, size=32, min_frames=16)
    with pytest.raises(DataError, match=r"short\.mkv.*\['swimming'\]"):
        load_videos({path: [Segment(0, 1, "swimming")]}, ["walking"], fps=15, size=32, min_frames=1)
