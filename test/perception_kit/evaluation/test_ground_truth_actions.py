# SPDX-License-Identifier: Apache-2.0
"""Ground truth of actions from a CSV file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from perception_kit.evaluation.ground_truth import FrameGroundTruth, FrameKey, GroundTruthError
from perception_kit.evaluation.ground_truth_actions import ActionGroundTruth

KEYS = [FrameKey(k, 10**18 + k * 500_000_000) for k in range(6)]  # two frames a second
LINES = "start,end,label\n0.5,1.5,walking\n1.5, 2.0, falling\n"


def written(folder: Path, text: str) -> Path:
    path = folder / "actions.csv"
    path.write_text(text)
    return path


def test_labels_by_time_since_the_first_image(tmp_path: Path) -> None:
    frames = list(ActionGroundTruth(written(tmp_path, LINES)).frames(KEYS))
    assert [frame.action for frame in frames] == ["", "walking", "walking", "falling", "", ""]
    assert all(frame.instances is None for frame in frames)


def test_what_was_understood_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    list(ActionGroundTruth(written(tmp_path, LINES)).frames(KEYS))
    printed = capsys.readouterr().err
    assert "2 segments (falling: 1, walking: 1) from 0.5 to 2 s" in printed
    assert "warning" not in printed


@pytest.mark.parametrize(("end", "warned"), [("inf", False), ("3", False), ("60", True)])
def test_a_segment_long_after_the_recording_is_pointed_out(
    end: str, warned: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = f"start,end,label\n0,1,walking\n1,{end},falling\n"
    list(ActionGroundTruth(written(tmp_path, text)).frames(KEYS))
    message = "'falling' ends at 60 s, the recording at 2.50 s: are the times seconds"
    assert (message in capsys.readouterr().err) == warned


def test_everything_else_comes_from_the_other_source(tmp_path: Path) -> None:
    class Others:
        def frames(self, keys: Sequence[FrameKey]) -> Iterator[FrameGroundTruth]:
            return (FrameGroundTruth(instances=[], action="running") for _ in keys)

    frames = list(ActionGroundTruth(written(tmp_path, LINES), Others()).frames(KEYS))
    assert [frame.action for frame in frames[:2]] == ["", "walking"]
    assert all(frame.instances == [] for frame in frames)


REFUSED = {
    "no columns": (
        "0,1,walking\n2,3,running\n",
        "expected lines with the columns start, end, label",
    ),
    "no lines": ("start,end,label\n", "has no lines"),
    "no number": ("start,end,label\n0,soon,walking\n", "line 2: could not convert"),
    "ends before it starts": ("start,end,label\n2,1,walking\n", "expected 0 <= start < end"),
    "before the recording": ("start,end,label\n-1,1,walking\n", "expected 0 <= start < end"),
    "no label": ("start,end,label\n0,1,\n", "and a label"),
    "a value is missing": ("start,end,label\n0,1\n", "line 2"),
    "overlap": (
        "start,end,label\n2,4,running\n0,3,walking\n",
        "walking until 3.0 s and running from 2.0 s overlap",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case: str, tmp_path: Path) -> None:
    text, message = REFUSED[case]
    with pytest.raises(GroundTruthError, match=message):
        ActionGroundTruth(written(tmp_path, text))


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(GroundTruthError, match="cannot be read"):
        ActionGroundTruth(tmp_path / "nothing.csv")
