# SPDX-License-Identifier: Apache-2.0
"""Frames become appearances: one tag each, with a stable id."""

from __future__ import annotations

import numpy as np

from video_search.sightings import Appearances, Sighting

S = 1_000_000_000


def bowl(x: float = 0.0, confidence: float = 0.5, track: int = -1) -> Sighting:
    box = np.array([x, 0, x + 100, 100], np.float32)
    return Sighting("object", "bowl", confidence, "test", box=box, track_id=track)


def test_what_stays_is_one_tag_with_its_best_frame() -> None:
    appearances = Appearances("a")
    for number, confidence in enumerate((0.5, 0.9, 0.7)):
        assert not appearances.update(number * S // 2, [bowl(10.0 * number, confidence)])
    (tag,) = appearances.finish()
    assert (tag.start_ns, tag.end_ns, tag.best_ns, tag.confidence) == (0, S, S // 2, 0.9)


def test_what_was_away_comes_back_as_another() -> None:
    appearances = Appearances("a")
    appearances.update(0, [bowl()])
    ended = appearances.update(5 * S, [bowl()])
    assert [tag.end_ns for tag in ended] == [0]
    assert [tag.start_ns for tag in appearances.finish()] == [5 * S]


def test_two_at_once_are_two() -> None:
    appearances = Appearances("a")
    for number in range(3):
        appearances.update(number * S // 4, [bowl(0), bowl(200)])
    tags = appearances.finish()
    assert len({tag.id for tag in tags}) == len(tags) == 2


def test_two_alike_may_come_in_any_order() -> None:
    appearances = Appearances("a")
    appearances.update(0, [bowl(0), bowl(200)])
    appearances.update(S // 4, [bowl(200), bowl(0)])
    assert [tag.end_ns for tag in appearances.finish()] == [S // 4, S // 4]


def test_a_track_is_one_however_it_moves() -> None:
    appearances = Appearances("a")
    for number in range(3):
        appearances.update(number * S // 4, [bowl(300.0 * number, track=7)])
    assert len(appearances.finish()) == 1


def test_the_id_stays_while_it_goes_on() -> None:
    appearances = Appearances("a")
    appearances.update(0, [bowl(0, 0.5), bowl(200, 0.4)])
    before = {tag.id for tag in appearances.going_on()}
    appearances.update(S // 2, [bowl(20, 0.4), bowl(220, 0.9)])
    assert {tag.id for tag in appearances.going_on()} == before
