# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from perception_kit.synth.gait import RUN_STANCE, GaitStyle
from perception_kit.synth.motion import ACTIONS, ActionScript
from perception_kit.synth.motion_fall import FALL_KINDS, sample_fall
from perception_kit.synth.motion_keyframes import STAND, KeyframedMotion, mirrored, posture
from perception_kit.synth.motion_postures import PRONE, SUPINE
from perception_kit.synth.motion_settle import settle_on_floor
from perception_kit.synth.person_skeleton import CHANNEL_INDEX, CHANNELS, JOINT_INDEX, Skeleton

WIDE = ((-50.0, 50.0), (-50.0, 50.0))


def script(segments: list[tuple[str, float]], seed: int = 0, **options: object) -> ActionScript:
    return ActionScript(np.random.default_rng(seed), segments, **options)


def labels(made: ActionScript) -> list[str]:
    return [label for _, _, label in made.segments]


def traveled(made: ActionScript, start: float, end: float) -> float:
    """Metres along the way between two times."""
    points = np.array([made.at(t)[0].position for t in np.arange(start, end, 0.05)])
    return float(np.linalg.norm(np.diff(points, axis=0), axis=1).sum())


@pytest.mark.parametrize(("action", "low", "high"), [("walking", 0.6, 1.7), ("running", 1.9, 4.2)])
def test_speeds_are_those_of_people(action: str, low: float, high: float):
    speeds = [
        traveled(script([(action, 4.0)], seed, bounds=WIDE), 1.0, 4.0) / 3.0 for seed in range(6)
    ]
    assert low < min(speeds)
    assert max(speeds) < high


def test_running_has_a_flight_phase_and_walking_none():
    phase = np.linspace(0, 1, 200)
    clearance = CHANNEL_INDEX["clearance"]
    walk = GaitStyle.sample(np.random.default_rng(0), running=False).poses(phase)
    run = GaitStyle.sample(np.random.default_rng(0), running=True).poses(phase)
    assert (walk[:, clearance] == 0).all()
    assert (run[:, clearance] > 0).mean() == pytest.approx(1 - 2 * RUN_STANCE, abs=0.03)


def test_gait_repeats_and_its_sides_are_half_a_cycle_apart():
    style = GaitStyle.sample(np.random.default_rng(1), running=False)
    np.testing.assert_allclose(
        style.poses(np.array([0.2])), style.poses(np.array([3.2])), atol=1e-9
    )
    np.testing.assert_allclose(
        style.poses(np.array([0.2])), mirrored(style.poses(np.array([0.7]))), atol=1e-9
    )


@given(st.integers(0, 1000))
@settings(max_examples=10, deadline=None)
def test_movement_is_continuous(seed: int):
    gaits = [("walking", 1.5), ("running", 1.5)]
    made = script([*gaits, ("falling", 2.5), ("walking", 1.0), ("other", 2.0)], seed)
    times = np.arange(0, made.duration, 1 / 60)
    poses = [made.at(t)[0] for t in times]
    positions = np.array([pose.position for pose in poses])
    channels = np.array([pose.channels for pose in poses])
    assert np.linalg.norm(np.diff(positions, axis=0), axis=1).max() < 7.0 / 60
    assert np.abs(np.diff(channels, axis=0)).max() < np.deg2rad(1800) / 60


@pytest.mark.parametrize(("running", "fraction"), [(False, 0.25), (True, 0.2)])
def test_stance_feet_hardly_slide(running: bool, fraction: float):
    made = script([("running" if running else "walking", 3.0)], 2, bounds=WIDE)
    poses = [made.at(t)[0] for t in np.arange(0.5, 2.9, 1 / 60)]

    # Contact points (T, P, 2) in the world.
    channels = np.array([pose.channels for pose in poses])
    points = Skeleton().contact_points(channels)
    turns = Rotation.from_euler("z", [[pose.heading] for pose in poses]).as_matrix()
    positions = np.array([pose.position for pose in poses])
    world = np.einsum("tij,tpj->tpi", turns, points)[..., :2] + positions[:, None]

    # Speed of the lowest of them, m/s.
    lowest = points[1:, :, 2].argmin(axis=1)
    slide = np.linalg.norm(np.diff(world, axis=0), axis=2)[np.arange(len(lowest)), lowest] * 60
    grounded = channels[1:, CHANNEL_INDEX["clearance"]] == 0
    assert np.median(slide[grounded]) < fraction * traveled(made, 0.5, 2.9) / 2.4


@pytest.mark.parametrize("half", [2.0, 3.0])
def test_people_turn_before_the_bounds(half: float):
    made = script([("running", 4.0), ("walking", 4.0)], 4, bounds=((-half, half), (-half, half)))
    points = np.array([made.at(t)[0].position for t in np.arange(0, made.duration, 0.1)])
    assert np.abs(points).max() < half + 0.3


