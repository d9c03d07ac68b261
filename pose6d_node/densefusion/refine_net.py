# SPDX-License-Identifier: Apache-2.0
"""DenseFusion's refiner: the residual pose of a cloud in the frame of the current estimate.

Wang et al. 2019, section 3.6.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pose6d_node.densefusion.pose_net import PUBLISHED_WIDTHS, FusionFeatures, Widths, select_class


class PoseRefineNet(nn.Module):
    """One residual quaternion and translation per instance.

    They come from its moved points and the features that the estimator gives them.
    """

    conv3_r: nn.Linear
    conv3_t: nn.Linear

    def __init__(
        self, num_classes: int, feature_size: int = 32, widths: Widths = PUBLISHED_WIDTHS
    ) -> None:
        super().__init__()
        self.feat = FusionFeatures(feature_size, widths, pooled_inputs=2 * sum(widths.local))

        # conv1_r to conv3_r give the quaternion, …_t the translation: linear layers, under their
        # published names.
        for name, size in (("r", 4), ("t", 3)):
            sizes = (widths.pooled[1], *widths.refiner_head, num_classes * size)
            for number in range(3):
                layer = nn.Linear(sizes[number], sizes[number + 1])
                setattr(self, f"conv{number + 1}_{name}", layer)

    def forward(
        self, cloud: Tensor, features: Tensor, class_index: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Quaternions (B, 4) wxyz, not normalised, and translations (B, 3).

        Of the moved points ``cloud`` (B, N, 3), their ``features`` (B, F, N) and the
        ``class_index`` (B,).
        """
        pooled = self.feat.pooled(torch.cat(self.feat.local(cloud, features), dim=1))
        return self._head("r", pooled, class_index, 4), self._head("t", pooled, class_index, 3)

    def _head(self, name: str, pooled: Tensor, class_index: Tensor, size: int) -> Tensor:
        layers = [getattr(self, f"conv{number}_{name}") for number in (1, 2, 3)]
        x = F.relu(layers[1](F.relu(layers[0](pooled))))
        return select_class(layers[2], x.unsqueeze(2), class_index, size).squeeze(2)
