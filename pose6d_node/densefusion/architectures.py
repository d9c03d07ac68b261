# SPDX-License-Identifier: Apache-2.0
"""Estimators of poses by the name of their architecture, each with its widths."""

from __future__ import annotations

from collections.abc import Callable

from pose6d_node.densefusion.compact_color_net import CompactColorNet
from pose6d_node.densefusion.coordinate_net import CoordinateNet
from pose6d_node.densefusion.pose_net import PUBLISHED_WIDTHS, PoseNet, Widths
from pose6d_node.densefusion.psp_net import PSPNet

# About half of the published widths: what two CPU cores can train.
COMPACT_WIDTHS = Widths(
    local=(32, 64), pooled=(256, 512), head=(192, 128, 64), refiner_head=(256, 64)
)
Estimator = PoseNet | CoordinateNet
ARCHITECTURES: dict[str, tuple[Callable[[int], Estimator], Widths]] = {
    "densefusion": (
        lambda num_classes: PoseNet(PSPNet(), num_classes),
        PUBLISHED_WIDTHS,
    ),
    "densefusion_compact": (
        lambda num_classes: CoordinateNet(CompactColorNet(), num_classes, COMPACT_WIDTHS),
        COMPACT_WIDTHS,
    ),
}
