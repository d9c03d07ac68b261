# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perception_kit.types import Instance, PoseEstimate, TrackEstimate, TrackState
from tracker_node.config import TrackerConfig
from tracker_node.deep_sort import DeepSort

Detection = Callable[..., Instance]

RATE = 30.0
TENTATIVE, CONFIRMED, LOST = TrackState.TENTATIVE, TrackState.CONFIRMED, TrackState.LOST


def stamp(frame: float, rate: float = RATE) -> int:
    return round(1e18 + frame / rate * 1e9)


def feed(
    tracker: DeepSort, frames: Sequence[Sequence[Instance]], first: int = 0, rate: float = RATE
) -> list[TrackEstimate]:
    """Tracks after the last of the frames."""
    estimates: list[TrackEstimate] = []
    for number, instances in enumerate(frames, start=first):
        estimates = tracker.update(instances, stamp(number, rate))
    return estimates


def test_reference_sequence_is_reproduced(reference_dir: Path, detection: Detection) -> None:
    """Published defaults, unit time step: every identity equal, boxes to 1e-3 px."""
    table = np.loadtxt(reference_dir / "deepsort_seed1_det.txt", delimiter=",")
    features = np.load(reference_dir / "deepsort_seed1_features.npy")
    expected = np.loadtxt(reference_dir / "deepsort_seed1_expected_tracks.txt", delimiter=",")
    tracker, result = DeepSort(), []
    for frame in range(1, int(table[:, 0].max()) + 1):
        rows = np.flatnonzero(table[:, 0] == frame)
        boxes = np.hstack([table[rows, 2:4], table[rows, 2:4] + table[rows, 4:6]])
        instances = [
            replace(detection(box), box=box, descriptor=features[row])
            for box, row in zip(boxes, rows, strict=True)
        ]
        for track in tracker.update(instances, stamp(frame)):
            if track.state != TENTATIVE and track.time_since_update < 1.5 / RATE:
                result.append([frame, track.id, *track.box[:2], *(track.box[2:] - track.box[:2])])
    actual = np.array(result)
    np.testing.assert_array_equal(actual[:, :2], expected[:, :2])
    np.testing.assert_allclose(actual[:, 2:], expected[:, 2:], atol=1e-3)


def test_life_cycle(detection: Detection) -> None:
    tracker, seen = DeepSort(), [detection([100, 100, 150, 200], score=0.8)]
    states = [feed(tracker, [seen], first=frame)[0].state for frame in range(4)]
    assert states == [TENTATIVE, TENTATIVE, CONFIRMED, CONFIRMED]

    (track,) = feed(tracker, [[], []], first=4)
    assert (track.state, track.age, track.hits) == (LOST, 6, 4)
    assert (track.detection_index, track.score) == (-1, 0.8)
    assert track.time_since_update == pytest.approx(2 / RATE)

    (track,) = feed(tracker, [seen], first=6)
    assert (track.id, track.state, track.age, track.hits) == (1, CONFIRMED, 7, 5)
    assert (track.detection_index, track.time_since_update) == (0, 0)


def test_tentative_track_is_deleted_at_its_first_miss(detection: Detection) -> None:
    tracker, seen = DeepSort(), [detection([100, 100, 150, 200])]
    assert len(feed(tracker, [seen, seen])) == 1
    assert feed(tracker, [[]], first=2) == []
    assert feed(tracker, [seen], first=3)[0].id == 2


def test_lost_track_lives_for_max_age(detection: Detection) -> None:
    tracker = DeepSort(TrackerConfig(max_age=5))
    feed(tracker, [[detection([100, 100, 150, 200])]] * 3)
    counts = [len(feed(tracker, [[]], first=frame)) for frame in range(3, 10)]
    assert counts == [1, 1, 1, 1, 1, 0, 0]


def test_max_age_is_time_and_not_a_number_of_frames(detection: Detection) -> None:
    """At 5 Hz, max_age of 30 frames at 30 Hz is 5 frames."""
    tracker = DeepSort()
    feed(tracker, [[detection([100, 100, 150, 200])]] * 3, rate=5)
    counts = [len(feed(tracker, [[]], first=frame, rate=5)) for frame in range(3, 10)]
    assert counts == [1, 1, 1, 1, 1, 0, 0]


@pytest.mark.parametrize("rate", [5.0, 15.0, 30.0])
def test_velocity_is_in_pixels_per_second_at_any_frame_rate(
    rate: float, detection: Detection
) -> None:
    tracker = DeepSort()
    times = np.arange(0, 4, 1 / rate)
    frames = [[detection([100 + 60 * t, 100 + 15 * t, 150 + 60 * t, 200 + 15 * t])] for t in times]
    (track,) = feed(tracker, frames, rate=rate)
    assert (track.id, track.hits) == (1, len(times))
    np.testing.assert_allclose(track.box_velocity, [60, 15, 60, 15], atol=1.0)


