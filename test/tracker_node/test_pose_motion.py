# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
from filterpy.kalman import KalmanFilter
from filterpy_oracle import constant_velocity_filter
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from tracker_node.config import TrackerConfig
from tracker_node.pose_motion import PoseStates, velocity_process_std

CONFIG = TrackerConfig()
RATE = CONFIG.nominal_frame_rate


def single(
    position: np.ndarray, rotation: np.ndarray, config: TrackerConfig = CONFIG
) -> PoseStates:
    return PoseStates.start(position[None], rotation[None], config)


def oracle(position: np.ndarray) -> KalmanFilter:
    """The filter of a 3D position of one track in filterpy."""
    return constant_velocity_filter(
        position,
        initial_std=(CONFIG.pose_noise, CONFIG.initial_velocity_noise / RATE),
        process_std=(CONFIG.position_process_noise, CONFIG.velocity_process_noise / RATE),
        measurement_std=CONFIG.pose_noise,
    )


@given(
    st.lists(st.tuples(st.integers(1, 4), st.booleans()), min_size=1, max_size=12),
    st.integers(0, 2**31),
)
@settings(max_examples=30, deadline=None)
def test_position_filter_equals_filterpy(frames: list[tuple[int, bool]], seed: int) -> None:
    """Frames are (steps since the last one, whether measured)."""
    rng = np.random.default_rng(seed)
    position = rng.normal(size=3)
    states, reference = single(position, np.eye(3)), oracle(position)
    for steps, is_measured in frames:
        states.predict(np.array([[float(steps)]]), CONFIG)
        for _ in range(steps):
            reference.predict()
        if is_measured:
            measured = position + rng.normal(scale=0.05, size=3)
            innovation = measured[:, None] - reference.x[:3]
            covariance = reference.P[:3, :3] + reference.R
            expected = (innovation.T @ np.linalg.inv(covariance) @ innovation).item()
            distance = states.squared_distance(np.array([0]), measured[None], CONFIG)
            assert distance[0] == pytest.approx(expected)
            states.correct(measured[None], np.eye(3)[None], CONFIG)
            reference.update(measured[:, None])
    np.testing.assert_allclose(states.positions.position[0], reference.x[:3, 0], atol=1e-9)
    np.testing.assert_allclose(states.positions.velocity[0], reference.x[3:, 0], atol=1e-9)
    np.testing.assert_allclose(states.positions.covariance()[0], reference.P, rtol=1e-8, atol=1e-14)


@given(st.floats(1e-6, 100.0), st.floats(0.1, 1000.0))
def test_velocity_noise_is_the_gain_of_a_nominal_frame(gain: float, frame_rate: float) -> None:
    std_per_second = velocity_process_std(gain, frame_rate) * frame_rate
    assert std_per_second == pytest.approx(gain, rel=1e-14)


rotation_vectors = st.tuples(*[st.floats(-1.7, 1.7)] * 3).map(np.array)


@given(rotation_vectors, rotation_vectors, rotation_vectors)
@settings(max_examples=40, deadline=None)
def test_filter_commutes_with_a_turn_of_the_reference_frame(
    start: np.ndarray, turn: np.ndarray, frame: np.ndarray
) -> None:
    """The estimate, seen from another frame, is the estimate of what is seen from there."""
    other = Rotation.from_rotvec(frame)

    def run(into: Rotation) -> tuple[np.ndarray, np.ndarray]:
        states = single(np.zeros(3), (into * Rotation.from_rotvec(start)).as_matrix())
        for k in range(1, 5):
            states.predict(np.ones((1, 1)), CONFIG)
            measured = Rotation.from_rotvec(0.05 * k * turn) * Rotation.from_rotvec(start)
            states.correct(np.zeros((1, 3)), (into * measured).as_matrix()[None], CONFIG)
        return states.rotations[0], states.turns.velocity[0]

    rotation, velocity = run(Rotation.identity())
    seen_rotation, seen_velocity = run(other)
    np.testing.assert_allclose(seen_rotation, other.as_matrix() @ rotation, atol=1e-9)
    np.testing.assert_allclose(seen_velocity, other.apply(velocity), atol=1e-9)


@given(rotation_vectors, rotation_vectors)
@settings(max_examples=20, deadline=None)
def test_angular_velocity_is_learned_in_radians(start: np.ndarray, velocity: np.ndarray) -> None:
    states = single(np.zeros(3), Rotation.from_rotvec(start).as_matrix())
    for k in range(1, 91):
        states.predict(np.ones((1, 1)), CONFIG)
        ground_truth = Rotation.from_rotvec(velocity * k / RATE) * Rotation.from_rotvec(start)
        states.correct(np.zeros((1, 3)), ground_truth.as_matrix()[None], CONFIG)
    np.testing.assert_allclose(states.turns.velocity[0] * RATE, velocity, atol=0.05)
    assert (ground_truth * Rotation.from_matrix(states.rotations[0]).inv()).magnitude() < 0.01


def test_orientation_noise_is_smoothed() -> None:
    rng = np.random.default_rng(0)
    states, errors = single(np.zeros(3), np.eye(3)), []
    for _ in range(200):
        states.predict(np.ones((1, 1)), CONFIG)
        measured = Rotation.from_rotvec(rng.normal(scale=CONFIG.rotation_noise, size=3))
        states.correct(np.zeros((1, 3)), measured.as_matrix()[None], CONFIG)
        errors.append((measured.magnitude(), Rotation.from_matrix(states.rotations[0]).magnitude()))
    measured_error, filtered_error = np.mean(errors[50:], axis=0)
    assert filtered_error < 0.6 * measured_error


def test_half_a_turn_and_more_goes_on_in_the_same_direction() -> None:
    """Angles beyond 180 degrees do not wrap: 1.5 turns in 3 s about z."""
    states = single(np.zeros(3), np.eye(3))
    for k in range(1, 91):
        states.predict(np.ones((1, 1)), CONFIG)
        measured = Rotation.from_rotvec([0, 0, np.pi * k / 30])
        states.correct(np.zeros((1, 3)), measured.as_matrix()[None], CONFIG)
        assert states.turns.velocity[0, 2] >= 0
    assert states.turns.velocity[0, 2] * RATE == pytest.approx(np.pi, abs=0.1)


def test_rotations_stay_rotations_over_long_predictions() -> None:
    states = single(np.zeros(3), np.eye(3))
    states.turns.velocity[:] = 0.3
    for _ in range(2000):
        states.predict(np.full((1, 1), 0.7), CONFIG)
    np.testing.assert_allclose(states.rotations[0] @ states.rotations[0].T, np.eye(3), atol=1e-9)
    assert np.isfinite(states.positions.data).all()
