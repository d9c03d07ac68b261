# SPDX-License-Identifier: Apache-2.0
"""The tracker against a slow one that follows the paper literally.

It has one object a track and full matrices, and scores every pair.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from perception_kit.boxes import box_iou
from perception_kit.types import Instance, TrackState
from tracker_node.config import TrackerConfig
from tracker_node.deep_sort import DeepSort

GATE, MAX_COSINE, MAX_IOU_DISTANCE, MAX_AGE, N_INIT, BUDGET = 9.4877, 0.2, 0.7, 30, 3, 100
# Cost of a pair that is not allowed; allowed ones are shifted so that the dearest lies just below.
NO_MATCH = 2.0
TRANSITION = np.eye(8) + np.eye(8, k=4)


def to_measurement(box: np.ndarray) -> np.ndarray:
    width, height = box[2:] - box[:2]
    return np.array([*(box[:2] + box[2:]) / 2, width / height, height])


def noise(weight: float, aspect: float, height: float) -> list[float]:
    return [weight * height, weight * height, aspect, weight * height]


@dataclass
class SlowTrack:
    """One track with the state (x, y, a, h) and its velocities (Wojke 2017, section 2.1)."""

    id: int
    class_id: int
    mean: np.ndarray
    covariance: np.ndarray
    gallery: deque[np.ndarray]
    hits: int = 1
    missed: int = 0

    @classmethod
    def start(cls, track_id: int, instance: Instance) -> SlowTrack:
        measurement = to_measurement(instance.box)
        std = [
            2 * value if index != 2 else value
            for index, value in enumerate(noise(1 / 20, 1e-2, measurement[3]))
        ]
        covariance = np.diag(np.square([*std, *noise(10 / 160, 1e-5, measurement[3])]))
        mean = np.concatenate([measurement, np.zeros(4)])
        gallery = deque([instance.descriptor], maxlen=BUDGET)
        return cls(track_id, instance.class_id, mean, covariance, gallery)

    @property
    def confirmed(self) -> bool:
        return self.hits >= N_INIT

    @property
    def box(self) -> np.ndarray:
        x, y, aspect, height = self.mean[:4]
        width = aspect * height
        return np.array([x - width / 2, y - height / 2, x + width / 2, y + height / 2])

    def predict(self) -> None:
        std = [*noise(1 / 20, 1e-2, self.mean[3]), *noise(1 / 160, 1e-5, self.mean[3])]
        self.mean = TRANSITION @ self.mean
        self.covariance = TRANSITION @ self.covariance @ TRANSITION.T + np.diag(np.square(std))
        self.missed += 1

    def innovation_covariance(self) -> np.ndarray:
        return self.covariance[:4, :4] + np.diag(np.square(noise(1 / 20, 1e-1, self.mean[3])))

    def squared_mahalanobis(self, instance: Instance) -> float:
        innovation = to_measurement(instance.box) - self.mean[:4]
        return float(innovation @ np.linalg.solve(self.innovation_covariance(), innovation))

    def cosine_distance(self, instance: Instance) -> float:
        return float((1 - np.array(self.gallery, float) @ instance.descriptor.astype(float)).min())

    def correct(self, instance: Instance) -> None:
        gain = self.covariance[:, :4] @ np.linalg.inv(self.innovation_covariance())
        self.covariance = self.covariance - gain @ self.innovation_covariance() @ gain.T
        self.mean = self.mean + gain @ (to_measurement(instance.box) - self.mean[:4])
        self.gallery.append(instance.descriptor)
        self.hits, self.missed = self.hits + 1, 0


class SlowDeepSort:
    """Section 2 of the paper, frame by frame."""

    def __init__(self, motion_weight: float) -> None:
        self.weight = motion_weight
        self.tracks: list[SlowTrack] = []
        self.next_id = 1

    def update(self, instances: list[Instance]) -> list[SlowTrack]:
        for track in self.tracks:
            track.predict()

        # Listing 1.
        unmatched = list(range(len(instances)))
        confirmed = [track for track in self.tracks if track.confirmed]
        for age in range(1, MAX_AGE + 1):
            of_age = [track for track in confirmed if track.missed == age]
            unmatched = self.match(of_age, unmatched, instances, self.appearance_cost)

        # IoU for unconfirmed tracks and unmatched ones of age 1.
        unconfirmed = [track for track in self.tracks if not track.confirmed]
        of_age_one = [track for track in confirmed if track.missed == 1]
        unmatched = self.match([*unconfirmed, *of_age_one], unmatched, instances, self.overlap_cost)

        # Life cycle.
        self.tracks = [
            track
            for track in self.tracks
            if track.missed == 0 or (track.confirmed and track.missed <= MAX_AGE)
        ]
        for index in unmatched:
            self.tracks.append(SlowTrack.start(self.next_id, instances[index]))
            self.next_id += 1
        return self.tracks

    def match(
        self,
        tracks: list[SlowTrack],
        unmatched: list[int],
        instances: list[Instance],
        cost: Callable[..., float],
    ) -> list[int]:
        if not tracks or not unmatched:
            return unmatched
        matrix = np.array(
            [[cost(track, instances[index]) for index in unmatched] for track in tracks]
        )
        rows, columns = linear_sum_assignment(np.minimum(matrix, NO_MATCH))
        refused = []
        for row, column in zip(rows, columns, strict=True):
            if matrix[row, column] < NO_MATCH:
                tracks[row].correct(instances[unmatched[column]])
            else:
                refused.append(unmatched[column])
        without_partner = [
            unmatched[column] for column in range(len(unmatched)) if column not in columns
        ]
        return without_partner + refused

    def appearance_cost(self, track: SlowTrack, instance: Instance) -> float:
        motion, appearance = track.squared_mahalanobis(instance), track.cosine_distance(instance)
        if track.class_id != instance.class_id or motion > GATE or appearance > MAX_COSINE:
            return np.inf
        dearest = self.weight + (1 - self.weight) * MAX_COSINE
        cost = self.weight * motion / GATE + (1 - self.weight) * appearance
        return NO_MATCH - 1e-5 - dearest + cost

    @staticmethod
    def overlap_cost(track: SlowTrack, instance: Instance) -> float:
        distance = 1 - float(box_iou(track.box, np.asarray(instance.box, float)))
        if track.class_id != instance.class_id or distance > MAX_IOU_DISTANCE:
            return np.inf
        return NO_MATCH - 1e-5 - MAX_IOU_DISTANCE + distance


def scene(
    seed: int, detection: Callable[..., Instance], frames: int = 70, objects: int = 10
) -> list[list[Instance]]:
    """A crowd of two classes whose looks resemble each other.

    Detections are in random order; some are missed and some are false.
    """
    rng = np.random.default_rng(seed)
    center, velocity = rng.uniform(100, 260, (objects, 2)), rng.normal(0, 1.2, (objects, 2))
    size = rng.uniform(25, 90, (objects, 2))
    look = rng.normal(size=(objects, 6)) + 1.2
    result = []
    for _ in range(frames):
        center, velocity = center + velocity, velocity + rng.normal(0, 0.15, (objects, 2))
        seen = rng.random(objects) < 0.85
        instances = []
        for index in np.flatnonzero(seen):
            half = size[index] / 2 * rng.normal(1, 0.02, 2)
            middle = center[index] + rng.normal(0, 1.5, 2)
            box = np.concatenate([middle - half, middle + half])
            seen_look = look[index] + rng.normal(0, 0.35, 6)
            instances.append(detection(box, class_id=1 + index % 2, descriptor=seen_look))
        for _ in range(rng.poisson(0.7)):
            corner = rng.uniform(0, 400, 2)
            box = np.concatenate([corner, corner + rng.uniform(20, 90, 2)])
            class_id, random_look = int(rng.integers(1, 3)), rng.normal(size=6) + 1.2
            instances.append(detection(box, class_id=class_id, descriptor=random_look))
        result.append([instances[index] for index in rng.permutation(len(instances))])
    return result


@pytest.mark.parametrize(("seed", "motion_weight"), [(1, 0.0), (2, 0.25), (3, 1.0)])
def test_same_tracks_as_the_literal_tracker(
    seed: int, motion_weight: float, detection: Callable[..., Instance]
) -> None:
    tracker = DeepSort(TrackerConfig(motion_weight=motion_weight))
    slow = SlowDeepSort(motion_weight)
    identities = set()
    for frame, instances in enumerate(scene(seed, detection)):
        actual = tracker.update(instances, round(frame / 30 * 1e9))
        expected = slow.update(instances)
        assert [(track.id, track.hits, track.class_id) for track in actual] == [
            (track.id, track.hits, track.class_id) for track in expected
        ]
        assert [track.state != TrackState.TENTATIVE for track in actual] == [
            track.confirmed for track in expected
        ]
        np.testing.assert_allclose(
            [track.box for track in actual], [track.box for track in expected], atol=1e-3
        )
        identities |= {track.id for track in actual if track.state != TrackState.TENTATIVE}
    assert len(identities) >= 10
