# SPDX-License-Identifier: Apache-2.0
"""Which messages make one frame, and when."""

from __future__ import annotations

from perception_kit.ros.scene_join import SceneJoin

AWAITED = ("detections", "tracks")
SECOND = 10**9


def feed(join: SceneJoin, *messages: tuple[str, int]) -> list[dict[str, int]]:
    """The frames of these messages, each of which is its own stamp."""
    ready = [join.add(name, stamp, stamp, AWAITED) for name, stamp in messages]
    return [frame for frame in ready if frame is not None]


def test_a_frame_is_ready_when_all_is_there_whatever_the_order() -> None:
    names = ("tracks", "depth", "color", "detections")
    assert feed(SceneJoin(), *((name, 1) for name in names)) == [dict.fromkeys(names, 1)]


def test_images_that_no_node_worked_on_are_left_out() -> None:
    messages = [("color", 1), ("color", 2), ("detections", 2), ("color", 3)]
    messages += [("tracks", 2), ("detections", 3), ("tracks", 3)]
    frames = feed(SceneJoin(), *messages)
    assert [frame["color"] for frame in frames] == [2, 3]


def test_a_part_that_never_comes_is_waited_for_a_second() -> None:
    join = SceneJoin()
    assert feed(join, ("color", 1), ("detections", 1), ("color", SECOND)) == []
    assert feed(join, ("color", SECOND + 2)) == [{"color": 1, "detections": 1}]
    assert feed(join, ("tracks", 1)) == []


def test_nothing_is_kept_for_longer_than_a_second() -> None:
    join = SceneJoin()
    feed(join, *(("color", number * SECOND // 10) for number in range(100)))
    assert len(join._frames) <= 11


def test_a_bag_that_loops_starts_over() -> None:
    join = SceneJoin()
    for start in (100 * SECOND, SECOND):
        assert len(feed(join, ("color", start), ("detections", start), ("tracks", start))) == 1


def test_without_results_to_wait_for_every_image_is_ready() -> None:
    assert SceneJoin().add("color", 1, "picture", ()) == {"color": "picture"}
