# SPDX-License-Identifier: Apache-2.0
"""Instance segmentation (Mask R-CNN) and 6D object poses (DenseFusion)."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
