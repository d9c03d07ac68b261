# SPDX-License-Identifier: Apache-2.0
"""Multi-object tracking metrics on arrays: CLEAR MOT, IDF1 and HOTA.

CLEAR MOT: Bernardin and Stiefelhagen 2008. IDF1: Ristani et al. 2016. HOTA: Luiten et al. 2020.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import motmetrics
import numpy as np
from scipy.optimize import linear_sum_assignment

from perception_kit.boxes import box_iou

MATCH_IOU = 0.5  # of CLEAR MOT and IDF1, as MOTChallenge has it
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
    """The boxes of one frame.

    ``ids`` (N,) integers, ``boxes`` (N, 4) x_min, y_min, x_max, y_max in pixels, ``classes`` (N,)
    or None. Raises ValueError for arrays that do not fit each other, boxes that are not finite, and
    an id that occurs twice.
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

        finite = np.isfinite(self.boxes).all(axis=1)
        if not finite.all():
            raise ValueError(
                f"box of id {self.ids[~finite][0]} is not finite: leave such boxes out"
            )
        if len(np.unique(self.ids)) != len(self.ids):
            raise ValueError(f"an id occurs twice in one frame: {sorted(self.ids.tolist())}")

        if self.classes is None:
            return
        self.classes = np.asarray(self.classes).reshape(-1)
        if len(self.classes) != len(self.ids):
            raise ValueError(
                f"{len(self.ids)} ids but {len(self.classes)} classes in one frame: give one class"
                " for each id"
            )


@dataclass(frozen=True)
class IdentityEvent:
    """CLEAR MOT event of one ground-truth identity in one frame.

    ``track_id`` is the track that matches it, None for a miss. ``switch``: another track matched it
    before. ``fragment``: it was matched before, is missed from here on, and is matched again later.
    """

    ground_truth_id: int
    track_id: int | None
    switch: bool = False
    fragment: bool = False


@dataclass
class _Sequence:
    """Frames with identities numbered from 0, and the similarity of every pair in each.

    What both families of metrics work on.
    """

    ground_truth_ids: list[np.ndarray] = field(default_factory=list)
    predicted_ids: list[np.ndarray] = field(default_factory=list)
    similarity: list[np.ndarray] = field(default_factory=list)

    def frames(self) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Ids (N,) and (M,) and similarity (N, M) of each frame."""
        return zip(self.ground_truth_ids, self.predicted_ids, self.similarity, strict=True)


def tracking_metrics(
    ground_truth_frames: Sequence[TrackedBoxes],
    predicted_frames: Sequence[TrackedBoxes],
    iou_threshold: float = MATCH_IOU,
) -> dict[str, float | int | None]:
    """Compare tracks with the ground truth, frame by frame.

    ``mota``, ``motp`` (mean IoU of the matches, 1 is best), ``idf1``, ``hota``, ``deta``, ``assa``
    as fractions of 1; counts ``id_switches``, ``fragments``, ``false_positives``, ``misses``,
    ``mostly_tracked`` (identities matched in at least 80 % of their frames),
    ``partially_tracked``, ``mostly_lost`` (in less than 20 %), ``truth_ids``, ``truth_boxes``.

    Boxes match only within a class where both sides give classes. CLEAR MOT and IDF1 match boxes of
    IoU ``iou_threshold`` or more. HOTA is TrackEval's: mean over IoU thresholds 0.05 to 0.95. A
    value that nothing defines is None (no ground truth; for ``motp`` no match). Raises ValueError
    where the two sequences differ in length.
    """
    if len(ground_truth_frames) != len(predicted_frames):
        raise ValueError(
            f"{len(ground_truth_frames)} frames of truth but {len(predicted_frames)} of tracks:"
            " give an empty frame where nothing was seen"
        )
    sequence = _prepare(ground_truth_frames, predicted_frames)
    return _clear_and_identity(sequence, iou_threshold) | _hota(sequence)


def identity_events(
    ground_truth_frames: Sequence[TrackedBoxes],
    predicted_frames: Sequence[TrackedBoxes],
    iou_threshold: float = MATCH_IOU,
) -> list[list[IdentityEvent]]:
    """For each frame, the event of every identity in it, by the matches of ``tracking_metrics``."""
    sequence = _prepare(ground_truth_frames, predicted_frames)
    ground_truth_ids, track_ids = _known_ids(ground_truth_frames), _known_ids(predicted_frames)

    # (frame, matching track, whether it is a switch) of each identity, in the order of time.
    histories: defaultdict[int, list[tuple[int, int | None, bool]]] = defaultdict(list)
    for (frame, _), event in _accumulate(sequence, iou_threshold).mot_events.iterrows():
        if event.Type not in ("MATCH", "SWITCH", "MISS"):
            continue
        identity = int(ground_truth_ids[int(event.OId)])
        track_id = None if event.Type == "MISS" else int(track_ids[int(event.HId)])
        histories[identity].append((frame, track_id, event.Type == "SWITCH"))

    # A fragment is the first miss after a match, where another match follows.
    events: list[list[IdentityEvent]] = [[] for _ in ground_truth_frames]
    for identity, history in histories.items():
        matched = [track_id is not None for _, track_id, _ in history]
        for k, (frame, track_id, switch) in enumerate(history):
            is_lost_here = k > 0 and matched[k - 1] and not matched[k]
            fragment = is_lost_here and any(matched[k:])
            events[frame].append(IdentityEvent(identity, track_id, switch, fragment))
    return events


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
    return np.unique(_joined([frame.ids for frame in frames]))


def _joined(ids: Sequence[np.ndarray]) -> np.ndarray:
    """The ids of all frames in one array; there may be no frame."""
    return np.concatenate([np.zeros(0, np.int64), *ids])


def _clear_and_identity(sequence: _Sequence, iou_threshold: float) -> dict[str, float | int | None]:
    names = ["mota", "motp", "idf1", *_COUNTS.values()]
    summary = motmetrics.metrics.create().compute(
        _accumulate(sequence, iou_threshold), metrics=names, return_dataframe=False
    )
    result: dict[str, float | int | None] = {
        key: int(summary[name]) for key, name in _COUNTS.items()
    }

    # motmetrics gives NaN, or 0, for what nothing defines. Its MOTP is a distance: 1 - IoU.
    has_ground_truth = bool(summary["num_objects"])
    has_match = summary["num_misses"] < summary["num_objects"]
    result["mota"] = float(summary["mota"]) if has_ground_truth else None
    result["motp"] = 1.0 - float(summary["motp"]) if has_match else None
    result["idf1"] = float(np.nan_to_num(summary["idf1"])) if has_ground_truth else None
    return result


def _accumulate(sequence: _Sequence, iou_threshold: float) -> motmetrics.MOTAccumulator:
    """CLEAR MOT's matches; NaN is a pair that may not match."""
    accumulator = motmetrics.MOTAccumulator(auto_id=True)
    for ground_truth_ids, predicted_ids, similarity in sequence.frames():
        distance = np.where(similarity >= iou_threshold, 1.0 - similarity, np.nan)
        accumulator.update(ground_truth_ids, predicted_ids, distance)
    return accumulator


