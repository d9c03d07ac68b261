# SPDX-License-Identifier: Apache-2.0
"""Scores of recognised actions against labelled frames.

Truth and predictions are equally long arrays of class names, one entry per frame (or per clip). A
truth of ``""`` is a frame that nobody labelled: it counts nowhere. A prediction of ``""`` says that
there was none: it is wrong wherever there is a truth.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.metrics import (
    confusion_matrix,
    precision_recall_fscore_support,
    roc_auc_score,
    roc_curve,
)

NONE = ""


def _labeled(
    ground_truth: Sequence[str], predicted: Sequence[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Both as arrays, without the frames that nobody labelled.

    Raises ValueError for different lengths.
    """
    if len(ground_truth) != len(predicted):
        raise ValueError(
            f"truth has {len(ground_truth)} frames, the predictions have {len(predicted)}: give one entry"
            " per frame in both"
        )
    ground_truth_array, predicted_array = (
        np.asarray(ground_truth, dtype=np.str_),
        np.asarray(predicted, dtype=np.str_),
    )
    keep = ground_truth_array != NONE
    return ground_truth_array[keep], predicted_array[keep]


def frame_accuracy(ground_truth: Sequence[str], predicted: Sequence[str]) -> float | None:
    """Share of the labelled frames with the right prediction; None where no frame is labelled."""
    ground_truth_array, predicted_array = _labeled(ground_truth, predicted)
    return (
        float((ground_truth_array == predicted_array).mean()) if len(ground_truth_array) else None
    )


def per_class(
    ground_truth: Sequence[str], predicted: Sequence[str], class_names: Sequence[str]
) -> dict[str, dict[str, float | int | None]]:
    """``precision``, ``recall``, ``f1`` and ``support`` (labelled frames) of each class.

    A value that is undefined (the precision of a class never predicted, the recall of one that
    never occurs) is None.
    """
    ground_truth_array, predicted_array = _labeled(ground_truth, predicted)
    if not len(ground_truth_array):
        return {
            name: {"precision": None, "recall": None, "f1": None, "support": 0}
            for name in class_names
        }
    scores = precision_recall_fscore_support(
        ground_truth_array, predicted_array, labels=list(class_names), zero_division=np.nan
    )
    return {
        name: {
            "precision": _number(precision),
            "recall": _number(recall),
            "f1": _number(f1),
            "support": int(support),
        }
        for name, precision, recall, f1, support in zip(class_names, *scores, strict=True)
    }


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def confusion(
    ground_truth: Sequence[str], predicted: Sequence[str], class_names: Sequence[str]
) -> np.ndarray:
    """(C, C + 1) frame counts: row = true class, column = predicted class, last column = no
    prediction or a class not in the list.
    """
    ground_truth_array, predicted_array = _labeled(ground_truth, predicted)
    predicted_array = np.where(np.isin(predicted_array, class_names), predicted_array, NONE)
    names = [*class_names, NONE]
    if not np.isin(ground_truth_array, class_names).any():
        return np.zeros((len(class_names), len(names)), np.int64)
    return confusion_matrix(ground_truth_array, predicted_array, labels=names)[:-1]


@dataclass(frozen=True)
class Roc:
    """Receiver operating characteristic of one class: for falling ``thresholds`` (P,) the share of
    its examples that score at least that (``recall``), and the share of the others that do
    (``false_alarms``); ``auc`` is the area under the curve.
    """

    thresholds: np.ndarray
    false_alarms: np.ndarray
    recall: np.ndarray
    auc: float


def roc(is_class: np.ndarray, scores: np.ndarray) -> Roc | None:
    """ROC of M examples, of which those with ``is_class`` (M,) are of the class, by their
    ``scores`` (M,); None where all or none are.
    """
    if is_class.all() or not is_class.any():
        return None
    false_alarms, recall, thresholds = roc_curve(is_class, scores)
    return Roc(thresholds, false_alarms, recall, float(roc_auc_score(is_class, scores)))


@dataclass(frozen=True)
class FallReports:
    """``delays_s``: for each fall in the order of time, seconds from its start to the first frame
    that reports it, None where none did.

    ``false_alarms``: how often a fall was reported that did not happen.
    """

    delays_s: tuple[float | None, ...]
    false_alarms: int

    @property
    def missed(self) -> int:
        """Falls that were not reported."""
        return sum(delay is None for delay in self.delays_s)

    @property
    def mean_s(self) -> float | None:
        """Mean delay of the reported falls; None where there are none."""
        reported = [delay for delay in self.delays_s if delay is not None]
        return float(np.mean(reported)) if reported else None


def joined(reports: Iterable[FallReports]) -> FallReports:
    """The reports of several recordings as one."""
    every = list(reports)
    return FallReports(
        tuple(delay for one in every for delay in one.delays_s),
        sum(one.false_alarms for one in every),
    )


def fall_reports(
    stamps_s: Sequence[float],
    ground_truth: Sequence[str],
    predicted: Sequence[str],
    label: str = "falling",
    grace_s: float = 1.0,
) -> FallReports:
    """How long after its start each fall is reported, and what is reported besides.

    A fall is a run of frames with the truth ``label``. A prediction reports it from its first frame
    until ``grace_s`` after its last one, but not once the next fall has begun. A false alarm is a
    run of predictions none of which lies within such a time; one in frames without truth ("") is
    not counted. ``stamps_s`` (N,) seconds, increasing. Raises ValueError for different lengths.
    """
    if not len(stamps_s) == len(ground_truth) == len(predicted):
        raise ValueError(
            f"got {len(stamps_s)} stamps, {len(ground_truth)} truths, {len(predicted)} predictions: give"
            " one of each per frame"
        )
    stamps, ground_truths = (
        np.asarray(stamps_s, dtype=np.float64),
        np.asarray(ground_truth, dtype=np.str_),
    )
    reported = np.asarray(predicted, dtype=np.str_) == label
    starts, ends = _runs(ground_truths == label)
    delays: list[float | None] = []
    in_time = np.zeros(len(stamps), bool)
    for start, end, next_start in zip(
        starts, ends, np.append(starts, len(stamps))[1:], strict=True
    ):
        window = (stamps >= stamps[start]) & (stamps <= stamps[end - 1] + grace_s)
        window[next_start:] = False
        in_time |= window
        hits = np.flatnonzero(window & reported)
        delays.append(float(stamps[hits[0]] - stamps[start]) if len(hits) else None)
    known = ground_truths != NONE
    false_alarms = sum(
        known[start:end].any() and not in_time[start:end].any()
        for start, end in zip(*_runs(reported), strict=True)
    )
    return FallReports(tuple(delays), int(false_alarms))


def _runs(flags: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First frames and (exclusive) ends of the runs of True in ``flags`` (N,)."""
    edges = np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8))
    return np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
