# SPDX-License-Identifier: Apache-2.0
"""The table at the end of a replay."""

from __future__ import annotations

from pathlib import Path

import pytest

from perception_kit.evaluation.frame_records import (
    DetectionRecord,
    FrameRecord,
    TrackRecord,
)
from perception_kit.evaluation.metrics_schema import (
    ActionScores,
    FrameCounts,
    InstanceCounts,
    Percentiles,
    PoseScores,
    ReplayMetrics,
    SegmentationScores,
    TrackingScores,
)
from perception_kit.evaluation.run import ReplayRun
from perception_kit.report.console import print_report

OUT = Path("out")
FRAMES = FrameCounts(input=12, processed=11, dropped=1)
LATENCY = {"segmentation": Percentiles(101.4, 222.2, 333.3)}


def line_with(text: str, printed: str) -> str:
    return next(line for line in printed.splitlines() if text in line)


def test_scores_notes_and_files(capsys: pytest.CaptureFixture[str]) -> None:
    metrics = ReplayMetrics(
        SegmentationScores(map=0.5, map50=0.75),
        PoseScores(recall=0.625, adds_auc=0.8),
        TrackingScores(mota=0.9, idf1=0.8, hota=0.7, id_switches=3, fragments=0),
        ActionScores(frame_accuracy=0.8125),
        InstanceCounts(total=40, found=30),
        frames=FRAMES,
        latency_ms=LATENCY,
    )
    details = {
        "live_drops": 4,
        "notes": ["[odd] brackets stay"],
        "pose": {"posed_adds_median_m": 0.0123},
    }
    print_report(ReplayRun(OUT, metrics, details, {}, []), [("out/metrics.json", "all scores")])
    printed = capsys.readouterr().out
    assert "0.750" in line_with("mask mAP at IoU 0.5", printed)
    assert "62.5%" in line_with("ADD(-S) below", printed)
    assert "0.0123 m" in line_with("ADD-S of the found", printed)
    assert "3" in line_with("identity switches", printed)
    assert "–" in line_with("delay of the fall alarm", printed)
    assert "4" in line_with("dropped by a live run", printed)
    assert all(
        value in line_with("segmentation ", printed.partition("Milliseconds")[2])
        for value in ("101", "222", "333")
    )
    assert "Note: [odd] brackets stay" in printed
    assert "out/metrics.json  all scores" in printed


def test_without_ground_truth_it_says_what_was_found(capsys: pytest.CaptureFixture[str]) -> None:
    cup = DetectionRecord("[red] cup", 0.9, [0, 0, 9, 9], None)
    person = DetectionRecord("person", 0.9, [0, 0, 9, 9], None)
    frames = [
        FrameRecord(0, 0, 0, {}, [cup, cup, person], [TrackRecord(3, "person")], "walking"),
        FrameRecord(1, 1, 1, {}, [cup], [TrackRecord(3, "person"), TrackRecord(4, "person")]),
    ]
    metrics = ReplayMetrics(frames=FRAMES, latency_ms=LATENCY)
    details = {"live_drops": 0, "notes": ["nothing is scored"]}
    print_report(ReplayRun(OUT, metrics, details, {}, frames), [("out/metrics.json", "all")])
    printed = capsys.readouterr().out
    rows = [line.strip(" │").split("│") for line in printed.splitlines() if "│" in line]
    shown = {tuple(cell.strip() for cell in row) for row in rows}
    assert {
        ("frames", "in the bag", "12"),
        ("detections", "all", "4"),
        ("[red] cup", "3"),
        ("person", "1"),
        ("tracks", "all", "2"),
        ("person", "2"),
        ("frames with an action", "all", "1"),
        ("walking", "1"),
    } <= shown
    assert "–" not in printed
    assert "Note: nothing is scored" in printed
