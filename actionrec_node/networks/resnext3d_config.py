# SPDX-License-Identifier: Apache-2.0
"""The shapes of the 3D-ResNeXt and 3D ResNet networks, by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class ResNeXt3dConfig:
    """Shape of one network; the defaults are those of the paper's table of architectures.

    ``layers`` are the blocks of the four stages (conv2_x to conv5_x), ``widths`` their inner
    channels, which must be multiples of ``cardinality``, the groups of a ResNeXt block.
    ``shortcut`` is the type of a block whose shape changes: A pads with zeros, B projects.

    A block has ``expansion`` times as many output channels as inner ones: 2 in a ResNeXt, 4 in a
    plain ResNet, whose ``cardinality`` is 1.

    ``stem_kernel`` and ``stem_stride`` are (time, height, width). ``pool_time_stride`` is the
    temporal stride of the max pooling behind the stem. ``frame_differences``: the network sees,
    beside each frame, its difference to the frame before (RGB difference, Wang et al., "Temporal
    Segment Networks", ECCV 2016), which a small network would need long to learn.
    """

    layers: tuple[int, int, int, int]
    widths: tuple[int, int, int, int] = (128, 256, 512, 1024)
    cardinality: int = 32
    stem_channels: int = 128
    stem_kernel: tuple[int, int, int] = (7, 7, 7)
    stem_stride: tuple[int, int, int] = (1, 2, 2)
    pool_time_stride: int = 2
    shortcut: Literal["A", "B"] = "B"
    frame_differences: bool = False
    expansion: int = 2


CONFIGS: dict[str, ResNeXt3dConfig] = {
    "resnext3d_50": ResNeXt3dConfig((3, 4, 6, 3)),
    "resnext3d_101": ResNeXt3dConfig((3, 4, 23, 3)),
    "resnext3d_50_stem64": ResNeXt3dConfig((3, 4, 6, 3), stem_channels=64),
    "resnext3d_101_stem64": ResNeXt3dConfig((3, 4, 23, 3), stem_channels=64),
    **{
        f"resnet3d_{depth}": ResNeXt3dConfig(
            layers, widths=(64, 128, 256, 512), cardinality=1, stem_channels=64, expansion=4
        )
        for depth, layers in {
            50: (3, 4, 6, 3),
            101: (3, 4, 23, 3),
            152: (3, 8, 36, 3),
            200: (3, 24, 36, 3),
        }.items()
    },
    "resnext3d_compact": ResNeXt3dConfig(
        (1, 2, 2, 2),
        widths=(32, 64, 128, 256),
        cardinality=8,
        stem_channels=32,
        stem_kernel=(3, 7, 7),
        stem_stride=(1, 4, 4),
        frame_differences=True,
    ),
}
