# SPDX-License-Identifier: Apache-2.0
"""The networks by name, each with the input that its published checkpoints were trained on.

PyTorch, which takes seconds and memory, is imported only where a network is built.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal

from actionrec_node.networks.resnext3d_config import CONFIGS

if TYPE_CHECKING:
    from actionrec_node.networks.stages import StagedNetwork

InputKind = Literal["rgb", "flow"]


@dataclass(frozen=True)
class Architecture:
    """``build`` makes the network for a number of classes, ``inputs`` are what it is given.

    The further fields are the defaults of a new model; see ``ActionModelSpec`` for their units.
    """

    build: Callable[[int], StagedNetwork]
    inputs: tuple[InputKind, ...] = ("rgb",)
    clip_length: int = 16
    clip_fps: float = 15.0
    input_size: tuple[int, int] = (112, 112)
    mean: tuple[float, float, float] = (0.45, 0.45, 0.45)
    std: tuple[float, float, float] = (0.25, 0.25, 0.25)
    published_resize: str = "center"


def _build_resnext3d(name: str, num_classes: int) -> StagedNetwork:
    from actionrec_node.networks.resnext3d import ResNeXt3d

    return ResNeXt3d(CONFIGS[name], num_classes)


def _build_resnext3d_lite0(num_classes: int) -> StagedNetwork:
    from actionrec_node.networks.resnext3d_lite0 import ResNeXt3dLite0

    return ResNeXt3dLite0(num_classes)


def _build_i3d(streams: tuple[InputKind, ...], num_classes: int) -> StagedNetwork:
    from actionrec_node.networks.i3d import I3d

    return I3d(num_classes, streams)


def _resnext3d(name: str) -> Architecture:
    build = partial(_build_resnext3d, name)
    if name == "resnext3d_compact":  # nothing is published for it
        return Architecture(build)

    # The checkpoints of 2018 take values from 0 to 255 less the mean of ActivityNet.
    if name.endswith("_stem64"):
        mean, std = (114.7748 / 255, 107.7354 / 255, 99.4750 / 255), (1 / 255, 1 / 255, 1 / 255)
    else:
        mean, std = (0.4345, 0.4051, 0.3775), (0.2768, 0.2713, 0.2737)
    return Architecture(build, clip_fps=30.0, mean=mean, std=std)


def _i3d(*streams: InputKind) -> Architecture:
    half = (0.5, 0.5, 0.5)
    return Architecture(
        partial(_build_i3d, streams),
        streams,
        clip_fps=25.0,
        input_size=(224, 224),
        mean=half,
        std=half,
        published_resize="center_7_8",
    )


ARCHITECTURES: dict[str, Architecture] = {
    **{name: _resnext3d(name) for name in CONFIGS},
    "resnext3d_lite0": Architecture(_build_resnext3d_lite0),
    "i3d": _i3d("rgb", "flow"),
    "i3d_rgb": _i3d("rgb"),
    "i3d_flow": _i3d("flow"),
}


def find_architecture(name: str) -> Architecture:
    """The architecture of that name. Raises ValueError for an unknown one."""
    if name not in ARCHITECTURES:
        raise ValueError(
            f"unknown architecture '{name}', expected one of {', '.join(ARCHITECTURES)}"
        )
    return ARCHITECTURES[name]