def test_lost_frames_are_bridged_by_real_time(detection: Detection) -> None:
    """Frames arrive at random times, 0.03 to 0.5 s apart, and the object moves 150 px/s."""
    tracker, rng = DeepSort(), np.random.default_rng(0)
    times = np.concatenate(
        [np.arange(20) / RATE, 20 / RATE + np.cumsum(rng.uniform(0.03, 0.5, 30))]
    )
    for time in times:
        (track,) = tracker.update(
            [detection([150 * time, 100, 150 * time + 50, 200])], stamp(time, 1.0)
        )
    assert (track.id, track.hits) == (1, len(times))


def moving(
    detection: Detection,
    start: Sequence[float],
    velocity: Sequence[float],
    descriptor: Sequence[float],
    time: float,
) -> Instance:
    """A 40 x 80 px object."""
    x, y = np.asarray(start) + time * np.asarray(velocity)
    return detection([x, y, x + 40, y + 80], descriptor=descriptor)


DESCRIPTORS = {
    "look different": ([1, 0, 0], [0, 1, 0]),
    "look alike": ([1, 0, 0], [1, 0.1, 0]),
    "have no appearance": ((), ()),
}


@pytest.mark.parametrize("look", DESCRIPTORS)
def test_crossing_objects_keep_their_identities(look: str, detection: Detection) -> None:
    """Two objects of one class pass each other.

    While they overlap, only the nearer one is detected for 0.4 s.
    """
    tracker, rng = DeepSort(), np.random.default_rng(1)
    first, second = DESCRIPTORS[look]
    for frame in range(90):
        time = frame / RATE
        noise = rng.normal(scale=0.5, size=(2, 2))
        left = moving(detection, np.array([100, 100]) + noise[0], [100, 0], first, time)
        right = moving(detection, np.array([400, 104]) + noise[1], [-100, 0], second, time)
        hidden = abs(left.box[0] - right.box[0]) < 40
        estimates = tracker.update([left] if hidden else [right, left], stamp(frame))
    assert {track.id: track.detection_index for track in estimates} == {1: 0, 2: 1}


def test_object_comes_back_after_almost_a_second(detection: Detection) -> None:
    tracker = DeepSort()
    frames = [[moving(detection, [100, 100], [60, 0], [1, 0], frame / RATE)] for frame in range(80)]
    frames[30:58] = [[]] * 28
    (track,) = feed(tracker, frames)
    assert (track.id, track.state) == (1, CONFIRMED)


def test_classes_at_one_place_are_tracks_of_their_own(detection: Detection) -> None:
    tracker, box = DeepSort(), [100, 100, 150, 200]
    estimates = feed(tracker, [[detection(box, class_id=1), detection(box, class_id=2)]] * 5)
    assert [(track.id, track.class_id, track.class_name, track.hits) for track in estimates] == [
        (1, 1, "class 1", 5),
        (2, 2, "class 2", 5),
    ]


def seen_in_space(
    detection: Detection,
    pose: Callable[..., PoseEstimate],
    places: Sequence[np.ndarray],
    rng: np.random.Generator,
) -> tuple[list[Instance], list[PoseEstimate]]:
    """Look-alike objects of 0.2 x 0.3 m at ``places`` (camera frame, m), in random order.

    They have noise in pixels and metres.
    """
    instances, poses = [], []
    for index, place in enumerate(rng.permutation(np.array(places))):
        half = np.array([50.0, 75.0]) / place[2]
        center = (
            np.array([320.0, 240.0]) + 500 * place[:2] / place[2] + rng.normal(scale=1.0, size=2)
        )
        instances.append(detection([*(center - half), *(center + half)]))
        poses.append(pose(index, place + rng.normal(scale=0.005, size=3)))
    return instances, poses


@pytest.mark.parametrize("rate", [10.0, 30.0])
@pytest.mark.parametrize("hidden_s", [0.3, 0.9])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_look_alikes_that_cross_at_different_depth_keep_their_identities(
    rate: float, hidden_s: float, seed: int, detection: Detection, pose: Callable[..., PoseEstimate]
) -> None:
    """Two objects of one class without appearance; the farther one is hidden while they pass."""
    tracker, rng = DeepSort(), np.random.default_rng(seed)
    for frame in range(int(4 * rate)):
        time = frame / rate - 2
        near, far = np.array([0.2 * time, 0.0, 0.9]), np.array([-0.25 * time, 0.02, 1.2])
        places = [near] if abs(time) < hidden_s / 2 else [near, far]
        instances, poses = seen_in_space(detection, pose, places, rng)
        estimates = tracker.update(instances, stamp(frame, rate), poses)
        if frame == round(rate):
            of_near, of_far = sorted(
                (track for track in estimates if track.state == CONFIRMED),
                key=lambda track: track.position[2],
            )
    assert of_near.id != of_far.id
    depth = {track.id: track.position[2] for track in estimates if track.state == CONFIRMED}
    assert depth == {
        of_near.id: pytest.approx(0.9, abs=0.02),
        of_far.id: pytest.approx(1.2, abs=0.02),
    }


