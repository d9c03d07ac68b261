# SPDX-License-Identifier: Apache-2.0
"""Instance segmentation (Mask R-CNN) and 6D object pose (DenseFusion)."""
