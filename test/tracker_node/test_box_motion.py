# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tracker_node import box_motion
from tracker_node.config import TrackerConfig

CONFIG = TrackerConfig()
coordinates = st.floats(-2000, 2000)
sizes = st.floats(0.5, 2000)


@given(coordinates, coordinates, sizes, sizes)
def test_boxes_survive_the_round_trip(left: float, top: float, width: float, height: float) -> None:
    box = np.array([[left, top, left + width, top + height]])
    np.testing.assert_allclose(
        box_motion.measurements_to_boxes(box_motion.boxes_to_measurements(box)), box, atol=1e-8
    )


def test_measurement_is_center_aspect_height() -> None:
    np.testing.assert_allclose(
        box_motion.boxes_to_measurements(np.array([[10.0, 20.0, 30.0, 60.0]])), [[20, 40, 0.5, 40]]
    )


def test_box_that_shrank_below_zero_has_no_area() -> None:
    boxes = box_motion.measurements_to_boxes(
        np.array([[5.0, 6.0, 0.5, -3.0], [5.0, 6.0, -0.5, 4.0]])
    )
    np.testing.assert_allclose(boxes, [[5, 6, 5, 6], [5, 4, 5, 8]])


def test_noise_scales_with_height_except_for_the_aspect() -> None:
    states = box_motion.start(np.array([[50.0, 60.0, 0.4, 80.0], [50.0, 60.0, 0.4, 160.0]]), CONFIG)
    np.testing.assert_allclose(
        np.sqrt(states.position_variance), [[8, 8, 0.01, 8], [16, 16, 0.01, 16]]
    )
    np.testing.assert_allclose(
        np.sqrt(states.velocity_variance), [[5, 5, 1e-5, 5], [10, 10, 1e-5, 10]]
    )
    np.testing.assert_allclose(
        box_motion.measurement_std(states.position, CONFIG), [[4, 4, 0.1, 4], [8, 8, 0.1, 8]]
    )


def test_box_velocities_are_the_derivative_of_the_box() -> None:
    states = box_motion.start(np.array([[50.0, 60.0, 0.4, 80.0]]), CONFIG)
    states.velocity[:] = [[3.0, -2.0, 0.01, 1.5]]
    step = 1e-6
    before = box_motion.measurements_to_boxes(states.position)
    after = box_motion.measurements_to_boxes(states.position + step * states.velocity)
    np.testing.assert_allclose(
        box_motion.box_velocities(states), (after - before) / step, atol=1e-4
    )


def test_noise_of_a_box_that_vanished_stays_positive() -> None:
    states = box_motion.start(np.array([[50.0, 60.0, 0.4, 5.0]]), CONFIG)
    states.velocity[0, 3] = -2.0
    for _ in range(30):
        box_motion.predict(states, 1.0, CONFIG)
    assert states.position[0, 3] < 0
    assert (states.position_variance > 0).all()
    assert (box_motion.measurement_std(states.position, CONFIG) > 0).all()
