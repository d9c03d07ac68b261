# SPDX-License-Identifier: Apache-2.0
"""What several cameras see keeps one identity, also from one view to the next."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perception_kit.fusion.camera_tracks import CameraTrack, camera_tracks
from perception_kit.fusion.config import FusionConfig
from perception_kit.fusion.position_filter import PositionFilter
from perception_kit.fusion.track_fusion import FusedTrack, TrackFusion
from perception_kit.types import Instance, Intrinsics, TrackEstimate, TrackState

FRAME_NS = 66_666_667


def cup(track_id: int, x: float | None, y: float = 0.0, matched: bool = True) -> CameraTrack:
    """A cup with a pose."""
    position = None if x is None else np.array([x, y, 0.5])
    return CameraTrack(
        track_id, 1, "cup", 0.9, matched, position, 0.01, is_posed=position is not None
    )


def person(track_id: int, x: float, y: float = 0.0) -> CameraTrack:
    """A person, who has no pose."""
    return CameraTrack(track_id, 9, "person", 0.9, True, np.array([x, y, 1.0]), 0.15)


def ids(fused: list[FusedTrack], camera: str) -> dict[int, int]:
    """Identity by track of a camera."""
    return {track.tracks[camera]: track.id for track in fused if camera in track.tracks}


class Views:
    """Gives frames of cameras to a fusion, each later than the one before."""

    def __init__(self, config: FusionConfig | None = None) -> None:
        self.fusion = TrackFusion(config)
        self.stamp_ns = 10**15

    def see(self, camera: str, *tracks: CameraTrack, frames: int = 1) -> dict[int, int]:
        for _ in range(frames):
            self.stamp_ns += FRAME_NS
            self.fused = self.fusion.update(camera, self.stamp_ns, tracks)
        return ids(self.fused, camera)

    def wait(self, seconds: float) -> None:
        self.stamp_ns += round(seconds * 1e9)


@st.composite
def scenes(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, int]:
    """Places (N, 2) of cups at least 0.2 m apart, who sees which when (T, 2, N), and a seed."""
    count = draw(st.integers(1, 5))
    cells = draw(st.lists(st.integers(0, 24), min_size=count, max_size=count, unique=True))
    places = np.array([divmod(cell, 5) for cell in cells]) * 0.2
    visible = draw(
        st.lists(
            st.lists(st.booleans(), min_size=2 * count, max_size=2 * count), min_size=1, max_size=8
        )
    )
    return places, np.array(visible).reshape(-1, 2, count), draw(st.integers(0, 2**32 - 1))


@settings(deadline=None, max_examples=60)
@given(scenes())
def test_each_thing_has_one_identity_whoever_sees_it(
    scene: tuple[np.ndarray, np.ndarray, int],
) -> None:
    places, visible, seed = scene
    rng, views = np.random.default_rng(seed), Views()
    numbers = [{}, {}]  # of the tracks that each tracker follows now
    next_id, owner = 1, {}
    for seen in visible:
        for _ in range(10):
            for camera in (0, 1):
                tracks = []
                for thing in range(len(places)):
                    if not seen[camera, thing]:
                        numbers[camera].pop(thing, None)  # the tracker starts anew
                        continue
                    if thing not in numbers[camera]:
                        numbers[camera][thing], next_id = next_id, next_id + 1
                    x, y = places[thing] + rng.uniform(-0.015, 0.015, 2)
                    tracks.append(cup(numbers[camera][thing], x, y))
                found = views.see(["left", "right"][camera], *tracks)
                for thing, number in numbers[camera].items():
                    if number not in found:
                        continue  # it may be one that is known already
                    assert owner.setdefault(found[number], thing) == thing
        assert len(found) == len(tracks)
    assert sorted(owner.values()) == sorted(set(owner.values())), "one identity for each thing"


@settings(deadline=None, max_examples=40)
@given(
    st.floats(0.3, 3.0), st.floats(0.0, 1.0), st.floats(-np.pi, np.pi), st.integers(0, 2**32 - 1)
)
def test_a_person_keeps_the_identity_from_one_view_to_the_next(
    speed: float, gap_s: float, direction: float, seed: int
) -> None:
    rng, views = np.random.default_rng(seed), Views()
    step = speed * FRAME_NS * 1e-9 * np.array([np.cos(direction), np.sin(direction)])
    place = np.zeros(2)
    for _ in range(30):
        place = place + step
        before = views.see("left", person(4, *(place + rng.uniform(-0.1, 0.1, 2))))
    views.wait(gap_s)
    place = place + step * (gap_s * 1e9 / FRAME_NS + 1)
    after = views.see("right", person(1, *place))
    assert list(after.values()) == list(before.values())


def test_a_first_pose_that_is_wrong_makes_no_other_identity() -> None:
    views = Views()
    (left,) = views.see("left", cup(1, 0.0), frames=3).values()
    assert views.see("right", cup(1, 0.25), frames=3) == {}, "cut off by the border of the view"
    assert views.see("right", cup(1, 0.02)) == {1: left}


def test_what_leaves_all_views_is_known_again_until_it_is_forgotten() -> None:
    views = Views(FusionConfig(keep_s=30.0))
    (first,) = views.see("left", cup(1, 0.3), frames=3).values()
    views.see("left")
    views.wait(25.0)
    assert views.see("right", cup(8, 0.32)) == {8: first}
    views.see("right")
    views.wait(31.0)
    views.see("right")
    assert views.see("right", cup(9, 0.32)) == {9: first + 1}


def test_one_camera_goes_on_when_the_other_is_gone() -> None:
    views = Views()
    views.see("left", cup(1, 0.0), cup(2, 0.4))
    before = views.see("right", cup(1, 0.0), cup(2, 0.4))
    for _ in range(200):
        assert views.see("right", cup(1, 0.0), cup(2, 0.4)) == before
    assert len(views.fused) == 2


def test_without_a_place_a_camera_has_identities_of_its_own() -> None:
    views = Views()
    (left,) = views.see("left", cup(1, 0.0), frames=3).values()
    assert views.see("right", cup(1, None)) == {}, "its place may still come"
    own = views.see("right", cup(1, None), frames=17)
    assert own == {1: left + 1}
    assert [track.position is None for track in views.fused] == [False, True]

    # TF is there now.
    assert views.see("right", cup(1, 0.01)) == {1: left}
    assert [track.tracks for track in views.fused] == [{"left": 1, "right": 1}]


def test_two_identities_that_turn_out_to_be_one_are_joined() -> None:
    views = Views()
    (left,) = views.see("left", cup(1, 0.0), frames=3).values()
    found = views.see("right", cup(1, 0.3), frames=17)
    assert found == {1: left + 1}, "its first poses are wrong"
    for _ in range(20):
        views.see("left", cup(1, 0.0))
        found = views.see("right", cup(1, 0.01))
    assert found == {1: left}
    assert len(views.fused) == 1


def test_a_tracker_that_swaps_its_tracks_is_noticed() -> None:
    views = Views()
    for _ in range(3):
        left = views.see("left", cup(1, 0.0), cup(2, 0.5))
        views.see("right", cup(1, 0.0), cup(2, 0.5))
    for _ in range(8):
        assert views.see("left", cup(1, 0.0), cup(2, 0.5)) == left
        swapped = views.see("right", cup(2, 0.0), cup(1, 0.5))
    assert swapped == {2: left[1], 1: left[2]}


def test_a_new_track_takes_over_from_one_that_is_lost() -> None:
    views = Views()
    (identity,) = views.see("left", cup(1, 0.0), frames=3).values()
    after = views.see("left", cup(1, 0.0, matched=False), cup(5, 0.02))
    assert after == {5: identity}


def test_other_classes_and_other_looks_are_others() -> None:
    views, look = Views(), np.eye(4, dtype=np.float32)
    views.see("left", replace(cup(1, 0.0), descriptor=look[0]), frames=3)
    found = views.see(
        "right",
        replace(cup(1, 0.0), descriptor=look[1]),
        replace(cup(2, 0.01), class_name="can", class_id=2),
        replace(cup(3, 0.02), descriptor=look[0]),
    )
    assert found == {1: 2, 2: 3, 3: 1}


def test_what_is_merely_visible_of_an_object_is_no_place() -> None:
    views = Views()
    views.see("left", cup(1, 0.0), frames=3)
    views.see("left", cup(1, 0.0))
    visible = CameraTrack(7, 1, "cup", 0.9, True, np.array([0.3, 0.0, 0.5]), 0.15)
    assert views.see("right", visible, frames=5) == {}, "0.3 m is near for a person only"
    assert views.see("right", cup(7, 0.3), frames=17) == {7: 2}


def test_identities_seen_by_two_cameras_are_counted() -> None:
    views = Views()
    views.see("left", cup(1, 0.0), cup(2, 0.5))
    views.see("right", cup(1, 0.0))
    assert views.fusion.shared_by(["left", "right"]) == 1


def test_a_place_that_is_not_measured_any_more_comes_to_rest() -> None:
    motion = PositionFilter(np.zeros(3), 0.1, 1.0, 0)
    for number in range(1, 60):
        motion.update(np.array([number / 30, 0.0, 0.0]), 0.1, round(number * 1e9 / 30))
    assert motion.velocity[0] == pytest.approx(1.0, abs=0.15)
    soon, late = (motion.position_at(round((59 / 30 + wait) * 1e9))[0] for wait in (0.2, 60.0))
    assert soon == pytest.approx(59 / 30 + 0.2, abs=0.1)
    assert late < 59 / 30 + 1.3
    assert motion.position_at(0)[0] == motion.position[0], "a camera that is behind"


def track(detection: int = 0, **fields: object) -> TrackEstimate:
    """A confirmed track of a camera."""
    estimate = TrackEstimate(
        3, 9, "person", TrackState.CONFIRMED, 0.8, 5, 5, 0.0, detection, np.zeros(4), np.zeros(4)
    )
    return replace(estimate, **fields)


def test_people_are_where_their_depth_is_in_the_common_frame() -> None:
    camera = Intrinsics(100, 100, 50, 40, 100, 80)
    depth = np.full((80, 100), 2.0, np.float32)
    box = np.array([70, 40, 71, 41], np.float32)
    instance = Instance(9, "person", 0.8, box, np.ones((1, 1), bool), (70, 40))
    pose = np.array([[0, 0, 1, 5], [-1, 0, 0, 6], [0, -1, 0, 7], [0, 0, 0, 1]], float)
    (seen,) = camera_tracks([track()], [instance], depth, camera, pose, (100, 80))
    np.testing.assert_allclose(seen.position, [7, 5.6, 7], atol=1e-9)
    assert (seen.is_posed, seen.rotation) == (False, None)

    # Without depth, or without TF, only the place is unknown.
    for missing in ((None, camera, pose), (depth, None, pose), (depth, camera, None)):
        (seen,) = camera_tracks([track()], [instance], *missing, (100, 80))
        assert (seen.position, seen.is_matched) == (None, True)


def test_objects_are_where_their_poses_are_in_the_common_frame() -> None:
    pose = np.array([[0, 0, 1, 5], [-1, 0, 0, 6], [0, -1, 0, 7], [0, 0, 0, 1]], float)
    posed = track(
        -1,
        box=np.array([40.0, 20, 60, 50]),
        state=TrackState.LOST,
        position=np.array([0.0, 0, 2]),
        position_covariance=np.eye(3) * 0.0003,
        rotation=np.eye(3),
    )
    tentative = track(state=TrackState.TENTATIVE)
    (seen,) = camera_tracks([tentative, posed], [], None, None, pose, (100, 80))
    np.testing.assert_allclose(seen.position, [7, 6, 7])
    np.testing.assert_allclose(seen.rotation, pose[:3, :3])
    assert seen.deviation == pytest.approx(0.02)
    assert (seen.is_posed, seen.is_matched) == (True, False)


def test_the_pose_of_what_the_border_cuts_off_counts_less() -> None:
    seen = [
        camera_tracks(
            [
                track(
                    -1,
                    box=np.array(box, float),
                    position=np.zeros(3),
                    position_covariance=np.eye(3) * 1e-6,
                )
            ],
            [],
            None,
            None,
            np.eye(4),
            (100, 80),
        )[0].deviation
        for box in ([40, 20, 60, 50], [0, 20, 20, 50], [80, 20, 99, 50], [40, 55, 60, 79])
    ]
    assert seen[0] < 0.02
    assert min(seen[1:]) > 0.09
