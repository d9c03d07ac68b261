# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from perception_kit.types import Instance
from tracker_node.config import TrackerConfig
from tracker_node.detections import Detections, usable_detections
from tracker_node.motion_distance import MotionPairs, Positions3D, neighbors, pairs_by_motion
from tracker_node.pose_motion import PoseStates
from tracker_node.tracks import Tracks

Detection = Callable[..., Instance]
NOISE = 0.03
CONFIG = TrackerConfig(pose_noise=NOISE, initial_velocity_noise=0.3)

coordinates = arrays(float, st.integers(0, 8), elements=st.integers(-20, 20).map(float))


@given(coordinates, coordinates, st.integers(0, 10))
def test_neighbors_are_all_pairs_within_reach(
    centers: np.ndarray, others: np.ndarray, reach: int
) -> None:
    rows, columns = neighbors(centers, np.full(len(centers), float(reach)), others)
    expected = [
        (i, j)
        for i, center in enumerate(centers)
        for j, other in enumerate(others)
        if abs(center - other) <= reach
    ]
    assert sorted(zip(rows.tolist(), columns.tolist(), strict=True)) == expected
    assert (np.diff(rows) >= 0).all()


def tracks_at(
    boxes: Sequence[Sequence[float]], detection: Detection, classes: Sequence[int] = (1, 1)
) -> tuple[Tracks, Detections]:
    """A track one frame after its detection for each box, and the same boxes detected again."""
    detections, _ = usable_detections(
        [detection(box, class_id=name) for box, name in zip(boxes, classes, strict=False)], 0, 0
    )
    tracks, rows = Tracks(), np.arange(len(boxes))
    tracks.start(detections, rows, rows + 1, 0, CONFIG)
    tracks.predict(1.0, CONFIG)
    return tracks, detections


def positions_3d(
    rows: Sequence[int],
    tracked: Sequence[Sequence[float]],
    columns: Sequence[int],
    seen: Sequence[Sequence[float]],
) -> Positions3D:
    """Tracks at rest at the positions ``tracked``, one frame later, and detections at ``seen``."""
    states = PoseStates.start(
        np.array(tracked, float), np.tile(np.eye(3), (len(rows), 1, 1)), CONFIG
    )
    states.predict(np.ones((len(rows), 1)), CONFIG)
    return Positions3D(np.array(rows), states, np.array(columns), np.array(seen, float))


def as_dict(pairs: MotionPairs) -> dict[tuple[int, int], float]:
    keys = zip(pairs.rows.tolist(), pairs.columns.tolist(), strict=True)
    return dict(zip(keys, pairs.distance.tolist(), strict=True))


def test_distance_of_boxes_is_the_squared_mahalanobis_distance(detection: Detection) -> None:
    tracks, _ = tracks_at([[100, 100, 140, 200]], detection)
    detections, _ = usable_detections([detection([104, 98, 148, 196])], 0, 0)
    pairs = pairs_by_motion(tracks, np.array([0]), detections, None, CONFIG)
    innovation = detections.measurements[0] - tracks.boxes.position[0]
    measured = np.diag([5.0, 5.0, 0.1, 5.0]) ** 2
    covariance = tracks.boxes.covariance()[0, :4, :4] + measured
    assert pairs.distance * CONFIG.motion_gate == pytest.approx(
        innovation @ np.linalg.inv(covariance) @ innovation
    )


def test_distance_in_space_is_the_squared_mahalanobis_distance(detection: Detection) -> None:
    tracks, detections = tracks_at([[100, 100, 140, 200]], detection)
    known = positions_3d([0], [[0.1, 0.2, 1.0]], [0], [[0.13, 0.17, 1.02]])
    pairs = pairs_by_motion(tracks, np.array([0]), detections, known, CONFIG)
    covariance = known.states.positions.covariance()[0, :3, :3] + NOISE**2 * np.eye(3)
    innovation = np.array([0.03, -0.03, 0.02])
    assert pairs.distance * CONFIG.pose_gate == pytest.approx(
        innovation @ np.linalg.inv(covariance) @ innovation
    )


BOXES = [[100, 100, 140, 200], [110, 100, 150, 200]]
NEAR, FAR = [0.0, 0.0, 1.0], [0.0, 0.0, 3.0]


def test_positions_tell_apart_what_overlaps_in_the_image(detection: Detection) -> None:
    tracks, detections = tracks_at(BOXES, detection)
    by_boxes = pairs_by_motion(tracks, np.array([0, 1]), detections, None, CONFIG)
    assert as_dict(by_boxes).keys() == {(0, 0), (0, 1), (1, 0), (1, 1)}
    known = positions_3d([0, 1], [NEAR, FAR], [0, 1], [FAR, NEAR])
    by_positions = pairs_by_motion(tracks, np.array([0, 1]), detections, known, CONFIG)
    assert as_dict(by_positions).keys() == {(0, 1), (1, 0)}


def test_pairs_that_lack_a_position_use_their_boxes(detection: Detection) -> None:
    tracks, detections = tracks_at(BOXES, detection)
    by_boxes = as_dict(pairs_by_motion(tracks, np.array([0, 1]), detections, None, CONFIG))
    known = positions_3d([0], [NEAR], [1], [FAR])
    mixed = as_dict(pairs_by_motion(tracks, np.array([0, 1]), detections, known, CONFIG))
    assert mixed == {pair: distance for pair, distance in by_boxes.items() if pair != (0, 1)}


def test_rows_ascend_and_only_candidates_appear(detection: Detection) -> None:
    tracks, detections = tracks_at(BOXES, detection)
    known = positions_3d([0, 1], [NEAR, NEAR], [0], [NEAR])
    pairs = pairs_by_motion(tracks, np.array([0, 1]), detections, known, CONFIG)
    assert (np.diff(pairs.rows) >= 0).all()
    assert len(pairs.rows) == 4
    pairs = pairs_by_motion(tracks, np.array([1]), detections, known, CONFIG)
    assert set(pairs.rows.tolist()) == {1}


@pytest.mark.parametrize("with_space", [False, True])
def test_classes_do_not_mix_unless_asked_to(with_space: bool, detection: Detection) -> None:
    tracks, detections = tracks_at(BOXES, detection, classes=(1, 2))
    known = positions_3d([0, 1], [NEAR, NEAR], [0, 1], [NEAR, NEAR]) if with_space else None
    pairs = pairs_by_motion(tracks, np.array([0, 1]), detections, known, CONFIG)
    assert as_dict(pairs).keys() == {(0, 0), (1, 1)}
    config = TrackerConfig(class_aware=False, pose_noise=NOISE)
    pairs = pairs_by_motion(tracks, np.array([0, 1]), detections, known, config)
    assert len(as_dict(pairs)) == 4
