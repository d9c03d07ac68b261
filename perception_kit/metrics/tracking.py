# SPDX-License-Identifier: Apache-2.0
"""Multi-object tracking metrics on arrays: CLEAR MOT (Bernardin 2008), IDF1 (Ristani 2016), HOTA
(Luiten 2020).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import motmetrics
import numpy as np
from scipy.optimize import linear_sum_assignment

from perception_kit.boxes import box_iou

HOTA_THRESHOLDS = np.arange(0.05, 0.99, 0.05)

# Our key: motmetrics' name.
_COUNTS = {
    "id_switches": "num_switches",
    "fragments": "num_fragmentations",
    "false_positives": "num_false_positives",
    "misses": "num_misses",
    "mostly_tracked": "mostly_tracked",
    "partially_tracked": "partially_tracked",
    "mostly_lost": "mostly_lost",
    "truth_ids": "num_unique_objects",
    "truth_boxes": "num_objects",
}


@dataclass
class TrackedBoxes:
    """The boxes of one frame: ``ids`` (N,) integers, ``boxes`` (N, 4) x_min, y_min, x_max, y_max in
    pixels, ``classes`` (N,) or None.

    Raises ValueError for arrays that do not fit each other, boxes that are not finite, and an id
    that occurs twice.
    """

    ids: np.ndarray
    boxes: np.ndarray
    classes: np.ndarray | None = None

    def __post_init__(self) -> None:
        self.ids = np.asarray(self.ids, dtype=np.int64).reshape(-1)
        self.boxes = np.asarray(self.boxes, dtype=np.float64).reshape(-1, 4)
        if len(self.boxes) != len(self.ids):
            raise ValueError(
                f"{len(self.ids)} ids but {len(self.boxes)} boxes in one frame: give one box for"
                " each id"
            )
        if not np.isfinite(self.boxes).all():
            raise ValueError(
                f"box of id {self.ids[~np.isfinite(self.boxes).all(axis=1)][0]} is not finite:"
                " leave such boxes out"
            )
        if len(np.unique(self.ids)) != len(self.ids):
            raise ValueError(f"an id occurs twice in one frame: {sorted(self.ids.tolist())}")
        if self.classes is not None:
            self.classes = np.asarray(self.classes).reshape(-1)
            if len(self.classes) != len(self.ids):
                raise ValueError(
                    f"{len(self.ids)} ids but {len(self.classes)} classes in one frame: give one"
                    " class for each id"
                )


@dataclass(frozen=True)
class IdentityEvent:
    """What became of a true identity in one frame: the track that matches it, None for a miss.

    ``switch``: another track matched it before. ``fragment``: it was matched before, is missed from
    here on, and is matched again later.
    """

    truth_id: int
    track_id: int | None
    switch: bool = False
    fragment: bool = False


@dataclass
class _Sequence:
    """Frames with identities numbered from 0 and the similarity of every pair: what both metric
    families work on.
    """

    ground_truth_ids: list[np.ndarray] = field(default_factory=list)
    predicted_ids: list[np.ndarray] = field(default_factory=list)
    similarity: list[np.ndarray] = field(default_factory=list)


def tracking_metrics(
    ground_truth_frames: Sequence[TrackedBoxes],
    predicted_frames: Sequence[TrackedBoxes],
    iou_threshold: float = 0.5,
) -> dict[str, float | int | None]:
    """Compare tracks with the truth, frame by frame; boxes match only within a class where both
    sides give classes.

    ``mota``, ``motp`` (mean IoU of the matches, 1 is best), ``idf1``, ``hota``, ``deta``, ``assa``
    as fractions of 1; counts ``id_switches``, ``fragments``, ``false_positives``, ``misses``,
    ``mostly_tracked`` (true identities matched in at least 80 % of their frames),
    ``partially_tracked``, ``mostly_lost`` (in less than 20 %), ``ground_truth_ids``, ``ground_truth_boxes``.

    CLEAR MOT and IDF1 match boxes of IoU ``iou_threshold`` or more. HOTA is TrackEval's: mean over
    IoU thresholds 0.05 to 0.95. A value that nothing defines is None (no truth; for ``motp`` no
    match). Raises ValueError where the two sequences differ in length.
    """
    if len(ground_truth_frames) != len(predicted_frames):
        raise ValueError(
            f"{len(ground_truth_frames)} frames of truth but {len(predicted_frames)} of tracks: give an"
            " empty frame where nothing was seen"
        )
    sequence = _prepare(ground_truth_frames, predicted_frames)
    return _clear_and_identity(sequence, iou_threshold) | _hota(sequence)


def identity_events(
    ground_truth_frames: Sequence[TrackedBoxes],
    predicted_frames: Sequence[TrackedBoxes],
    iou_threshold: float = 0.5,
) -> list[list[IdentityEvent]]:
    """For each frame, what became of every true identity in it, by the matches that
    ``tracking_metrics`` counts.
    """
    events = _accumulate(_prepare(ground_truth_frames, predicted_frames), iou_threshold).mot_events
    ground_truth_ids, track_ids = _known_ids(ground_truth_frames), _known_ids(predicted_frames)
    histories: defaultdict[int, list[tuple[int, int | None, bool]]] = defaultdict(list)
    for (frame, _), event in events.iterrows():
        if event.Type in ("MATCH", "SWITCH", "MISS"):
            track_id = None if event.Type == "MISS" else int(track_ids[int(event.HId)])
            histories[int(ground_truth_ids[int(event.OId)])].append(
                (frame, track_id, event.Type == "SWITCH")
            )
    followed: list[list[IdentityEvent]] = [[] for _ in ground_truth_frames]
    for truth_id, history in histories.items():
        matched = [track_id is not None for _, track_id, _ in history]
        for k, (frame, track_id, switch) in enumerate(history):
            is_lost_here = k > 0 and matched[k - 1] and not matched[k]
            followed[frame].append(
                IdentityEvent(truth_id, track_id, switch, is_lost_here and any(matched[k:]))
            )
    return followed


def _prepare(
    ground_truth_frames: Sequence[TrackedBoxes], predicted_frames: Sequence[TrackedBoxes]
) -> _Sequence:
    """Number identities from 0 and compute similarities: IoU, 0 between classes."""
    sequence = _Sequence(_renumber(ground_truth_frames), _renumber(predicted_frames))
    for ground_truth, predicted in zip(ground_truth_frames, predicted_frames, strict=True):
        similarity = box_iou(ground_truth.boxes[:, None], predicted.boxes)
        if ground_truth.classes is not None and predicted.classes is not None:
            similarity[ground_truth.classes[:, None] != predicted.classes] = 0.0
        sequence.similarity.append(similarity)
    return sequence


def _renumber(frames: Sequence[TrackedBoxes]) -> list[np.ndarray]:
    """Identities of each frame as 0, 1, 2, … over the whole sequence."""
    known = _known_ids(frames)
    return [np.searchsorted(known, frame.ids) for frame in frames]


def _known_ids(frames: Sequence[TrackedBoxes]) -> np.ndarray:
    """All identities, ascending."""
    return np.unique(np.concatenate([np.zeros(0, np.int64), *(frame.ids for frame in frames)]))


def _clear_and_identity(sequence: _Sequence, iou_threshold: float) -> dict[str, float | int | None]:
    accumulator = _accumulate(sequence, iou_threshold)
    names = ["mota", "motp", "idf1", *_COUNTS.values()]
    summary = motmetrics.metrics.create().compute(
        accumulator, metrics=names, return_dataframe=False
    )
    result: dict[str, float | int | None] = {
        key: int(summary[name]) for key, name in _COUNTS.items()
    }
    has_ground_truth = bool(summary["num_objects"])
    has_match = summary["num_misses"] < summary["num_objects"]
    result["mota"] = float(summary["mota"]) if has_ground_truth else None
    result["motp"] = 1.0 - float(summary["motp"]) if has_match else None
    result["idf1"] = float(np.nan_to_num(summary["idf1"])) if has_ground_truth else None
    return result


def _accumulate(sequence: _Sequence, iou_threshold: float) -> motmetrics.MOTAccumulator:
    accumulator = motmetrics.MOTAccumulator(auto_id=True)
    for ground_truth_ids, predicted_ids, similarity in zip(
        sequence.ground_truth_ids, sequence.predicted_ids, sequence.similarity, strict=True
    ):
        accumulator.update(
            ground_truth_ids,
            predicted_ids,
            np.where(similarity >= iou_threshold, 1.0 - similarity, np.nan),
        )
    return accumulator


def _hota(sequence: _Sequence) -> dict[str, float | None]:
    """HOTA, DetA and AssA (Luiten 2020, equations 8 to 16), matched as TrackEval does: one
    assignment a frame for all thresholds.
    """
    ground_truth_count = np.bincount(
        np.concatenate([np.zeros(0, np.int64), *sequence.ground_truth_ids])
    )
    predicted_count = np.bincount(np.concatenate([np.zeros(0, np.int64), *sequence.predicted_ids]))
    if len(ground_truth_count) == 0:
        return {"hota": None, "deta": None, "assa": None}
    alignment = _global_alignment(sequence, ground_truth_count, predicted_count)
    matches = np.zeros((len(HOTA_THRESHOLDS), *alignment.shape))
    for ground_truth_ids, predicted_ids, similarity in zip(
        sequence.ground_truth_ids, sequence.predicted_ids, sequence.similarity, strict=True
    ):
        rows, columns = linear_sum_assignment(
            alignment[np.ix_(ground_truth_ids, predicted_ids)] * similarity, maximize=True
        )
        # An exact IoU such as 0.5 must pass its threshold in spite of rounding.
        passed = similarity[rows, columns] >= HOTA_THRESHOLDS[:, None] - np.finfo(float).eps
        matches[:, ground_truth_ids[rows], predicted_ids[columns]] += passed
    true_positives = matches.sum(axis=(1, 2))
    deta = true_positives / (ground_truth_count.sum() + predicted_count.sum() - true_positives)
    association = matches / np.maximum(1, ground_truth_count[:, None] + predicted_count - matches)
    assa = (matches * association).sum(axis=(1, 2)) / np.maximum(1, true_positives)
    return {
        "hota": float(np.sqrt(deta * assa).mean()),
        "deta": float(deta.mean()),
        "assa": float(assa.mean()),
    }


def _global_alignment(
    sequence: _Sequence, ground_truth_count: np.ndarray, predicted_count: np.ndarray
) -> np.ndarray:
    """(truth ids, predicted ids) Jaccard alignment over the whole sequence, which the assignment
    maximises together with similarity.
    """
    potential = np.zeros((len(ground_truth_count), len(predicted_count)))
    for ground_truth_ids, predicted_ids, similarity in zip(
        sequence.ground_truth_ids, sequence.predicted_ids, sequence.similarity, strict=True
    ):
        total = similarity.sum(axis=0) + similarity.sum(axis=1)[:, None] - similarity
        potential[np.ix_(ground_truth_ids, predicted_ids)] += np.divide(
            similarity, total, out=np.zeros_like(similarity), where=total > 0
        )
    return potential / (ground_truth_count[:, None] + predicted_count - potential)
