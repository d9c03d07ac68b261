# SPDX-License-Identifier: Apache-2.0
"""Tiny videos of a moving square, and a small untrained model file."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch

from actionrec_node.networks.action_model import ActionModel, ActionModelSpec, save_action_model

WriteVideo = Callable[..., Path]


@pytest.fixture
def write_video(tmp_path: Path) -> WriteVideo:
    """``write_video(name, times_s, speed)``: a bright square that moves ``speed`` pixels a second.

    It has one frame at each of the times. ``colors`` is the format of its pixels; any but the
    usual one is kept without loss.
    """

    def write(
        name: str,
        times_s: np.ndarray,
        speed: float = 0.0,
        height: int = 48,
        width: int = 64,
        colors: str = "yuv420p",
    ) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with av.open(str(path), "w") as container:
            stream = container.add_stream("mpeg4" if colors == "yuv420p" else "ffv1", rate=30)
            stream.width, stream.height, stream.pix_fmt = width, height, colors
            stream.codec_context.time_base = Fraction(1, 1000)

            for time in times_s:
                image = np.full((height, width, 3), 40, np.uint8)
                left = int(4 + speed * time) % (width - 12)
                image[16:28, left : left + 12] = 220
                frame = av.VideoFrame.from_ndarray(image, format="rgb24")
                frame.pts, frame.time_base = round(time * 1000), Fraction(1, 1000)
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
        return path

    return write


@pytest.fixture(scope="session")
def model_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained compact model with three classes."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("model") / "action.safetensors"
    save_action_model(
        path, ActionModel(ActionModelSpec("resnext3d_compact", ("falling", "running", "walking")))
    )
    return path


@pytest.fixture
def data_folder(write_video: WriteVideo, tmp_path: Path) -> Path:
    """Folders ``train`` and ``val``, each with a square that stands still and one that runs."""
    times = np.arange(24) / 15
    for side, count in (("train", 2), ("val", 1)):
        for index in range(count):
            write_video(f"{side}/standing/{index}.mkv", times, speed=0.0)
            write_video(f"{side}/running/{index}.mkv", times, speed=30.0)
    return tmp_path
