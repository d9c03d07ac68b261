# SPDX-License-Identifier: Apache-2.0
"""Videos of real people are copied by source and by the way they were filmed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from full_disk import full_disk
from script_files import load_script

from actionrec_node.data.annotations import read_annotations


@pytest.fixture
def script() -> ModuleType:
    return load_script("people_videos")


@pytest.fixture
def sources(tmp_path: Path, write_video: Callable[..., Path]) -> list[str]:
    """Arguments that name the two folders of videos."""
    real, clips = tmp_path / "real", tmp_path / "clips"
    names = ["adl/adl-12-cam0.mp4", "adl/adl-30-cam0.mp4", "falling/fall-01-cam1.mp4"]
    for video in [f"real/urfd/{name}" for name in names]:
        (tmp_path / video).parent.mkdir(parents=True, exist_ok=True)
        write_video(video, [0.0, 0.1])
    rows = "".join(f"{name},0,0.2,walking,P1\n" for name in names)
    (real / "urfd/labels.csv").write_text(f"video,start,end,label,subject\n{rows}")

    for name in ("running/ann_run.mp4", "up_fall/A06_walk_S01_T1_C1.mp4"):
        (clips / name).parent.mkdir(parents=True, exist_ok=True)
        write_video(f"clips/{name}", [0.0, 0.1])
    camera_2 = clips / "up_fall/A06_walk_S01_T1_C2.mp4"
    camera_2.write_bytes((clips / "up_fall/A06_walk_S01_T1_C1.mp4").read_bytes())
    (clips / "up_fall/fall_windows_auto.csv").write_text(
        "clip,n_frames,fps,window_start,window_end\n"
    )
    return ["--real", str(real), "--clips", str(clips), "--out", str(tmp_path / "out")]


def test_the_ceiling_and_the_night_are_put_apart(
    script: ModuleType, sources: list[str], tmp_path: Path
) -> None:
    assert script.main(sources) == 0
    folders = {folder.name: read_annotations(folder) for folder in (tmp_path / "out").iterdir()}
    videos = {name: sorted(path.name for path in labels) for name, labels in folders.items()}
    assert videos == {
        "urfd": ["adl-30-cam0.mp4"],
        "urfd_dark": ["adl-12-cam0.mp4"],
        "urfd_ceiling": ["fall-01-cam1.mp4"],
        "clips": ["ann_run.mp4"],
        "up_fall": ["A06_walk_S01_T1_C1.mp4", "A06_walk_S01_T1_C2.mp4"],
    }
    ((segment,),) = folders["clips"].values()
    assert (segment.label, segment.subject) == ("running", "ann")


def test_a_folder_without_labels_is_named(
    script: ModuleType, sources: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "real/urfd/labels.csv").unlink()
    assert script.main(sources) == 2
    assert "holds no SOURCE/labels.csv" in capsys.readouterr().err


def test_a_run_that_fails_leaves_nothing_and_can_be_repeated(
    script: ModuleType, sources: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with full_disk(room=100):
        assert script.main(sources) == 2
    assert "people_videos: " in capsys.readouterr().err
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["clips", "real"]
    assert script.main(sources) == 0


def test_a_folder_that_is_there_is_not_written_into(
    script: ModuleType, sources: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "out").mkdir()
    assert script.main(sources) == 2
    assert "out' is there already, expected a new folder" in capsys.readouterr().err
    assert not [*(tmp_path / "out").iterdir()]