@pytest.mark.parametrize("kind", FALL_KINDS)
def test_falls_end_low_and_take_about_a_second(kind: str):
    fall = sample_fall(np.random.default_rng(5), posture(STAND), kind)
    assert 0.6 < fall.duration < 1.6

    skeleton = Skeleton()
    channels = fall.motion(np.array([0.0, 0.25 * fall.duration, fall.duration]))
    lowest = skeleton.contact_points(channels)[..., 2].min(axis=1)
    heads = skeleton.forward_kinematics(channels)[1][:, JOINT_INDEX["head"], 2] - lowest
    assert heads[0] == pytest.approx(0.865 * skeleton.height, abs=0.05)
    assert heads[1] > 0.8 * heads[0], "a falling body starts slowly"
    assert heads[2] < 0.45


def test_unknown_kind_of_fall_is_refused():
    with pytest.raises(KeyError, match="upwards"):
        sample_fall(np.random.default_rng(0), posture(STAND), "upwards")


def test_fall_is_followed_by_lying_and_getting_up():
    made = script([("walking", 2.0), ("falling", 3.0), ("walking", 2.0)])
    assert labels(made) == ["walking", "falling", "lying", "other", "walking"]


def test_lying_down_on_purpose_is_no_fall():
    assert labels(script([("standing", 2.0), ("lying", 2.0)])) == ["standing", "other", "lying"]


def test_sitting_down_and_standing_up_are_no_sitting():
    made = script([("standing", 1.0), ("sitting", 3.0), ("walking", 1.0)], seats=True)
    assert labels(made) == ["standing", "other", "sitting", "other", "walking"]
    (seat,) = made.seats
    sits, rises, _ = made.segments[2]
    assert (seat.time, seat.until) == (sits, rises)
    assert rises - sits == pytest.approx(3.0)
    fallen = script([("sitting", 3.0), ("falling", 2.0)], seats=True)
    assert labels(fallen) == ["other", "sitting", "falling", "lying"]
    with pytest.raises(ValueError, match="with seats only"):
        script([("sitting", 3.0)])


def test_everyday_movements_have_standing_between_them():
    assert set(labels(script([("other", 20.0)]))) == {"other", "standing"}


def test_intervals_cover_the_script_and_agree_with_the_poses():
    made = script([("running", 2.0), ("falling", 2.0), ("other", 3.0)])
    for (_, end, _), (start, _, _) in zip(made.segments[:-1], made.segments[1:], strict=True):
        assert end == start
    assert made.segments[-1][1] == pytest.approx(made.duration, abs=0.02)
    for start, end, label in made.segments:
        assert made.at((start + end) / 2)[1] == label


@given(st.sampled_from(ACTIONS), st.integers(0, 1000))
@settings(max_examples=15, deadline=None)
def test_same_seed_same_movement(action: str, seed: int):
    first, second = (script([(action, 1.5)], seed, seats=True) for _ in range(2))
    np.testing.assert_array_equal(first.at(0.7)[0].channels, second.at(0.7)[0].channels)
    np.testing.assert_array_equal(first.at(0.7)[0].position, second.at(0.7)[0].position)


def test_start_is_where_it_was_asked():
    pose, _ = script([("walking", 1.0)], start=(0.5, -0.25, 1.0)).at(0.0)
    np.testing.assert_allclose(pose.position, [0.5, -0.25])
    assert pose.heading == 1.0


def test_seats_are_reported_at_sitting_height_and_only_when_asked_for():
    seats = [
        seat for seed in range(12) for seat in script([("other", 6.0)], seed, seats=True).seats
    ]
    assert seats
    assert all(0.3 < seat.height < 0.6 for seat in seats)
    assert not script([("other", 6.0)], 1).seats


@pytest.mark.parametrize(
    ("segments", "message"), [([("flying", 1.0)], "flying"), ([], "no segment")]
)
def test_bad_scripts_are_refused(segments: list[tuple[str, float]], message: str):
    with pytest.raises(ValueError, match=message):
        script(segments)


@pytest.mark.parametrize("lying", [SUPINE, PRONE])
def test_settled_bodies_lie_on_the_floor(lying: dict[str, float]):
    raised = posture(
        lying, {"elbow": 60, "shoulder_flex": 40 if lying is PRONE else -40, "shoulder_rotate": 0}
    )
    skeleton = Skeleton()

    def hover(channels: np.ndarray) -> float:
        heights = skeleton.contact_points(channels[None])[0, :, 2]
        return float(heights[:3].mean() - heights.min())

    settled = settle_on_floor(raised)
    assert hover(settled) < 0.6 * hover(raised)
    assert settled[CHANNEL_INDEX["left_elbow"]] >= 0


@given(st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_mirroring_twice_changes_nothing(seed: int):
    channels = np.random.default_rng(seed).normal(size=(2, len(CHANNELS)))
    np.testing.assert_array_equal(mirrored(mirrored(channels)), channels)


def test_keyframes_are_met_and_held():
    poses = [posture(STAND), posture(SUPINE), posture(PRONE)]
    motion = KeyframedMotion([0.0, 1.0, 2.0], poses)
    np.testing.assert_allclose(
        motion(np.array([-1.0, 0.0, 1.0, 2.0, 5.0])), [poses[0], *poses, poses[2]]
    )


def test_unknown_channel_is_refused():
    with pytest.raises(KeyError, match="wing"):
        posture({"wing": 10})
