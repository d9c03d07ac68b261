# SPDX-License-Identifier: Apache-2.0
"""Names of the segmentation networks, and of the layers of their backbones."""

from __future__ import annotations

ARCHITECTURES = ("compact", "efficientnet_lite0", "resnet50")
LAYERS = ("layer1", "layer2", "layer3", "layer4")  # of the backbone, after its stem
FIRST_LAYER = LAYERS[0]
