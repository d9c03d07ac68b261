# SPDX-License-Identifier: Apache-2.0
"""Multi-object tracking metrics on arrays, equal to TrackEval's: CLEAR MOT, IDF1 and HOTA.

CLEAR MOT: Bernardin and Stiefelhagen 2008. IDF1: Ristani et al. 2016. HOTA: Luiten et al. 2020.
Their authors leave details open (which track matches after a gap, what a fragment is); TrackEval,
the evaluation of MOTChallenge and KITTI, decides them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from scipy.optimize import linear_sum_assignment

from perception_kit.boxes import box_iou
from perception_kit.metrics.clear_mot import UNMATCHED, Frame, clear_mot, match_frames

MATCH_IOU = 0.5  # of CLEAR MOT and IDF1, as MOTChallenge has it
HOTA_THRESHOLDS = np.arange(0.05, 0.99, 0.05)


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
    before. ``fragment``: it was matched before, is lost from here on, and is matched again later
    (here already, where it left the ground truth in between).
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

    @property
    def identity_count(self) -> int:
        """Identities of the ground truth."""
        return len(np.unique(_joined(self.ground_truth_ids)))

    def frames(self) -> Iterator[Frame]:
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
    ``mostly_tracked`` (identities matched in more than 80 % of their frames),
    ``partially_tracked``, ``mostly_lost`` (in less than 20 %), ``truth_ids``, ``truth_boxes``.

    Boxes match only within a class where both sides give classes. CLEAR MOT and IDF1 match boxes of
    IoU ``iou_threshold`` or more. HOTA is the mean over IoU thresholds 0.05 to 0.95. A value that
    nothing defines is None (no ground truth; for ``motp`` no match). Raises ValueError where the
    two sequences differ in length.
    """
    if len(ground_truth_frames) != len(predicted_frames):
        raise ValueError(
            f"{len(ground_truth_frames)} frames of truth but {len(predicted_frames)} of tracks:"
            " give an empty frame where nothing was seen"
        )
    sequence = _prepare(ground_truth_frames, predicted_frames)
    matches = match_frames(sequence.frames(), sequence.identity_count, iou_threshold)
    clear = clear_mot(matches, sequence.identity_count)
    return clear | {"idf1": _idf1(sequence, iou_threshold)} | _hota(sequence)


def identity_events(
    ground_truth_frames: Sequence[TrackedBoxes],
    predicted_frames: Sequence[TrackedBoxes],
    iou_threshold: float = MATCH_IOU,
) -> list[list[IdentityEvent]]:
    """For each frame, the event of every identity in it, by the matches of ``tracking_metrics``."""
    sequence = _prepare(ground_truth_frames, predicted_frames)
    ground_truth_ids, track_ids = _known_ids(ground_truth_frames), _known_ids(predicted_frames)

    # (frame, number of the event in it, whether it was matched, whether after a gap) of each
    # identity, in the order of time.
    histories: defaultdict[int, list[tuple[int, int, bool, bool]]] = defaultdict(list)
    events: list[list[IdentityEvent]] = []
    frames = match_frames(sequence.frames(), sequence.identity_count, iou_threshold)
    for number, matches in enumerate(frames):
        events.append([])
        for row, (identity, track) in enumerate(zip(matches.ids, matches.track, strict=True)):
            track_id = None if track == UNMATCHED else int(track_ids[track])
            switch, resumed = bool(matches.switch[row]), bool(matches.resumed[row])
            events[-1].append(IdentityEvent(int(ground_truth_ids[identity]), track_id, switch))
            histories[identity].append((number, row, track_id is not None, resumed))

    # A fragment is shown where the identity was lost: just after the match before the gap.
    for history in histories.values():
        lost = None
        for number, row, matched, resumed in history:
            lost = lost or (number, row)
            if resumed:
                frame, place = lost
                events[frame][place] = replace(events[frame][place], fragment=True)
            if matched:
                lost = None
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


def _idf1(sequence: _Sequence, iou_threshold: float) -> float | None:
    """IDF1 (Ristani 2016, equation 11); None without ground truth.

    Each identity gets at most one track of the whole sequence, so that most boxes match.
    """
    true_boxes, predicted_boxes = (
        len(_joined(ids)) for ids in (sequence.ground_truth_ids, sequence.predicted_ids)
    )
    if true_boxes == 0:
        return None

    # (identities, tracks) frames in which the two overlap enough.
    tracks = len(np.unique(_joined(sequence.predicted_ids)))
    overlaps = np.zeros((sequence.identity_count, tracks))
    for ground_truth_ids, predicted_ids, similarity in sequence.frames():
        overlaps[np.ix_(ground_truth_ids, predicted_ids)] += similarity >= iou_threshold

    true_positives = overlaps[linear_sum_assignment(overlaps, maximize=True)].sum()
    return float(2 * true_positives / (true_boxes + predicted_boxes))


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
