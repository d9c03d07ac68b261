# SPDX-License-Identifier: Apache-2.0
"""The next frames are segmented while the poses of one are estimated."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from time import monotonic, sleep
from typing import Any

import numpy as np
import pytest
import rclpy
from ros_graph import DOMAIN_ID, color_message, depth_message, info_message

from perception_kit.ros.inputs import SynchronizedFrame
from perception_kit.ros.worker import FrameWorker
from perception_kit.stamps import stamp_to_ns
from perception_kit.types import Instance, Intrinsics, PoseEstimate
from pose6d_node.config import Pose6dConfig
from pose6d_node.node import Pose6dNode

pytestmark = pytest.mark.ros
LIMIT_S = 60.0
SECOND_NS = 10**9


class Published:
    """Stands for the publishers: the stamps (s) of the messages by result."""

    def __init__(self) -> None:
        self.stamps: dict[str, list[int]] = {"detections": [], "poses": []}

    def publish(self, name: str, message: Any) -> None:
        if name in self.stamps:
            self.stamps[name].append(stamp_to_ns(message.header.stamp) // SECOND_NS)

    def has_subscribers(self, name: str) -> bool:
        return False

    def clear(self) -> None:
        pass


class NothingFound:
    """A segmenter that finds nothing."""

    uses_depth = True

    def configure(self, config: Pose6dConfig) -> None:
        pass

    def __call__(self, rgb: np.ndarray, *geometry: object) -> list[Instance]:
        return []


class SlowEstimator:
    """Estimates no poses, each time ``go`` is released; fails where ``fails`` is set."""

    def __init__(self) -> None:
        self.started, self.go = threading.Semaphore(0), threading.Semaphore(0)
        self.fails = False
        self.rejected: list[tuple[int, str]] = []

    def configure(self, config: Pose6dConfig) -> None:
        pass

    def __call__(
        self, rgb: np.ndarray, depth: np.ndarray, intrinsics: Intrinsics, *more: object
    ) -> Sequence[PoseEstimate]:
        self.started.release()
        assert self.go.acquire(timeout=LIMIT_S)
        if self.fails:
            raise ValueError("no poses today")
        return []

    def work(self, frames: int) -> None:
        """Finish a frame and wait for the next, so often."""
        for _ in range(frames):
            self.go.release()
            assert self.started.acquire(timeout=LIMIT_S)


@pytest.fixture
def estimator() -> SlowEstimator:
    return SlowEstimator()


@pytest.fixture
def node(estimator: SlowEstimator) -> Iterator[Pose6dNode]:
    """A live node with the slow estimator, that is not connected."""
    rclpy.init(domain_id=DOMAIN_ID)
    node: Any = Pose6dNode()
    node.results = Published()
    node._loaded_segmenter, node._estimator = NothingFound(), estimator
    node._pose_worker = FrameWorker(node._finish_live)
    yield node
    estimator.go.release(100)
    node.destroy_node()
    rclpy.try_shutdown()


def process(node: Pose6dNode, second: int) -> None:
    """Process the frame of this stamp."""
    stamp_ns = second * SECOND_NS
    messages = {
        "color": color_message(stamp_ns),
        "depth": depth_message(stamp_ns),
        "info": info_message(stamp_ns),
    }
    node.process(SynchronizedFrame(stamp_ns, messages, monotonic()))


def test_of_the_frames_that_wait_the_newest_gets_poses(
    node: Pose6dNode, estimator: SlowEstimator
) -> None:
    process(node, 1)
    assert estimator.started.acquire(timeout=LIMIT_S)
    for second in (2, 3, 4):
        process(node, second)
    stamps = node.results.stamps  # type: ignore[attr-defined]
    assert stamps == {"detections": [1, 2, 3, 4], "poses": []}

    estimator.work(1)
    assert node.diagnostic_values()["poses_skipped"] == "2"
    estimator.go.release()
    node.unload()
    assert stamps["poses"] == [1, 4]


def test_no_poses_of_earlier_frames_come_after_a_reset(
    node: Pose6dNode, estimator: SlowEstimator
) -> None:
    process(node, 8)
    assert estimator.started.acquire(timeout=LIMIT_S)
    process(node, 9)
    resetting = threading.Thread(target=node.reset)
    resetting.start()
    while node._pose_worker._items:  # type: ignore[union-attr]
        sleep(0.001)
    estimator.go.release()
    resetting.join(timeout=LIMIT_S)

    process(node, 1)
    assert estimator.started.acquire(timeout=LIMIT_S)
    estimator.go.release()
    node.unload()
    assert node.results.stamps["poses"] == [8, 1]  # type: ignore[attr-defined]


def test_an_error_costs_the_poses_of_one_frame(node: Pose6dNode, estimator: SlowEstimator) -> None:
    estimator.fails = True
    process(node, 1)
    assert estimator.started.acquire(timeout=LIMIT_S)
    process(node, 2)
    estimator.work(1)
    assert "no poses today" in "; ".join(node.problems.current())

    estimator.fails = False
    estimator.go.release()
    node.unload()
    assert node.results.stamps["poses"] == [2]  # type: ignore[attr-defined]
