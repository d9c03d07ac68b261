# SPDX-License-Identifier: Apache-2.0
"""Scores of recognized actions against labeled frames.

Ground truth and predictions are equally long arrays of class names, one entry per frame (or per
clip). A ground truth of ``""`` is a frame that nobody labeled: it counts nowhere. A prediction of
``""`` means that there was none: it is wrong wherever the frame is labeled.
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
GRACE_S = 1.0  # a report may come so long after the end of its fall


def _labeled(
    ground_truth: Sequence[str], predicted: Sequence[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Both as arrays, without the frames that nobody labeled.

    Raises ValueError for different lengths.
    """
    if len(ground_truth) != len(predicted):
        raise ValueError(
            f"truth has {len(ground_truth)} frames, the predictions have {len(predicted)}: give"
            " one entry per frame in both"
        )

    true_labels = np.asarray(ground_truth, dtype=np.str_)
    predicted_labels = np.asarray(predicted, dtype=np.str_)
    labeled = true_labels != NONE
    return true_labels[labeled], predicted_labels[labeled]


def frame_accuracy(ground_truth: Sequence[str], predicted: Sequence[str]) -> float | None:
    """Fraction of the labeled frames with the right prediction; None where no frame is labeled."""
    true_labels, predicted_labels = _labeled(ground_truth, predicted)
    return float((true_labels == predicted_labels).mean()) if len(true_labels) else None


def per_class(
    ground_truth: Sequence[str], predicted: Sequence[str], class_names: Sequence[str]
) -> dict[str, dict[str, float | int | None]]:
    """``precision``, ``recall``, ``f1`` and ``support`` (labeled frames) of each class.

    A value that is undefined (the precision of a class never predicted, the recall of one that
    never occurs) is None.
    """
    true_labels, predicted_labels = _labeled(ground_truth, predicted)
    if not len(true_labels):
        undefined = {"precision": None, "recall": None, "f1": None, "support": 0}
        return {name: dict(undefined) for name in class_names}

    scores = precision_recall_fscore_support(
        true_labels, predicted_labels, labels=list(class_names), zero_division=np.nan
    )
    return {
        name: {
            "precision": _defined(precision),
            "recall": _defined(recall),
            "f1": _defined(f1),
            "support": int(support),
        }
        for name, precision, recall, f1, support in zip(class_names, *scores, strict=True)
    }


def _defined(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def confusion(
    ground_truth: Sequence[str], predicted: Sequence[str], class_names: Sequence[str]
) -> np.ndarray:
    """(C, C + 1) frame counts: a row for each true class, a column for each predicted class.

    The last column is of frames without a prediction, or with a class that is not in the list.
    """
    true_labels, predicted_labels = _labeled(ground_truth, predicted)
    predicted_labels = np.where(np.isin(predicted_labels, class_names), predicted_labels, NONE)

    names = [*class_names, NONE]
    if not np.isin(true_labels, class_names).any():  # scikit-learn refuses this
        return np.zeros((len(class_names), len(names)), np.int64)
    return confusion_matrix(true_labels, predicted_labels, labels=names)[:-1]


@dataclass(frozen=True)
class Roc:
    """Receiver operating characteristic of one class.

    For falling ``thresholds`` (P,): ``recall`` is the fraction of the class's examples that score
    at least that, ``false_alarms`` the fraction of all others. ``auc`` is the area under the curve.
    """

    thresholds: np.ndarray
    false_alarms: np.ndarray
    recall: np.ndarray
    auc: float


def roc(is_class: np.ndarray, scores: np.ndarray) -> Roc | None:
    """ROC of M examples with ``scores`` (M,); None where all or none are of the class.

    ``is_class`` (M,) says which are.
    """
    if is_class.all() or not is_class.any():
        return None
    false_alarms, recall, thresholds = roc_curve(is_class, scores)
    return Roc(thresholds, false_alarms, recall, float(roc_auc_score(is_class, scores)))


@dataclass(frozen=True)
class FallReports:
    """How falls were reported.

    ``delays_s``: for each fall in the order of time, seconds from its start to the first frame that
    reports it, None where none did. ``false_alarms``: how often a fall was reported that did not
    happen.
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
    recordings = list(reports)
    return FallReports(
        tuple(delay for recording in recordings for delay in recording.delays_s),
        sum(recording.false_alarms for recording in recordings),
    )


def fall_reports(
    stamps_s: Sequence[float],
    ground_truth: Sequence[str],
    predicted: Sequence[str],
    label: str = "falling",
    grace_s: float = GRACE_S,
    after_s: float = 0.0,
) -> FallReports:
    """How long after its start each fall is reported, and what is reported besides.

    A fall is a run of frames labeled ``label``. A prediction reports it from its first frame until
    ``grace_s`` after its last one, but not once the next fall has begun. A false alarm is a run of
    predictions none of which lies within such a time; one in frames that nobody labeled is not
    counted. A fall is left out where the stamps end less than ``after_s`` after it. ``stamps_s``
    (N,) seconds, increasing. Raises ValueError for different lengths.
    """
    if not len(stamps_s) == len(ground_truth) == len(predicted):
        raise ValueError(
            f"got {len(stamps_s)} stamps, {len(ground_truth)} truths, {len(predicted)} predictions:"
            " give one of each per frame"
        )
    stamps = np.asarray(stamps_s, dtype=np.float64)
    true_labels = np.asarray(ground_truth, dtype=np.str_)
    reported = np.asarray(predicted, dtype=np.str_) == label

    # Delay of the first report within the time window of each fall.
    starts, ends = _runs(true_labels == label)
    next_starts = np.append(starts, len(stamps))[1:]
    delays: list[float | None] = []
    in_time = np.zeros(len(stamps), bool)
    for start, end, next_start in zip(starts, ends, next_starts, strict=True):
        window = (stamps >= stamps[start]) & (stamps <= stamps[end - 1] + grace_s)
        window[next_start:] = False
        in_time |= window
        if stamps[-1] - stamps[end - 1] < after_s:
            continue
        hits = np.flatnonzero(window & reported)
        delays.append(float(stamps[hits[0]] - stamps[start]) if len(hits) else None)

    # Runs of reports outside all windows.
    is_labeled = true_labels != NONE
    false_alarms = sum(
        is_labeled[start:end].any() and not in_time[start:end].any()
        for start, end in zip(*_runs(reported), strict=True)
    )
    return FallReports(tuple(delays), int(false_alarms))


def _runs(flags: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First frames and (exclusive) ends of the runs of True in ``flags`` (N,)."""
    edges = np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8))
    return np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
