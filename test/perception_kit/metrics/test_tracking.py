# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from perception_kit.metrics.tracking import (
    IdentityEvent,
    TrackedBoxes,
    identity_events,
    tracking_metrics,
)

# A box for each place; places do not overlap.
PLACES = {
    name: np.array([100 * column, 0, 100 * column + 10, 10], float)
    for column, name in enumerate("ABC")
}


def frames(*specifications: str, classes: dict[int, str] | None = None) -> list[TrackedBoxes]:
    """One frame for each string of "identity+place" words, such as "1A 2B"."""
    result = []
    for specification in specifications:
        words = specification.split()
        ids = [int(word[:-1]) for word in words]
        boxes = [PLACES[word[-1]] for word in words]
        result.append(TrackedBoxes(ids, boxes, [classes[i] for i in ids] if classes else None))
    return result


# name: (truth, tracks, expected). HOTA is worked out by hand: sqrt(DetA * AssA) with all IoUs 0 or
# 1.
CASES = {
    "perfect": (
        ("1A 2B",) * 4,
        ("7A 9B",) * 4,
        dict(mota=1, motp=1, idf1=1, hota=1, id_switches=0, fragments=0, mostly_tracked=2),
    ),
    "nothing tracked": (
        ("1A",) * 4,
        ("",) * 4,
        dict(mota=0, motp=None, idf1=0, hota=0, misses=4, mostly_lost=1),
    ),
    "only false positives": (
        ("1A",) * 4,
        ("1B",) * 4,
        dict(mota=-1, motp=None, idf1=0, hota=0, misses=4, false_positives=4),
    ),
    # Truth 4 boxes, tracks 2 of them: DetA = 2/4, AssA = 2/(2+2).
    "lost after half the time": (
        ("1A",) * 4,
        ("1A", "1A", "", ""),
        dict(mota=0.5, idf1=4 / 6, hota=0.5, misses=2, fragments=0),
    ),
    # Each match has 2 of its 4 true boxes: AssA = 2/4. IDF1 = 2*2/(4+4).
    "identity switch": (
        ("1A",) * 4,
        ("1A", "1A", "2A", "2A"),
        dict(mota=0.75, idf1=0.5, hota=np.sqrt(0.5), id_switches=1),
    ),
    "fragment": (
        ("1A 2B",) * 4,
        ("1A 2B", "2B", "1A 2B", "1A 2B"),
        dict(mota=7 / 8, idf1=14 / 15, fragments=1, id_switches=0),
    ),
    "a frame without any track interrupts nothing": (
        ("1A",) * 4,
        ("1A", "", "1A", "1A"),
        dict(mota=0.75, idf1=6 / 7, hota=0.75, fragments=0, id_switches=0),
    ),
    "a fragment of an identity that leaves the truth and comes back": (
        ("1A 2B", "2B", "1A 2B"),
        ("1A 2B", "2B", "1A 2B"),
        dict(mota=1, fragments=1, id_switches=0),
    ),
    "exactly 80 % is not mostly tracked": (
        ("1A",) * 5,
        ("1A",) * 4 + ("2B",),
        dict(mostly_tracked=0, partially_tracked=1, mostly_lost=0),
    ),
    "exactly 20 % is not mostly lost": (
        ("1A",) * 5,
        ("1A",) + ("2B",) * 4,
        dict(mostly_tracked=0, partially_tracked=1, mostly_lost=0),
    ),
    # Both tracks swap places half way: for each match TPA = 2, FNA = 2, FPA = 2, AssA = 2/6.
    "two swap": (
        ("1A 2B",) * 4,
        ("1A 2B", "1A 2B", "2A 1B", "2A 1B"),
        dict(mota=0.75, idf1=0.5, hota=np.sqrt(1 / 3), id_switches=2),
    ),
    "extra track": (
        ("1A",) * 2,
        ("1A 5C",) * 2,
        dict(mota=0, idf1=2 * 2 / (2 + 4), hota=np.sqrt(0.5), false_positives=2),
    ),
    "empty frames": (
        ("", "1A", ""),
        ("", "1A", ""),
        dict(mota=1, idf1=1, hota=1, truth_boxes=1),
    ),
    "no truth": (
        ("",) * 2,
        ("1A",) * 2,
        dict(mota=None, idf1=None, hota=None, false_positives=2, truth_boxes=0),
    ),
    "nothing at all": (
        (),
        (),
        dict(mota=None, motp=None, idf1=None, hota=None, truth_ids=0),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_cases(case: str) -> None:
    ground_truth, tracks, expected = CASES[case]
    metrics = tracking_metrics(frames(*ground_truth), frames(*tracks))
    assert {key: metrics[key] for key in expected} == pytest.approx(expected)


@pytest.mark.parametrize("case", CASES)
def test_followed_identities_are_those_that_the_counts_are_of(case: str) -> None:
    ground_truth, tracks = (frames(*specifications) for specifications in CASES[case][:2])
    check_events(ground_truth, tracks)


@pytest.mark.parametrize("seed", range(3))
def test_followed_identities_of_noisy_sequences(seed: int) -> None:
    check_events(*noisy_sequence(seed))


def check_events(ground_truth: list[TrackedBoxes], tracks: list[TrackedBoxes]) -> None:
    metrics = tracking_metrics(ground_truth, tracks)
    frames_of_events = identity_events(ground_truth, tracks)
    assert [sorted(event.ground_truth_id for event in events) for events in frames_of_events] == [
        sorted(frame.ids) for frame in ground_truth
    ]
    events = [event for frame in frames_of_events for event in frame]
    assert sum(event.track_id is None for event in events) == metrics["misses"]
    assert sum(event.switch for event in events) == metrics["id_switches"]
    assert sum(event.fragment for event in events) == metrics["fragments"]


def test_a_fragment_is_where_an_identity_is_lost_that_comes_back() -> None:
    tracks = frames("7A", "5C", "5C", "8A", "8A", "")
    events = identity_events(frames(*("3A",) * 6), tracks)
    assert [event for frame in events for event in frame] == [
        IdentityEvent(3, 7),
        IdentityEvent(3, None, fragment=True),
        IdentityEvent(3, None),
        IdentityEvent(3, 8, switch=True),
        IdentityEvent(3, 8),
        IdentityEvent(3, None),
    ]


def test_after_a_gap_the_better_track_matches() -> None:
    box = np.array([[100, 100, 150, 200]])
    near, far = (box + np.array([shift, 0, shift, 0]) for shift in (1, 10))
    ground_truth = [TrackedBoxes([1], box)] * 4
    tracks = [
        TrackedBoxes([1], box),
        TrackedBoxes([1], box + 500),
        *[TrackedBoxes([1, 2], np.concatenate([far, near]))] * 2,
    ]
    metrics = tracking_metrics(ground_truth, tracks)
    assert (metrics["id_switches"], metrics["fragments"]) == (1, 1)
    assert metrics["motp"] == pytest.approx((1 + 49 / 51 + 49 / 51) / 3)

    # Without the gap, the match is kept.
    metrics = tracking_metrics(ground_truth[:1] + ground_truth[2:], tracks[:1] + tracks[2:])
    assert (metrics["id_switches"], metrics["fragments"]) == (0, 0)
    assert metrics["motp"] == pytest.approx((1 + 2 * 40 / 60) / 3)


def test_boxes_match_only_within_their_class() -> None:
    ground_truth = frames("1A 2B", "1A 2B", classes={1: "cup", 2: "bowl"})
    tracks = frames("1A 2B", "1A 2B", classes={1: "cup", 2: "cup"})
    metrics = tracking_metrics(ground_truth, tracks)
    assert (metrics["misses"], metrics["false_positives"]) == (2, 2)
    # DetA = 2/(4+4-2), AssA = 1.
    assert metrics["hota"] == pytest.approx(np.sqrt(2 / 6))
    assert metrics["idf1"] == pytest.approx(0.5)


def test_without_classes_on_one_side_all_boxes_match() -> None:
    ground_truth = frames("1A", classes={1: "cup"})
    assert tracking_metrics(ground_truth, frames("1A"))["mota"] == 1.0


def test_localization_decides_which_hota_thresholds_pass() -> None:
    # IoU of exactly 0.5 passes the 10 thresholds 0.05, ..., 0.5 of 19.
    ground_truth = [TrackedBoxes([1], [[0, 0, 10, 10]])] * 3
    tracks = [TrackedBoxes([1], [[0, 0, 10, 5]])] * 3
    metrics = tracking_metrics(ground_truth, tracks)
    assert metrics["hota"] == pytest.approx(10 / 19)
    assert metrics["motp"] == pytest.approx(0.5)
    assert metrics["mota"] == 1.0
    assert tracking_metrics(ground_truth, tracks, iou_threshold=0.6)["mota"] == -1.0


def test_hota_prefers_the_identity_that_fits_the_whole_sequence() -> None:
    # In the last frame track 2 overlaps a little better, but track 1 is the one that belongs to the
    # truth.
    ground_truth = [TrackedBoxes([1], [[0, 0, 10, 10]])] * 4
    tracks = [TrackedBoxes([1], [[0, 0, 10, 9]])] * 3 + [
        TrackedBoxes([1, 2], [[0, 0, 10, 9], [0, 0, 10, 9.5]])
    ]
    metrics = tracking_metrics(ground_truth, tracks)
    # 18 thresholds up to 0.9: DetA = 4/5 with one spurious box, AssA = 1; at 0.95 nothing passes.
    assert metrics["hota"] == pytest.approx(18 / 19 * np.sqrt(4 / 5))


def noisy_sequence(seed: int) -> tuple[list[TrackedBoxes], list[TrackedBoxes]]:
    """Eight objects, and tracks of noisy boxes.

    Tracks are lost, appear from nowhere and swap their identities.
    """
    rng = np.random.default_rng(seed)
    corner, velocity = rng.uniform(0, 200, (8, 2)), rng.normal(0, 3, (8, 2))
    identity = np.arange(8)
    ground_truth, tracks = [], []
    for frame in range(60):
        if rng.random() < 0.1:
            identity = rng.permutation(12)[:8]
        boxes = np.hstack([corner + frame * velocity, corner + frame * velocity + 60])
        seen, found = rng.random(8) < 0.9, rng.random(8) < 0.8
        false = rng.uniform(0, 200, (rng.integers(0, 3), 2))
        ground_truth.append(TrackedBoxes(np.flatnonzero(seen), boxes[seen]))
        noisy = boxes[found] + rng.normal(0, 6, (found.sum(), 4))
        tracks.append(
            TrackedBoxes(
                [*identity[found], *(20 + np.arange(len(false)))],
                [*noisy, *np.hstack([false, false + 60])],
            )
        )
    return ground_truth, tracks


# Computed with TrackEval 1.3.0's HOTA on the same similarities.
TRACKEVAL = {
    0: dict(hota=0.26266074304638576, deta=0.46362745024437946, assa=0.1500400619509457),
    1: dict(hota=0.24286258730711144, deta=0.47164226062144254, assa=0.12610875352688386),
    2: dict(hota=0.28663135388551614, deta=0.4804186636361439, assa=0.17210480568682632),
}


@pytest.mark.parametrize("seed", TRACKEVAL)
def test_hota_is_that_of_trackeval(seed: int) -> None:
    metrics = tracking_metrics(*noisy_sequence(seed))
    assert {key: metrics[key] for key in TRACKEVAL[seed]} == pytest.approx(
        TRACKEVAL[seed], abs=1e-12
    )


def test_sample_tracker_has_the_published_scores(shared_dir: Path) -> None:
    """MOTA, IDF1, switches and fragments are published with the file.

    HOTA, DetA, AssA and MOTP were computed with TrackEval 1.3.0.
    """
    folder = shared_dir / "data/mot/mot15/TUD-Campus"
    ground_truth, tracks = (
        sequence(folder / name) for name in ("gt/gt.txt", "example_tracker_output_test.txt")
    )
    metrics = tracking_metrics(ground_truth, tracks)
    assert (round(100 * metrics["mota"], 1), round(100 * metrics["idf1"], 1)) == (52.6, 55.8)
    assert (metrics["id_switches"], metrics["fragments"]) == (7, 7)
    expected = {
        "hota": 0.3913974378451139,
        "deta": 0.418047030142763,
        "assa": 0.36912068120832836,
        "motp": 0.7227989153605385,
    }
    assert {key: metrics[key] for key in expected} == pytest.approx(expected, abs=1e-9)


def sequence(path: Path) -> list[TrackedBoxes]:
    """The 71 frames of a MOTChallenge file."""
    frame, ids, left, top, width, height = np.loadtxt(path, delimiter=",", usecols=range(6)).T
    boxes = np.column_stack([left, top, left + width, top + height])
    return [TrackedBoxes(ids[frame == number], boxes[frame == number]) for number in range(1, 72)]


BAD_FRAMES = {
    "more ids than boxes": (dict(ids=[1, 2], boxes=[[0, 0, 1, 1]]), "2 ids but 1 boxes"),
    "id twice": (dict(ids=[3, 3], boxes=[[0, 0, 1, 1]] * 2), "twice"),
    "box not finite": (
        dict(ids=[1, 4], boxes=[[0, 0, 1, 1], [0, 0, np.nan, 1]]),
        "id 4 is not finite",
    ),
    "classes missing": (
        dict(ids=[1, 2], boxes=[[0, 0, 1, 1]] * 2, classes=["cup"]),
        "2 ids but 1 classes",
    ),
}


@pytest.mark.parametrize("case", BAD_FRAMES)
def test_bad_frames_are_named(case: str) -> None:
    arguments, message = BAD_FRAMES[case]
    with pytest.raises(ValueError, match=message):
        TrackedBoxes(**arguments)


def test_sequences_of_different_length_are_refused() -> None:
    with pytest.raises(ValueError, match="2 frames of truth but 1 of tracks"):
        tracking_metrics(frames("", ""), frames(""))