def _hota(sequence: _Sequence) -> dict[str, float | None]:
    """HOTA, DetA and AssA (Luiten 2020, equations 8 to 16).

    Matched as TrackEval does: one assignment a frame for all thresholds.
    """
    # Boxes of each identity and of each track.
    ground_truth_count = np.bincount(_joined(sequence.ground_truth_ids))
    predicted_count = np.bincount(_joined(sequence.predicted_ids))
    if len(ground_truth_count) == 0:
        return {"hota": None, "deta": None, "assa": None}

    # (thresholds, identities, tracks) frames in which the two match.
    alignment = _global_alignment(sequence, ground_truth_count, predicted_count)
    matches = np.zeros((len(HOTA_THRESHOLDS), *alignment.shape))
    for ground_truth_ids, predicted_ids, similarity in sequence.frames():
        aligned = alignment[np.ix_(ground_truth_ids, predicted_ids)]
        rows, columns = linear_sum_assignment(aligned * similarity, maximize=True)
        # An exact IoU such as 0.5 must pass its threshold in spite of rounding.
        passed = similarity[rows, columns] >= HOTA_THRESHOLDS[:, None] - np.finfo(float).eps
        matches[:, ground_truth_ids[rows], predicted_ids[columns]] += passed

    # DetA = TP / (TP + FN + FP).
    true_positives = matches.sum(axis=(1, 2))
    deta = true_positives / (ground_truth_count.sum() + predicted_count.sum() - true_positives)

    # AssA: mean over the true positives of TPA / (TPA + FNA + FPA).
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
    """(identities, tracks) Jaccard alignment over the whole sequence.

    The assignment of each frame maximizes it together with the similarity.
    """
    potential = np.zeros((len(ground_truth_count), len(predicted_count)))
    for ground_truth_ids, predicted_ids, similarity in sequence.frames():
        total = similarity.sum(axis=0) + similarity.sum(axis=1)[:, None] - similarity
        overlap = np.divide(similarity, total, out=np.zeros_like(similarity), where=total > 0)
        potential[np.ix_(ground_truth_ids, predicted_ids)] += overlap

    return potential / (ground_truth_count[:, None] + predicted_count - potential)