@pytest.mark.parametrize("returning", [0, 1])
def test_a_look_alike_that_was_seen_later_does_not_take_the_place_of_the_other(
    returning: int, detection: Detection, pose: Callable[..., PoseEstimate]
) -> None:
    """Two objects without appearance, 0.3 m apart, are hidden for 0.87 s.

    The first is so a frame earlier; what comes back is near both.
    """
    tracker, rng, rate = DeepSort(), np.random.default_rng(0), 15.0
    places = np.array([[0.0, 0.0, 1.0], [0.3, 0.0, 1.0]])
    for frame in range(34):
        seen = places[:0]
        if frame < 20:
            seen = places
        elif frame == 20:
            seen = places[1:]
        elif frame == 33:
            seen = places[[returning]]
        instances, poses = seen_in_space(detection, pose, seen, rng)
        estimates = tracker.update(instances, stamp(frame, rate), poses)
        if frame == 19:
            id_of_place = {round(track.position[0], 1): track.id for track in estimates}
    assert [track.id for track in estimates if track.detection_index == 0] == [
        id_of_place[places[returning, 0]]
    ]


def test_what_the_border_cuts_is_not_taken_for_a_look_alike_that_left_before(
    detection: Detection, pose: Callable[..., PoseEstimate]
) -> None:
    """The pose of an object of which a part is seen lies 8 cm beside it; its box has only shrunk.

    Of the other one no pose is known.
    """
    tracker = DeepSort()
    whole, other, cut = [500, 200, 580, 300], [520, 200, 600, 300], [500, 200, 545, 300]
    for frame in range(30):
        seen = [whole] if frame >= 20 else [whole, other]
        instances, poses = [detection(box) for box in seen], [pose(0, [0.3, 0.0, 1.0])]
        estimates = tracker.update(instances, stamp(frame, 15.0), poses)
    known = {track.id for track in estimates if track.detection_index == 0}
    estimates = tracker.update([detection(cut)], stamp(30, 15.0), [pose(0, [0.22, 0.0, 1.0])])
    assert {track.id for track in estimates if track.detection_index == 0} == known


def test_a_wrong_descriptor_that_stays_does_not_shut_out_the_others(detection: Detection) -> None:
    tracker = DeepSort()
    wrong = detection([500, 100, 550, 200], descriptor=[1] * 7)
    feed(tracker, [[wrong]] * 5)
    good = [detection([100 * k, 100, 100 * k + 50, 200], descriptor=[1, 0]) for k in range(3)]
    estimates = feed(tracker, [[wrong, *good]] * 5, first=5)
    assert [track.hits for track in estimates] == [5, 5, 5, 5]
    assert tracker.rejected == [
        (0, "descriptor has 7 values, expected 2 as in the other detections")
    ]


def test_five_hundred_detections_at_one_spot(detection: Detection) -> None:
    """Each gets a track of its own, and none touches the track that was there before."""
    tracker, box = DeepSort(), [100, 100, 150, 200]
    feed(tracker, [[detection(box, descriptor=[1, 0])]] * 5)
    crowd = [detection(box, descriptor=[0, 1])] * 500
    estimates = feed(tracker, [[*crowd, detection(box, descriptor=[1, 0])]] * 3, first=5)
    assert len(estimates) == 501
    assert (estimates[0].id, estimates[0].hits, estimates[0].detection_index) == (1, 8, 500)
    assert all(track.hits == 3 for track in estimates[1:])


BAD_BOXES = [
    [np.nan] * 4,
    [0, 0, np.inf, 5],
    [100, 100, 100, 200],
    [150, 200, 100, 100],
    [0, 0, 1e30, 1e30],
]


