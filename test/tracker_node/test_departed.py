# SPDX-License-Identifier: Apache-2.0
"""What stands still keeps its identity over outages, and nothing else takes it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perception_kit.types import Instance, PoseEstimate, TrackEstimate, TrackState
from tracker_node.config import TrackerNodeConfig
from tracker_node.deep_sort import DeepSort

Detection = Callable[..., Instance]
Pose = Callable[..., PoseEstimate]

CONFIG = TrackerNodeConfig()
S = 10**9
START = 1_700_000_000 * S
MUG, OTHER_MUG, BOWL = [100.0, 100, 150, 160], [300.0, 100, 350, 160], [200.0, 200, 280, 240]
LOOKS = {"mug": [1.0, 0, 0], "bowl": [0, 1.0, 0]}


def scene(detection: Detection, boxes: Sequence[Sequence[float]] = (MUG, OTHER_MUG)) -> list:
    return [detection(box, descriptor=LOOKS["mug"]) for box in boxes]


def watch(
    tracker: DeepSort,
    instances: Sequence[Instance],
    start_s: float,
    poses: Sequence[PoseEstimate] = (),
    frames: int = 6,
    rate: float = 15.0,
) -> list[TrackEstimate]:
    """Tracks after some frames from ``start_s`` on; poses arrive after their frame."""
    for number in range(frames):
        stamp_ns = START + round((start_s + number / rate) * S)
        tracks = tracker.update(instances, stamp_ns)
        tracker.add_poses(stamp_ns, poses)
    return tracks


def ids_by_x(tracks: Sequence[TrackEstimate]) -> list[int]:
    """Ids of the confirmed tracks from left to right."""
    confirmed = [track for track in tracks if track.state == TrackState.CONFIRMED]
    return [track.id for track in sorted(confirmed, key=lambda track: track.box[0])]


@pytest.mark.parametrize("outage_s", [0.3, 2.0, 10.0, 50.0])
def test_look_alikes_keep_their_ids_over_an_outage(detection: Detection, outage_s: float) -> None:
    tracker = DeepSort(CONFIG)
    before = ids_by_x(watch(tracker, scene(detection), 0.0))
    after = watch(tracker, scene(detection), 0.4 + outage_s)
    assert before == ids_by_x(after) == [1, 2]
    assert [track.id for track in after] == [1, 2], "ascending, and no other"


def test_frames_in_which_nothing_is_seen_are_an_outage(detection: Detection) -> None:
    tracker = DeepSort(CONFIG)
    watch(tracker, scene(detection), 0.0)
    watch(tracker, [], 1.0, frames=60)
    assert ids_by_x(watch(tracker, scene(detection), 6.0)) == [1, 2]


def test_after_recall_s_an_object_is_a_new_one(detection: Detection) -> None:
    tracker = DeepSort(CONFIG)
    watch(tracker, scene(detection), 0.0)
    assert ids_by_x(watch(tracker, scene(detection), 62.0)) == [3, 4]


def test_as_published_nothing_is_recalled(detection: Detection) -> None:
    tracker = DeepSort(replace(CONFIG, recall_s=0.0))
    watch(tracker, scene(detection), 0.0)
    assert ids_by_x(watch(tracker, scene(detection), 10.0)) == [3, 4]


def test_positions_in_space_decide_where_the_camera_has_moved(
    detection: Detection, pose: Pose
) -> None:
    """The images of the two have changed places: the camera turned, and the frame is fixed."""
    tracker = DeepSort(replace(CONFIG, fixed_frame="odom"))
    left, right = [0.0, 0, 1], [0.3, 0, 1]
    camera = np.eye(4)

    def look(start_s: float, positions: Sequence[Sequence[float]]) -> list[TrackEstimate]:
        poses = [pose(index, position) for index, position in enumerate(positions)]
        for number in range(6):
            stamp_ns = START + round((start_s + number / 15) * S)
            tracks = tracker.update(scene(detection), stamp_ns, poses, camera)
        return tracks

    assert ids_by_x(look(0.0, [left, right])) == [1, 2]
    assert ids_by_x(look(5.0, [right, left])) == [2, 1]


def test_the_last_looks_of_what_leaves_the_view_are_not_all_that_is_known(
    detection: Detection,
) -> None:
    tracker = DeepSort(CONFIG)
    whole, cut_off = (detection(MUG, descriptor=LOOKS[name]) for name in ("mug", "bowl"))
    watch(tracker, [whole], 0.0, frames=30)
    assert ids_by_x(watch(tracker, [cut_off], 2.0, frames=15)) == [1], "by its overlap"
    assert ids_by_x(watch(tracker, [whole], 10.0)) == [1]


@pytest.mark.parametrize(
    ("box", "look", "class_id"),
    [(BOWL, "mug", 1), (MUG, "bowl", 1), (MUG, "mug", 2)],
    ids=["elsewhere", "other appearance", "other class"],
)
def test_another_thing_gets_a_new_id(
    detection: Detection, box: Sequence[float], look: str, class_id: int
) -> None:
    tracker = DeepSort(CONFIG)
    watch(tracker, scene(detection, [MUG]), 0.0)
    other = detection(box, class_id, descriptor=LOOKS[look])
    assert ids_by_x(watch(tracker, [other], 8.0)) == [2]


def test_a_slow_machine_keeps_a_track_for_some_frames(detection: Detection) -> None:
    tracker = DeepSort(replace(CONFIG, recall_s=0.0))
    watch(tracker, scene(detection, [MUG]), 0.0, rate=4.0)
    assert watch(tracker, [], 1.5, frames=5, rate=4.0)[0].state == TrackState.LOST
    assert watch(tracker, [], 2.75, frames=8, rate=4.0) == []


def test_a_new_tracker_goes_on_from_the_state_of_the_last(detection: Detection) -> None:
    tracker = DeepSort(CONFIG)
    watch(tracker, scene(detection), 0.0)
    state = json.loads(json.dumps(tracker.state()))

    restarted = DeepSort(CONFIG)
    assert restarted.restore(state) == 2
    new = detection(BOWL, descriptor=LOOKS["bowl"])
    tracks = watch(restarted, [*scene(detection), new], 6.0)
    assert ids_by_x(tracks) == [1, 5, 2], "3 and 4 were the first names of those who came back"


SIZE, STD = np.array([0.08, 0.08, 0.1]), np.array([0.004, 0.004, 0.005])


def sized(pose: Pose, size: np.ndarray, std: np.ndarray = STD) -> PoseEstimate:
    return replace(pose(0, [0.0, 0, 1]), size=size, size_std=std)


def test_what_comes_back_has_the_size_that_it_had(detection: Detection, pose: Pose) -> None:
    tracker = DeepSort(CONFIG)
    (mug,) = scene(detection, [MUG])
    (before,) = watch(tracker, [mug], 0.0, [sized(pose, SIZE)], frames=8)
    (back,) = watch(tracker, [mug], 20.0)
    assert back.id == before.id == 1
    np.testing.assert_allclose(back.size, SIZE)
    assert before.size_std is not None
    assert back.size_std is not None
    assert (back.size_std <= before.size_std).all(), "the last pose came after the frame"
    assert (before.size_std < STD).all()


def test_a_size_seen_anew_is_fused_with_the_earlier_one_once(
    detection: Detection, pose: Pose
) -> None:
    tracker = DeepSort(replace(CONFIG, n_init=1))
    (mug,) = scene(detection, [MUG])
    tracker.update([mug], START, [sized(pose, SIZE)])
    tracker.update([mug], START + S // 15)
    tracker.update([mug], START + 20 * S)
    tracker.add_poses(START + 20 * S, [sized(pose, 1.1 * SIZE)])
    for frame in range(3):
        (back,) = tracker.update([mug], START + (21 + frame) * S)
    assert back.id == 1
    np.testing.assert_allclose(back.size, 1.05 * SIZE)
    np.testing.assert_allclose(back.size_std, STD / np.sqrt(2))


def test_a_new_thing_does_not_inherit_a_size(detection: Detection, pose: Pose) -> None:
    tracker = DeepSort(CONFIG)
    watch(tracker, scene(detection, [MUG]), 0.0, [sized(pose, SIZE)])
    (other,) = watch(tracker, [detection(BOWL, descriptor=LOOKS["bowl"])], 8.0)
    assert other.size is None


def test_a_new_tracker_knows_the_sizes_of_the_last(detection: Detection, pose: Pose) -> None:
    tracker = DeepSort(CONFIG)
    (mug,) = scene(detection, [MUG])
    (before,) = watch(tracker, [mug], 0.0, [sized(pose, SIZE)], frames=8)
    state = json.loads(json.dumps(tracker.state()))

    restarted = DeepSort(CONFIG)
    restarted.restore(state)
    assert restarted.state()["tracks"] == state["tracks"]
    (back,) = watch(restarted, [mug], 6.0)
    assert back.id == 1
    np.testing.assert_allclose(back.size, SIZE)
    np.testing.assert_allclose(back.size_std, before.size_std)


def test_a_state_of_earlier_versions_has_no_sizes(detection: Detection) -> None:
    tracker = DeepSort(CONFIG)
    watch(tracker, scene(detection), 0.0)
    state = tracker.state()
    for track in state["tracks"]:
        del track["size"], track["size_std"]
    restarted = DeepSort(CONFIG)
    assert restarted.restore(state) == 2
    assert [track.size for track in watch(restarted, scene(detection), 6.0)] == [None, None]


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(st.dictionaries(st.sampled_from(["next_id", "tracks", "x"]), json_values))
def test_anything_else_is_refused_as_a_state(state: dict) -> None:
    try:
        DeepSort(CONFIG).restore(state)
    except ValueError:
        return
    assert isinstance(state["tracks"], list | dict | str)


@given(
    field=st.sampled_from(["id", "box", "position", "descriptors", "seen_ns", "size", "size_std"]),
    value=json_values,
)
def test_a_damaged_track_in_a_state_is_refused(field: str, value: object) -> None:
    track = {
        "id": 1,
        "class_id": 1,
        "class_name": "mug",
        "seen_ns": 5,
        "box": [0.0, 0, 1, 1],
        "position": None,
        "descriptors": [],
        "size": [0.1, 0.1, 0.1],
        "size_std": [0.0, 0.0, 0.01],
    }
    tracker = DeepSort(CONFIG)
    assert tracker.restore({"next_id": 2, "tracks": [track]}) == 1
    try:
        tracker.restore({"next_id": 2, "tracks": [track | {field: value}]})
    except ValueError:
        return
    (known,) = tracker.state()["tracks"][-1:]
    assert np.isfinite(known["box"]).all()
    assert np.isfinite([known["size"], known["size_std"]]).all()


@pytest.mark.parametrize(
    "damage",
    [
        {"size": None},
        {"size_std": None},
        {"size": [0.1, 0.0, 0.1]},
        {"size_std": [0.1, -0.1, 0.1]},
        {"size": [0.1, 0.1]},
        {"size": [float("nan")] * 3},
    ],
)
def test_a_size_that_no_object_has_is_refused(
    detection: Detection, pose: Pose, damage: dict
) -> None:
    tracker = DeepSort(CONFIG)
    watch(tracker, scene(detection, [MUG]), 0.0, [sized(pose, SIZE)])
    state = tracker.state()
    state["tracks"][0] |= damage
    with pytest.raises(ValueError, match="no state of a tracker"):
        DeepSort(CONFIG).restore(state)
