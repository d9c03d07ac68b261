# SPDX-License-Identifier: Apache-2.0
"""Non-maximum suppression of detections that a detector did not suppress."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perception_kit.boxes import box_iou
from tracker_node.duplicates import without_duplicates
from tracker_node.sequence_files import ReadingOptions, read_sequence_detections

BOX = (10.0, 20.0, 30.0, 60.0)


@pytest.mark.parametrize(
    ("others", "confidence", "group", "kept"),
    [
        ([], 0.5, 1, [True]),
        ([(11, 20, 31, 60)], 0.4, 1, [True, False]),
        ([(11, 20, 31, 60)], 0.6, 1, [False, True]),
        ([(11, 20, 31, 60)], 0.4, 2, [True, True]),
        ([(25, 20, 45, 60)], 0.4, 1, [True, True]),
        ([(np.nan, 20, 31, 60)], 0.4, 1, [True, True]),
        ([(10, 20, 10, 20), (10, 20, 10, 20)], 0.4, 1, [True, True, True]),
    ],
    ids=["alone", "less sure", "surer", "other frame", "beside", "no number", "no area"],
)
def test_the_most_confident_of_each_is_kept(
    others: list[tuple[float, ...]], confidence: float, group: int, kept: list[bool]
) -> None:
    boxes = np.array([BOX, *others], float)
    confidences = np.array([0.5, *[confidence] * len(others)])
    groups = np.array([1, *[group] * len(others)])
    assert without_duplicates(boxes, confidences, groups, 0.7).tolist() == kept


@given(st.integers(0, 2**32 - 1), st.floats(0.05, 0.95))
def test_what_is_left_out_overlaps_something_surer_that_is_kept(seed: int, max_iou: float) -> None:
    random = np.random.default_rng(seed)
    corners = random.uniform(0, 40, (30, 2))
    boxes = np.hstack([corners, corners + random.uniform(5, 30, (30, 2))])
    confidence, groups = random.uniform(-1, 1, 30), random.integers(0, 3, 30)
    kept = without_duplicates(boxes, confidence, groups, max_iou)

    iou = box_iou(boxes[:, None], boxes) * (groups[:, None] == groups)
    np.fill_diagonal(iou, 0.0)
    assert (iou[np.ix_(kept, kept)] <= max_iou).all()
    surer = confidence[None] > confidence[:, None]
    assert ((iou > max_iou) & surer & kept)[~kept].any(axis=1).all()


def write_detections(path: Path) -> None:
    """Two people in three frames, each found three times."""
    rows = [
        f"{frame},-1,{left + shift},20,20,40,{0.9 - 0.1 * shift}"
        for frame in (1, 2, 3)
        for left in (10, 100)
        for shift in (0, 1, 2)
    ]
    path.write_text("\n".join(rows))


def test_duplicates_are_warned_of_and_left_out_on_request(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "det.txt"
    write_detections(path)
    assert len(read_sequence_detections(path, ReadingOptions()).table) == 18
    text = capsys.readouterr().err
    assert "12 of the 18 detections" in text
    assert "--nms-overlap 0.7 leaves them out" in text

    read = read_sequence_detections(path, ReadingOptions(nms_overlap=0.7))
    assert read.row.tolist() == [0, 3, 6, 9, 12, 15]
    text = capsys.readouterr().err
    assert "6 of 18 rows count" in text
    assert "overlap" not in text
