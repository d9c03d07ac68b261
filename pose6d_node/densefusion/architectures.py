# SPDX-License-Identifier: Apache-2.0
"""Estimators of poses by the name of their architecture, each with its widths.

PyTorch, which takes seconds and memory, is imported only where a network is built.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from pose6d_node.densefusion.coordinate_net import CoordinateNet
    from pose6d_node.densefusion.pose_net import PoseNet, Widths

Estimator: TypeAlias = "PoseNet | CoordinateNet"


def _densefusion(num_classes: int) -> tuple[Estimator, Widths]:
    from pose6d_node.densefusion.pose_net import PUBLISHED_WIDTHS, PoseNet
    from pose6d_node.densefusion.psp_net import PSPNet

    return PoseNet(PSPNet(), num_classes), PUBLISHED_WIDTHS


def _densefusion_compact(num_classes: int) -> tuple[Estimator, Widths]:
    from pose6d_node.densefusion.compact_color_net import CompactColorNet
    from pose6d_node.densefusion.coordinate_net import CoordinateNet
    from pose6d_node.densefusion.pose_net import Widths

    # About half of the published widths: what two CPU cores can train.
    widths = Widths(local=(32, 64), pooled=(256, 512), head=(192, 128, 64), refiner_head=(256, 64))
    return CoordinateNet(CompactColorNet(), num_classes, widths), widths


ARCHITECTURES: dict[str, Callable[[int], tuple[Estimator, Widths]]] = {
    "densefusion": _densefusion,
    "densefusion_compact": _densefusion_compact,
}