def test_bad_detections_do_not_touch_the_other_tracks(detection: Detection) -> None:
    clean, disturbed = DeepSort(), DeepSort()
    for frame in range(20):
        good = [
            moving(detection, [100, 100], [60, 0], [1, 0], frame / RATE),
            moving(detection, [300, 100], [0, 30], [0, 1], frame / RATE),
        ]
        bad = [replace(good[0], box=np.array(box)) for box in BAD_BOXES]
        bad += [
            replace(good[0], descriptor=np.zeros(2, np.float32)),
            replace(good[0], descriptor=np.ones(7, np.float32)),
        ]
        expected = clean.update(good, stamp(frame))
        actual = disturbed.update([good[0], *bad, good[1]], stamp(frame))
        assert [index for index, _ in disturbed.rejected] == list(range(1, len(bad) + 1))
        assert [(track.id, track.hits) for track in actual] == [
            (track.id, track.hits) for track in expected
        ]
        np.testing.assert_array_equal(
            [track.box for track in actual], [track.box for track in expected]
        )
    assert clean.rejected == []
    assert [track.detection_index for track in actual] == [0, len(bad) + 1]


def test_repeated_frame_changes_nothing(detection: Detection) -> None:
    tracker, seen = DeepSort(), [detection([100, 100, 150, 200])]
    (before,) = feed(tracker, [seen, seen])
    (after,) = feed(tracker, [seen], first=1)
    assert (after.id, after.state) == (before.id, before.state)
    assert (after.age, after.hits) == (before.age, before.hits)
    assert tracker.rejected == [(0, f"the frame {stamp(1)} ns was tracked already")]


def test_time_that_goes_back_is_refused_until_reset(detection: Detection) -> None:
    tracker, seen = DeepSort(), [detection([100, 100, 150, 200])]
    feed(tracker, [seen] * 3, first=10)
    with pytest.raises(ValueError, match="lies before the last frame"):
        tracker.update(seen, stamp(5))
    tracker.reset()
    assert feed(tracker, [seen], first=5)[0].id == 1


def test_empty_frames_from_the_start() -> None:
    tracker = DeepSort()
    assert tracker.estimates() == []
    assert feed(tracker, [[], [], []]) == []


def test_change_of_parameters_keeps_the_tracks(detection: Detection) -> None:
    tracker, seen = DeepSort(), [detection([100, 100, 150, 200])]
    feed(tracker, [seen] * 3)
    assert not tracker.configure(TrackerConfig(motion_weight=0.5, max_age=2))
    assert feed(tracker, [seen], first=3)[0].id == 1
    assert feed(tracker, [[]] * 3, first=4) == []
    assert tracker.configure(TrackerConfig(gallery_size=5))
    assert feed(tracker, [seen], first=0)[0].id == 1


box_numbers = st.one_of(
    st.floats(-100, 800), st.sampled_from([float("nan"), float("inf"), 1e30, 0.0])
)


@given(
    st.lists(
        st.tuples(
            st.floats(0, 3), st.lists(st.tuples(*[box_numbers] * 4, st.integers(1, 2)), max_size=4)
        ),
        min_size=1,
        max_size=25,
    )
)
@settings(max_examples=60, deadline=None)
def test_any_input_leaves_finite_boxes_and_positive_covariances(
    detection: Detection, frames: list[tuple[float, list[tuple[float, ...]]]]
) -> None:
    """Frames are (seconds since the last one, detections with their class)."""
    tracker, time = DeepSort(TrackerConfig(n_init=1)), 0.0
    for seconds, rows in frames:
        time += seconds
        instances = [
            replace(detection([0, 0, 1, 1], class_id=class_id), box=np.array(box))
            for *box, class_id in rows
        ]
        estimates = tracker.update(instances, stamp(time, 1.0))
        ids = [track.id for track in estimates]
        assert ids == sorted(set(ids))
        assert all(
            np.isfinite(track.box).all() and np.isfinite(track.box_velocity).all()
            for track in estimates
        )
        states = tracker._tracks.boxes
        determinants = states.position_variance * states.velocity_variance - np.square(
            states.data[3]
        )
        assert (states.position_variance > 0).all()
        assert (determinants > 0).all()


def test_memory_does_not_grow_with_time(detection: Detection) -> None:
    """Objects arrive and leave for ever."""
    tracker, rng = DeepSort(TrackerConfig(gallery_size=5, max_age=5)), np.random.default_rng(0)
    sizes = []
    for frame in range(600):
        corners = 1000 * rng.random((3, 2))
        instances = [
            detection([*corner, *(corner + 50)], descriptor=rng.normal(size=8))
            for corner in corners
        ]
        instances.append(moving(detection, [(7 * frame) % 900, 2000], [0, 0], [1] * 8, 0.0))
        estimates = tracker.update(instances, stamp(frame))
        sizes.append((len(estimates), tracker._gallery.nbytes, len(tracker._history.frames)))
    assert max(size[0] for size in sizes) <= 20
    assert max(size[1] for size in sizes[100:]) == sizes[100][1]
    assert max(size[2] for size in sizes) <= 7
