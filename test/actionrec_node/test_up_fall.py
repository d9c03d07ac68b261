# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest

from actionrec_node.data.annotations import DataError, Segment, read_annotations
from actionrec_node.up_fall import label_videos, main

FALL, WALK = "A03_fall_backward_S02_T1_C1.mp4", "A06_walking_S02_T1_C1.mp4"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    videos = tmp_path / "videos"
    videos.mkdir()
    for name in (FALL, WALK, "A06_walking_S02_T1_C2.mp4"):
        (videos / name).touch()
    (videos / "fall_windows_auto.csv").write_text(
        f"clip,n_frames,fps,window_start,window_end\n{FALL},140,20,20,39\n"
    )
    return videos


def test_a_data_folder_of_one_camera(folder: Path, tmp_path: Path) -> None:
    assert main([str(folder), "--camera", "C1", "--out", str(tmp_path / "data")]) == 0
    annotations = read_annotations(tmp_path / "data")
    assert {path.name for path in annotations} == {FALL, WALK}
    assert annotations[folder / FALL] == [
        Segment(1, 2, "falling", "S02"),
        Segment(2, float("inf"), "lying", "S02"),
    ]
    assert [segment.label for segment in annotations[folder / WALK]] == ["walking"]


def test_what_is_missing_is_named(folder: Path) -> None:
    with pytest.raises(DataError, match="no video of camera 'C7'"):
        label_videos(folder, "C7")
    (folder / "fall_windows_auto.csv").write_text("clip,fps,window_start,window_end\n")
    with pytest.raises(DataError, match=rf"{FALL}' shows a fall, but"):
        label_videos(folder, "C1")
    (folder / "fall_windows_auto.csv").write_text("clip,fps\nx,1\n")
    with pytest.raises(DataError, match="must have the columns clip, fps, window_start"):
        label_videos(folder, "C1")
    (folder / "fall_windows_auto.csv").write_text(
        f"clip,fps,window_start,window_end\n{FALL},0,1,2\n"
    )
    with pytest.raises(DataError, match=r"must have the columns .*ZeroDivisionError"):
        label_videos(folder, "C1")
    (folder / "A12_dancing_S02_T1_C3.mp4").touch()
    (folder / "fall_windows_auto.csv").write_text("clip,fps,window_start,window_end\n")
    with pytest.raises(DataError, match=r"A12_dancing_S02_T1_C3\.mp4' shows activity 12"):
        label_videos(folder, "C3")
    (folder / "fall_windows_auto.csv").unlink()
    with pytest.raises(DataError, match=r"fall_windows_auto\.csv' cannot be read"):
        label_videos(folder, "C1")
