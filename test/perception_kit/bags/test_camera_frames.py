# SPDX-License-Identifier: Apache-2.0
"""Joining colour images with their depth and camera information."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from changed_bag import changed
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from perception_kit.bags.bag import BagReader
from perception_kit.bags.camera_frames import CameraFrame, camera_frames
from perception_kit.bags.camera_topics import find_camera_topics

CASES = {
    "equal stamps": (
        [0, 66, 133],
        [0, 66, 133],
        [0, 66, 133],
        [(0, 0, 0), (66, 66, 66), (133, 133, 133)],
    ),
    "depth a little later": (
        [0, 66, 133],
        [5, 71, 138],
        [0, 66, 133],
        [(0, 5, 0), (66, 71, 66), (133, 138, 133)],
    ),
    "depth a little earlier": ([10, 76], [5, 71], [10, 76], [(10, 5, 10), (76, 71, 76)]),
    "nearest of two": ([50], [30, 55], [50], [(50, 55, 50)]),
    "one depth for two colours": ([0, 20], [10], [0, 20], [(0, 10, 0), (20, 10, 20)]),
    "depth too far away": ([0, 66], [100], [0, 66], [(0, None, 0), (66, None, 66)]),
    "a depth image lost": (
        [0, 66, 133],
        [0, 133],
        [0, 66, 133],
        [(0, 0, 0), (66, None, 66), (133, 133, 133)],
    ),
    "depth ends early": ([0, 66], [0], [0, 66], [(0, 0, 0), (66, None, 66)]),
    "camera information only at the start": ([0, 66], [0, 66], [0], [(0, 0, 0), (66, 66, 66)]),
    "camera information of other stamps": (
        [0, 66, 133],
        [0, 66, 133],
        [40, 140],
        [(0, 0, 0), (66, 66, 40), (133, 133, 140)],
    ),
}


def read(path: Path) -> list[tuple[int | None, ...]]:
    """Stamps in milliseconds of colour, depth and camera information of every frame."""

    def stamps(frame: CameraFrame) -> tuple[int | None, ...]:
        messages = (frame.color, frame.depth, frame.camera_info)
        return tuple(None if item is None else item.stamp_ns // 1_000_000 for item in messages)

    with BagReader(path) as reader:
        topics = find_camera_topics(reader.topics)
        return [stamps(frame) for frame in camera_frames(reader, topics, slop_s=0.03)]


@pytest.mark.parametrize("case", CASES)
def test_frames(case: str, camera_bag: Callable[..., Path]) -> None:
    color, depth, camera_info, expected = CASES[case]
    assert read(camera_bag(color, depth, camera_info)) == expected


@pytest.mark.parametrize("lag_ms", [0, 700, 5000])
def test_depth_may_be_recorded_much_later_than_its_color(
    camera_bag: Callable[..., Path], lag_ms: int
) -> None:
    stamps = list(range(0, 3000, 33))
    path = camera_bag(stamps, depth_lag=lag_ms)
    assert read(path) == [(stamp,) * 3 for stamp in stamps]


def test_a_depth_with_a_wrong_stamp_costs_its_frame_only(
    camera_bag: Callable[..., Path], tmp_path: Path
) -> None:
    def change(number: int, topic: str, message: Any) -> list[tuple[str, Any]]:
        if topic == "/cam/aligned_depth_to_color/image_raw" and number == 3:
            message.header.stamp.sec += 10**6
        return [(topic, message)]

    stamps = list(range(0, 660, 66))
    frames = read(changed(camera_bag(stamps), tmp_path / "changed", change))
    assert [depth for _, depth, _ in frames] == [
        None if number == 3 else stamp for number, stamp in enumerate(stamps)
    ]


def test_more_images_than_wait_are_still_joined(camera_bag: Callable[..., Path]) -> None:
    stamps = list(range(0, 3000, 33))
    assert read(camera_bag(stamps)) == [(stamp,) * 3 for stamp in stamps]
    assert len(stamps) > 60


def test_a_camera_file_gives_every_frame_its_camera_information(
    camera_bag: Callable[..., Path],
) -> None:
    calibration = {"height": 48, "width": 64, "distortion_model": "plumb_bob"}
    matrices = {"d": np.zeros(0), "k": np.ones(9), "r": np.ones(9), "p": np.ones(12)}
    with BagReader(camera_bag([0, 66])) as reader:
        topics = find_camera_topics(reader.topics, has_camera_file=True)
        frames = list(camera_frames(reader, topics, 0.03, calibration | matrices))

    infos = [frame.camera_info for frame in frames if frame.camera_info is not None]
    assert [info.stamp_ns // 1_000_000 for info in infos] == [0, 66]
    assert all(info.message.width == 64 for info in infos)
    assert all(isinstance(info.data, bytes) for info in infos), "rclpy publishes no memoryview"


def nearest_within(stamp: int, partners: Sequence[int]) -> int | None:
    """Distance to the nearest of ``partners``, None beyond 30."""
    distance = min(abs(stamp - partner) for partner in partners)
    return distance if distance <= 30 else None


STAMPS = st.lists(st.integers(0, 400), min_size=1, max_size=8, unique=True)


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(color=STAMPS, depth=STAMPS)
def test_every_color_image_gets_its_nearest_depth(
    color: list[int],
    depth: list[int],
    tmp_path_factory: pytest.TempPathFactory,
    camera_bag: Callable[..., Path],
) -> None:
    folder = tmp_path_factory.mktemp("bags")
    path = camera_bag(sorted(color), sorted(depth)).rename(folder / "camera_bag")
    frames = read(path)
    assert [stamp for stamp, _, _ in frames] == sorted(color)
    for stamp, found, _ in frames:
        assert (None if found is None else abs(found - stamp)) == nearest_within(stamp, depth)
