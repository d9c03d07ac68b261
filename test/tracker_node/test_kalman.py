# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
from filterpy.common import Q_continuous_white_noise, Q_discrete_white_noise
from filterpy.kalman import KalmanFilter
from filterpy_oracle import constant_velocity_filter
from hypothesis import given, settings
from hypothesis import strategies as st

from tracker_node.kalman import ConstantVelocityStates

POSITION_STD, VELOCITY_STD, MEASUREMENT_STD = 0.5, 0.06, 0.7


def started(count: int = 3, size: int = 4, seed: int = 0) -> ConstantVelocityStates:
    position = np.random.default_rng(seed).normal(scale=100.0, size=(count, size))
    return ConstantVelocityStates.start(position, 2 * POSITION_STD, 10 * VELOCITY_STD)


def assert_valid(states: ConstantVelocityStates) -> None:
    """Finite, and every track's covariance is symmetric and positive definite.

    It is so relative to its own scale.
    """
    assert np.isfinite(states.data).all()
    covariance = states.covariance()
    np.testing.assert_array_equal(covariance, covariance.transpose(0, 2, 1))
    scale = np.sqrt(covariance.diagonal(axis1=1, axis2=2))
    assert (scale > 0).all()
    assert np.linalg.eigvalsh(covariance / scale[:, :, None] / scale[:, None, :]).min() > 0


def oracle(position: np.ndarray) -> KalmanFilter:
    """The same filter of one track in filterpy."""
    return constant_velocity_filter(
        position,
        initial_std=(2 * POSITION_STD, 10 * VELOCITY_STD),
        process_std=(POSITION_STD, VELOCITY_STD),
        measurement_std=MEASUREMENT_STD,
    )


@given(st.lists(st.tuples(st.integers(1, 4), st.booleans()), max_size=12), st.integers(0, 2**31))
@settings(max_examples=40, deadline=None)
def test_equals_the_textbook_filter(frames: list[tuple[int, bool]], seed: int) -> None:
    """Several steps at once equal as many textbook predictions.

    Frames are (steps since the last one, whether measured).
    """
    rng = np.random.default_rng(seed)
    states = started(count=2, seed=seed)
    textbook = [oracle(position) for position in states.position]
    for steps, is_measured in frames:
        states.predict(steps, POSITION_STD, VELOCITY_STD)
        measurement = states.position + rng.normal(size=states.position.shape)
        if is_measured:
            states.correct(np.arange(2), measurement, MEASUREMENT_STD)
        for row, reference in enumerate(textbook):
            for _ in range(steps):
                reference.predict()
            if is_measured:
                reference.update(measurement[row][:, None])

    means = np.concatenate([states.position, states.velocity], axis=1)
    np.testing.assert_allclose(means, [reference.x[:, 0] for reference in textbook], atol=1e-8)
    covariances = [reference.P for reference in textbook]
    np.testing.assert_allclose(states.covariance(), covariances, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_process_noise_beside_the_white_noise_models(steps: int) -> None:
    """Of filterpy's white-noise models, only the velocity's variance is ours.

    They move the position within a step; here, the noise of a step moves it from the next one on.
    """
    states = ConstantVelocityStates(np.zeros((5, 1, 1)))
    states.predict(steps, 0.0, VELOCITY_STD)
    (noise,) = states.covariance()
    ages = np.arange(steps)
    assert noise == pytest.approx(
        VELOCITY_STD**2 * np.array([[(ages**2).sum(), ages.sum()], [ages.sum(), steps]])
    )

    continuous = Q_continuous_white_noise(2, dt=steps, spectral_density=VELOCITY_STD**2)
    discrete = Q_discrete_white_noise(2, dt=steps, var=VELOCITY_STD**2 / steps)
    for model in (continuous, discrete):
        assert noise[1, 1] == pytest.approx(model[1, 1])
        assert noise[0, 0] < model[0, 0]
        assert noise[0, 1] < model[0, 1]


@given(
    st.lists(
        st.tuples(st.floats(0, 100), st.booleans(), st.floats(-1e4, 1e4)), min_size=1, max_size=40
    ),
    st.floats(1e-4, 1e3),
    st.floats(1e-6, 1e2),
    st.floats(1e-3, 1e3),
)
@settings(max_examples=150, deadline=None)
def test_covariance_stays_positive_definite(
    frames: list[tuple[float, bool, float]],
    position_std: float,
    velocity_std: float,
    measurement_std: float,
) -> None:
    """Any time between frames, zero and fractions of a step too, any noise, any measurement."""
    states = ConstantVelocityStates.start(np.zeros((1, 2)), 2 * position_std, 10 * velocity_std)
    for steps, is_measured, measurement in frames:
        states.predict(steps, position_std, velocity_std)
        if is_measured:
            states.correct(np.array([0]), np.full((1, 2), measurement), measurement_std)
        assert_valid(states)


def test_no_time_changes_nothing() -> None:
    states = started()
    states.predict(3, POSITION_STD, VELOCITY_STD)
    before = states.data.copy()
    states.predict(0, POSITION_STD, VELOCITY_STD)
    np.testing.assert_array_equal(states.data, before)


def test_each_track_may_have_its_own_steps() -> None:
    together, apart = started(2), started(2)
    together.predict(np.array([[1.0], [5.0]]), POSITION_STD, VELOCITY_STD)
    for steps, row in ((1, 0), (5, 1)):
        apart.predict(steps, POSITION_STD, VELOCITY_STD)
        np.testing.assert_allclose(
            together.rows(np.array([row])).data, apart.rows(np.array([row])).data
        )
        apart = started(2)


def test_correction_leaves_other_tracks_alone() -> None:
    states = started(3)
    before = states.data.copy()
    states.correct(np.array([1]), np.full((1, 4), 1e6), MEASUREMENT_STD)
    np.testing.assert_array_equal(states.data[:, [0, 2]], before[:, [0, 2]])
    assert not np.array_equal(states.data[:, 1], before[:, 1])


@pytest.mark.parametrize("rate", [5.0, 12.5, 30.0])
def test_velocity_of_an_object_does_not_depend_on_the_frame_rate(rate: float) -> None:
    """Ten seconds of constant motion, 3 units per nominal frame of 1/30 s."""
    states = ConstantVelocityStates.start(np.zeros((1, 1)), POSITION_STD, 10 * VELOCITY_STD)
    for frame in range(1, int(10 * rate)):
        states.predict(30 / rate, POSITION_STD, VELOCITY_STD)
        states.correct(np.array([0]), np.array([[3.0 * frame * 30 / rate]]), MEASUREMENT_STD)
    assert states.velocity[0, 0] == pytest.approx(3.0, abs=1e-3)


def test_joined_and_selected_rows() -> None:
    first, second = started(2, seed=1), started(3, seed=2)
    joined = first.joined(second)
    assert len(joined) == 5
    np.testing.assert_array_equal(
        joined.rows(np.array([False, True, False, False, True])).position,
        [first.position[1], second.position[2]],
    )
