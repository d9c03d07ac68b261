# SPDX-License-Identifier: Apache-2.0
"""Small recordings to test with."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from perception_kit.bag import BagWriter, open_typestore

if TYPE_CHECKING:
    from perception_kit.replay.settings import ReplaySettings

COLOR, DEPTH, CAMERA_INFO = "/cam/color/image_raw", "/cam/aligned_depth_to_color/image_raw", "/cam/color/camera_info"
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
    roi = types["sensor_msgs/msg/RegionOfInterest"](x_offset=0, y_offset=0, height=0, width=0, do_rectify=False)
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
    """Writes a bag of grey 64x48 images; each topic's header stamps in milliseconds are given, and bag stamps are equal to them."""

    def write(color: Sequence[int], depth: Sequence[int] | None = None, camera_info: Sequence[int] | None = None) -> Path:
        path = tmp_path / "camera_bag"
        messages = [(stamp, COLOR, _image(stamp * MILLISECOND, np.full((48, 64, 3), 90, np.uint8), "rgb8")) for stamp in color]
        for stamp in color if depth is None else depth:
            messages.append((stamp, DEPTH, _image(stamp * MILLISECOND, np.full((48, 64), 900, np.uint16), "16UC1")))
        for stamp in color if camera_info is None else camera_info:
            messages.append((stamp, CAMERA_INFO, _camera_info(stamp * MILLISECOND, 48, 64)))
        with BagWriter(path) as writer:
            for stamp, topic, message in sorted(messages, key=lambda item: item[0]):
                writer.write(topic, message, stamp * MILLISECOND)
        return path

    return write


@pytest.fixture(scope="session")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six small frames with truth."""
    path = tmp_path_factory.mktemp("scene") / "scene"
    arguments = ["--seed", "3", "--seconds", "0.4", "--width", "160", "--height", "120", "--workers", "1", "--out", str(path)]
    subprocess.run([sys.executable, "-m", "perception_kit.synth", *arguments], check=True)
    return path


@pytest.fixture(scope="session")
def settings(scene: Path, tmp_path_factory: pytest.TempPathFactory) -> ReplaySettings:
    """A segmentation model that takes everything for the scene's first class, an untrained pose and an untrained action model."""
    import torch

    from actionrec_node.action_model import ActionModel, ActionModelSpec, save_action_model
    from perception_kit.datasets.bop import read_models
    from perception_kit.model_file import save_model
    from perception_kit.replay.settings import ReplaySettings
    from pose6d_node.densefusion.pose_model import PoseModel
    from pose6d_node.segmentation.network import IMAGE_MEAN, IMAGE_STD, build_network

    folder = tmp_path_factory.mktemp("models")
    torch.manual_seed(0)
    objects = [model for model in read_models(scene / "models").values() if not model.articulated]
    names = [model.name for model in objects]
    network = build_network("compact", len(names))
    torch.nn.init.constant_(network.roi_heads.box_predictor.cls_score.bias[1:2], 8.0)
    torch.nn.init.constant_(network.roi_heads.mask_predictor.mask_fcn_logits.bias, 5.0)
    metadata = {"architecture": "compact", "class_names": names, "input_size": [160, 120], "mean": IMAGE_MEAN, "std": IMAGE_STD}
    save_model(folder / "segmentation.safetensors", "segmentation", network.state_dict(), metadata | {"descriptor_size": 64})
    PoseModel.for_objects(objects, "densefusion_compact").save(folder / "pose.safetensors", {})
    spec = ActionModelSpec("resnext3d_compact", ("falling", "lying", "other", "running", "walking"), clip_length=4, input_size=(32, 32))
    save_action_model(folder / "action.safetensors", ActionModel(spec))
    models = {f"{name}_model": folder / f"{name}.safetensors" for name in ("segmentation", "pose", "action")}
    return ReplaySettings(bag=scene, out=Path("given by the test"), timeout=60.0, device="cpu", **models)


@pytest.fixture(scope="session")
def replayed(settings: ReplaySettings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a replay of the scene wrote; not to be changed."""
    from dataclasses import replace

    from perception_kit.replay.session import run_replay

    out = tmp_path_factory.mktemp("replayed")
    assert run_replay(replace(settings, out=out))
    return out
