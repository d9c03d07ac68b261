# SPDX-License-Identifier: Apache-2.0
"""The share of labelled instants that have a box."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest
from script_files import load_script


@pytest.fixture
def script() -> ModuleType:
    return load_script("box_coverage")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.mp4", "b.mp4"):
        (tmp_path / name).touch()
    (tmp_path / "labels.csv").write_text(
        "video,start,end,label\na.mp4,0,2,walking\nb.mp4,1,2,lying\n"
    )
    boxes = "".join(f"a.mp4,{k / 10:.1f},10,10,50,90\n" for k in range(11))
    (tmp_path / "boxes.csv").write_text(f"video,time,x_min,y_min,x_max,y_max\n{boxes}")
    return tmp_path


def test_instants_without_a_box_nearby_count_as_missed(
    script: ModuleType, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert script.main([str(folder)]) == 0
    assert "somebody in 12 of 30 labelled instants (40.0%), 2 videos" in capsys.readouterr().out


def test_chosen_videos_alone(script: ModuleType, folder: Path) -> None:
    assert script.coverage(folder, ["b.mp4"]) == (1, 10, 0)


def test_a_folder_without_labels_is_named(
    script: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert script.main([str(tmp_path / "none")]) == 2
    assert "does not exist" in capsys.readouterr().err
