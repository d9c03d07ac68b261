# SPDX-License-Identifier: Apache-2.0
"""DenseFusion's refiner (Wang et al. 2019, section 3.6): the residual pose of a cloud moved into
the frame of the current estimate.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pose6d_node.densefusion.pose_net import PUBLISHED_WIDTHS, FusionFeatures, Widths, select_class


class PoseRefineNet(nn.Module):
    """One residual quaternion and translation per instance from its moved points and the features
    that the estimator gives them.
    """

    def __init__(
        self, num_classes: int, feature_size: int = 32, widths: Widths = PUBLISHED_WIDTHS
    ) -> None:
        super().__init__()
        self.feat = FusionFeatures(feature_size, widths, pooled_inputs=2 * sum(widths.local))
        for name, size in (("r", 4), ("t", 3)):
            sizes = (widths.pooled[1], *widths.refiner_head, num_classes * size)
            for number in range(3):
                setattr(
                    self, f"conv{number + 1}_{name}", nn.Linear(sizes[number], sizes[number + 1])
                )

    def forward(
        self, cloud: Tensor, features: Tensor, class_index: Tensor
    ) -> tuple[Tensor, Tensor]:
        """(B, N, 3) moved points, (B, F, N) features and (B,) class indices to quaternions (B, 4)
        wxyz, not normalised, and (B, 3).
        """
        pooled = self.feat.pooled(torch.cat(self.feat.local(cloud, features), dim=1))
        return self._head("r", pooled, class_index, 4), self._head("t", pooled, class_index, 3)

    def _head(self, name: str, pooled: Tensor, class_index: Tensor, size: int) -> Tensor:
        layers = [getattr(self, f"conv{number}_{name}") for number in (1, 2, 3)]
        x = F.relu(layers[1](F.relu(layers[0](pooled))))
        return select_class(layers[2], x.unsqueeze(2), class_index, size).squeeze(2)
