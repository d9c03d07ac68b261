# SPDX-License-Identifier: Apache-2.0
"""Small bags of a camera to test with."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from perception_kit.bags.bag import BagWriter, open_typestore

COLOR = "/cam/color/image_raw"
DEPTH = "/cam/aligned_depth_to_color/image_raw"
CAMERA_INFO = "/cam/color/camera_info"
MILLISECOND = 1_000_000


def _header(stamp_ns: int) -> Any:
    types = open_typestore().types
    stamp = types["builtin_interfaces/msg/Time"](sec=stamp_ns // 10**9, nanosec=stamp_ns % 10**9)
    return types["std_msgs/msg/Header"](stamp=stamp, frame_id="camera_color_optical_frame")


def _image(stamp_ns: int, pixels: np.ndarray, encoding: str) -> Any:
    height, width = pixels.shape[:2]
    return open_typestore().types["sensor_msgs/msg/Image"](
        header=_header(stamp_ns),
        height=height,
        width=width,
        encoding=encoding,
        is_bigendian=0,
        step=pixels.strides[0],
        data=np.frombuffer(pixels.tobytes(), np.uint8),
    )


def _camera_info(stamp_ns: int, height: int, width: int) -> Any:
    types = open_typestore().types
    roi = types["sensor_msgs/msg/RegionOfInterest"](
        x_offset=0, y_offset=0, height=0, width=0, do_rectify=False
    )
    return types["sensor_msgs/msg/CameraInfo"](
        header=_header(stamp_ns),
        height=height,
        width=width,
        distortion_model="plumb_bob",
        d=np.zeros(5),
        k=np.array([width, 0, width / 2, 0, width, height / 2, 0, 0, 1.0]),
        r=np.eye(3).reshape(-1),
        p=np.zeros(12),
        binning_x=0,
        binning_y=0,
        roi=roi,
    )


@pytest.fixture
def camera_bag(tmp_path: Path) -> Callable[..., Path]:
    """Writes a bag of grey 64x48 images.

    Arguments are each topic's header stamps in milliseconds, which are the bag's stamps, too;
    depth is recorded ``depth_lag`` milliseconds later.
    """

    def write(
        color: Sequence[int],
        depth: Sequence[int] | None = None,
        camera_info: Sequence[int] | None = None,
        depth_lag: int = 0,
    ) -> Path:
        path = tmp_path / "camera_bag"
        rgb, depth_mm = np.full((48, 64, 3), 90, np.uint8), np.full((48, 64), 900, np.uint16)
        messages = []
        for stamp in color:
            messages.append((stamp, COLOR, _image(stamp * MILLISECOND, rgb, "rgb8")))
        for stamp in color if depth is None else depth:
            messages.append((stamp, DEPTH, _image(stamp * MILLISECOND, depth_mm, "16UC1")))
        for stamp in color if camera_info is None else camera_info:
            messages.append((stamp, CAMERA_INFO, _camera_info(stamp * MILLISECOND, 48, 64)))

        with BagWriter(path) as writer:
            lags = {DEPTH: depth_lag}
            recorded = [(stamp + lags.get(topic, 0), topic, one) for stamp, topic, one in messages]
            for stamp, topic, message in sorted(recorded, key=lambda item: item[0]):
                writer.write(topic, message, stamp * MILLISECOND)
        return path

    return write


@pytest.fixture
def recorded_frames(shared_dir: Path, tmp_path: Path) -> Callable[[str], Path]:
    """Copies the five annotated frames of a YCB-Video scene that its bag in ``rgbd_bag`` holds."""
    source = shared_dir / "data" / "pose_ycbv"

    def copy(scene: str) -> Path:
        folder = tmp_path / "frames" / "data" / scene
        folder.mkdir(parents=True)
        for number in range(1, 6):
            for path in (source / "frames" / "data" / scene).glob(f"{number:06d}-*"):
                shutil.copy(path, folder)
        (tmp_path / "frames" / "models").symlink_to(source / "models")
        return folder

    return copy
