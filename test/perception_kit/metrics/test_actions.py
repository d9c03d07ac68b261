# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from perception_kit.metrics.actions import confusion, fall_reports, frame_accuracy, per_class, roc

NAMES = ["falling", "walking"]
LETTERS = {"f": "falling", "w": "walking", "o": "other", ".": ""}


def _frames(letters: str) -> list[str]:
    return [LETTERS[letter] for letter in letters]


@pytest.mark.parametrize(
    ("ground_truth", "predicted", "expected"),
    [
        pytest.param("ffww", "ffww", 1.0, id="all right"),
        pytest.param("ffww", "fwww", 0.75, id="one wrong"),
        pytest.param("ff..", "fwff", 0.5, id="unlabelled frames do not count"),
        pytest.param("ffww", "..ww", 0.5, id="no prediction is wrong"),
        pytest.param("....", "ffff", None, id="nothing labelled"),
        pytest.param("", "", None, id="no frames"),
    ],
)
def test_frame_accuracy(ground_truth: str, predicted: str, expected: float | None) -> None:
    assert frame_accuracy(_frames(ground_truth), _frames(predicted)) == expected


@pytest.mark.parametrize(
    ("ground_truth", "predicted", "falling", "walking"),
    [
        pytest.param("ffww", "ffww", (1.0, 1.0, 1.0, 2), (1.0, 1.0, 1.0, 2), id="all right"),
        pytest.param(
            "ffww",
            "fwww",
            (1.0, 0.5, 2 / 3, 2),
            (2 / 3, 1.0, 0.8, 2),
            id="one fall taken for walking",
        ),
        pytest.param(
            "ww", "ww", (None, None, None, 0), (1.0, 1.0, 1.0, 2), id="class that never occurs"
        ),
        pytest.param(
            "ffw", "www", (None, 0.0, 0.0, 2), (1 / 3, 1.0, 0.5, 1), id="class never predicted"
        ),
        pytest.param("www", "fww", (0.0, None, 0.0, 0), (1.0, 2 / 3, 0.8, 3), id="false alarm"),
        pytest.param(
            "..", "ff", (None, None, None, 0), (None, None, None, 0), id="nothing labelled"
        ),
    ],
)
def test_per_class(ground_truth: str, predicted: str, falling: tuple, walking: tuple) -> None:
    scores = per_class(_frames(ground_truth), _frames(predicted), NAMES)
    for name, expected in (("falling", falling), ("walking", walking)):
        assert list(scores[name]) == ["precision", "recall", "f1", "support"]
        assert list(scores[name].values()) == [
            value if value is None else pytest.approx(value) for value in expected
        ]


def test_confusion_has_a_column_for_no_prediction() -> None:
    counts = confusion(_frames("ffffww."), _frames("ffwo.wf"), NAMES)
    assert counts.tolist() == [[2, 1, 1], [0, 1, 1]]
    assert confusion(_frames(".."), _frames("ff"), NAMES).tolist() == [[0, 0, 0], [0, 0, 0]]


@pytest.mark.parametrize(
    ("ground_truth", "predicted", "expected"),
    [
        pytest.param("wwffff", "wwffff", (0.0,), id="at once"),
        pytest.param("wwffffoo", "wwwwffoo", (1.0,), id="after two frames"),
        pytest.param("wwffwwww", "wwwwwfww", (1.5,), id="just after its end"),
        pytest.param("wwffwwww", "wwwwwwff", (None,), id="too late"),
        pytest.param("wwffwwww", "ffwwwwww", (None,), id="before it began"),
        pytest.param("ffwwwwff", "wfwwwwwf", (0.5, 0.5), id="two falls"),
        pytest.param("ffwffw", "wwwfff", (None, 0.0), id="a report counts for the newest fall"),
        pytest.param("ffwwwwff", "wfwwwwww", (0.5, None), id="second one missed"),
        pytest.param("wwww", "fwww", (), id="no fall"),
        pytest.param("", "", (), id="no frames"),
    ],
)
def test_fall_delays(ground_truth: str, predicted: str, expected: tuple[float | None, ...]) -> None:
    delays = fall_reports(
        np.arange(len(ground_truth)) / 2, _frames(ground_truth), _frames(predicted)
    )
    assert delays.delays_s == expected
    assert delays.missed == expected.count(None)
    reported = [delay for delay in expected if delay is not None]
    assert delays.mean_s == (pytest.approx(np.mean(reported)) if reported else None)


def test_falls_that_end_with_the_recording_can_be_left_out() -> None:
    stamps = np.arange(8) / 2
    truth, predicted = _frames("wffwwwff"), _frames("wwwwwwwf")
    assert fall_reports(stamps, truth, predicted).delays_s == (None, 0.5)
    left = fall_reports(stamps, truth, predicted, after_s=0.5)
    assert (left.delays_s, left.false_alarms) == ((None,), 0)


@pytest.mark.parametrize(
    ("ground_truth", "predicted", "expected"),
    [
        pytest.param("wwwwww", "wffwwf", 2, id="two"),
        pytest.param("wwffwwwww", "wffffwwww", 0, id="a report that began before the fall"),
        pytest.param("wwffwwwww", "wwwwwffff", 0, id="one that began in time and goes on"),
        pytest.param("wwffwwwww", "fwffwwwwf", 2, id="before and after a fall"),
        pytest.param("..ww", "ffww", 0, id="nobody knows"),
        pytest.param(".www", "ffww", 1, id="partly known"),
    ],
)
def test_false_alarms(ground_truth: str, predicted: str, expected: int) -> None:
    assert (
        fall_reports(
            np.arange(len(ground_truth)) / 2, _frames(ground_truth), _frames(predicted)
        ).false_alarms
        == expected
    )


def test_roc_counts_what_reaches_each_threshold() -> None:
    ground_truth, scores = np.array([True, True, False, False]), np.array([0.9, 0.4, 0.6, 0.1])
    curve = roc(ground_truth, scores)
    assert curve.auc == pytest.approx(3 / 4)  # of the four pairs, three are in the right order
    for threshold, false_alarms, recall in zip(
        curve.thresholds, curve.false_alarms, curve.recall, strict=True
    ):
        assert recall == (scores[ground_truth] >= threshold).mean()
        assert false_alarms == (scores[~ground_truth] >= threshold).mean()
    assert roc(np.array([True, True]), np.array([0.5, 0.6])) is None


def test_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="truth has 2 frames, the predictions have 1"):
        frame_accuracy(["falling", "falling"], ["falling"])
    with pytest.raises(ValueError, match="got 1 stamps, 2 truths"):
        fall_reports([0.0], ["falling", "falling"], ["falling", ""])
