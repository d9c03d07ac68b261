# SPDX-License-Identifier: Apache-2.0
"""Camera calibration files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from perception_kit.bags.bag import BagError, open_typestore
from perception_kit.bags.camera_file import camera_info_message, read_camera_file

K = [600.0, 0.0, 320.0, 0.0, 601.0, 240.0, 0.0, 0.0, 1.0]
CALIBRATION: dict[str, Any] = {
    "image_width": 640,
    "image_height": 480,
    "camera_name": "head",
    "camera_matrix": {"rows": 3, "cols": 3, "data": K},
    "distortion_model": "plumb_bob",
    "distortion_coefficients": {"rows": 1, "cols": 5, "data": [0.1, 0, 0, 0, 0]},
    "rectification_matrix": {"rows": 3, "cols": 3, "data": [1, 0, 0, 0, 1, 0, 0, 0, 1]},
    "projection_matrix": {
        "rows": 3,
        "cols": 4,
        "data": [590, 0, 320, 0, 0, 590, 240, 0, 0, 0, 1, 0],
    },
}


def written(folder: Path, content: Any) -> Path:
    path = folder / "camera.yaml"
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return path


def test_all_fields(tmp_path: Path) -> None:
    types = open_typestore().types
    stamp = types["builtin_interfaces/msg/Time"](sec=1, nanosec=2)
    header = types["std_msgs/msg/Header"](stamp=stamp, frame_id="camera")
    message = camera_info_message(read_camera_file(written(tmp_path, CALIBRATION)), header)
    assert (message.width, message.height, message.header.frame_id) == (640, 480, "camera")
    assert message.k.tolist() == K
    assert message.d[0] == 0.1
    assert message.p[0] == 590
    data = open_typestore().serialize_cdr(message, message.__msgtype__)
    assert open_typestore().deserialize_cdr(data, message.__msgtype__).k.tolist() == K


def test_size_and_matrix_are_enough(tmp_path: Path) -> None:
    keys = ("image_width", "image_height", "camera_matrix")
    fields = read_camera_file(written(tmp_path, {key: CALIBRATION[key] for key in keys}))
    assert fields["p"].reshape(3, 4)[:, :3].ravel().tolist() == K
    assert np.array_equal(fields["r"].reshape(3, 3), np.eye(3))
    assert fields["d"].size == 0


REFUSED = {
    "no matrix": {"image_width": 640, "image_height": 480},
    "matrix of another size": CALIBRATION | {"camera_matrix": {"data": K[:8]}},
    "no number": CALIBRATION | {"image_width": "wide"},
    "a list": [1, 2],
    "no YAML": "a: [",
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case: str, tmp_path: Path) -> None:
    expected = (
        r"(?s)camera\.yaml' is not valid .* expected image_width, image_height and camera_matrix"
    )
    with pytest.raises(BagError, match=expected):
        read_camera_file(written(tmp_path, REFUSED[case]))


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(BagError, match="cannot be read"):
        read_camera_file(tmp_path / "nothing.yaml")
