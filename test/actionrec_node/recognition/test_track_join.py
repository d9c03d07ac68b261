# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actionrec_node.recognition.track_join import JoinedImage, TrackJoin
from perception_kit.types import TrackEstimate, TrackState

MS = 1_000_000


def _track(
    identity: int = 1,
    left: float = 10.0,
    state: TrackState = TrackState.CONFIRMED,
    name: str = "person",
) -> TrackEstimate:
    box, velocity = np.array([left, 20, left + 30, 80.0]), np.array([100.0, 0, 100, 0])
    return TrackEstimate(identity, 1, name, state, 0.9, 5, 5, 0.0, 0, box, velocity)


def _join(**settings: float) -> TrackJoin:
    """A join to which tracks have come in time once."""
    join = TrackJoin("person", **{"max_wait": 0.1, "max_age": 1.0} | settings)
    assert [image.people for image in join.add_image(0, "first")] == [None]
    join.add_tracks(0, [_track()])
    return join


def _lefts(images: list[JoinedImage]) -> list[tuple[object, list[float] | None]]:
    return [
        (image.message, image.people and [person.box[0] for person in image.people])
        for image in images
    ]


def test_an_image_waits_for_the_tracks_of_its_stamp() -> None:
    join = _join()
    assert join.add_image(66 * MS, "a") == []
    assert _lefts(join.add_tracks(66 * MS, [_track(left=17.0)])) == [("a", [17.0])]


def test_images_between_two_arrays_of_tracks_use_the_one_before_moved_to_their_time() -> None:
    join = _join()
    assert join.add_image(33 * MS, "a") == []
    assert join.add_image(66 * MS, "b") == []
    assert _lefts(join.add_tracks(66 * MS, [_track(left=17.0)])) == [
        ("a", [pytest.approx(13.3)]),
        ("b", [17.0]),
    ]


def test_late_tracks_hold_no_image_up_for_longer_than_the_limit() -> None:
    join = _join()

    def released_by(time: int) -> list[int]:
        return [image.message for image in join.add_image(time * MS, time)]

    assert [released_by(50), released_by(100)] == [[], []]
    assert released_by(150) == [], "150 is just 100 ms newer than 50"
    assert released_by(200) == [50, 100, 150, 200], "all go on: the tracks are late"
    assert released_by(250) == [250]
    assert join.late == 1

    assert join.add_tracks(100 * MS, [_track()]) == []
    assert released_by(300) == [300], "150 ms behind is still late"
    join.add_tracks(300 * MS, [_track(left=50.0)])
    assert join.add_image(350 * MS, 350) == [], "tracks come in time again"


def test_old_tracks_say_nothing_about_an_image() -> None:
    join = _join(max_age=0.5)
    assert join.add_image(600 * MS, "a") == []
    assert _lefts(join.add_image(701 * MS, "b")) == [("a", None), ("b", None)]


def test_only_known_people_count_and_lost_ones_stay_where_they_were() -> None:
    join = _join()
    join.add_tracks(
        50 * MS, [_track(1), _track(2, state=TrackState.TENTATIVE), _track(3, name="mug")]
    )
    tracks = [_track(1, left=90.0, state=TrackState.LOST), _track(4, left=60.0)]
    join.add_image(200 * MS, "a")
    (image,) = join.add_tracks(200 * MS, tracks)
    assert [(person.track_id, person.box[0]) for person in image.people] == [(1, 10.0), (4, 60.0)]


def test_nobody_in_view_is_not_the_same_as_no_tracks() -> None:
    join = _join()
    join.add_image(50 * MS, "a")
    assert [image.people for image in join.add_tracks(50 * MS, [])] == [[]]


def test_giving_up_lets_all_images_go_on_with_the_last_tracks() -> None:
    join = _join()
    assert not join.waiting
    join.add_image(50 * MS, "a")
    join.add_image(100 * MS, "b")
    assert join.waiting
    assert _lefts(join.give_up()) == [("a", [pytest.approx(15.0)]), ("b", [pytest.approx(20.0)])]
    assert (join.waiting, join.late) == (False, 1)
    assert [message for message, _ in _lefts(join.add_image(150 * MS, "c"))] == ["c"]


def test_reset_forgets_waiting_images_and_tracks() -> None:
    join = _join()
    join.add_image(50 * MS, "a")
    join.reset()
    assert _lefts(join.add_image(20 * MS, "b")) == [("b", None)]


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 120)), max_size=60))
def test_every_image_comes_out_once_in_order_and_none_waits_too_long(
    events: list[tuple[bool, int]],
) -> None:
    join, now, sent, received = TrackJoin("person", max_wait=0.1), 0, [], []
    tracks_ns = -1
    for is_image, step in events:
        now += step * MS
        if is_image:
            sent.append(now)
            received += [image.stamp_ns for image in join.add_image(now, None)]
        elif sent and sent[-1] > tracks_ns:
            tracks_ns = sent[-1]
            received += [image.stamp_ns for image in join.add_tracks(tracks_ns, [_track()])]
        assert received == sent[: len(received)]
        assert all(sent[-1] - stamp <= 100 * MS for stamp in sent[len(received) :])
