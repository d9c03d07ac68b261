# SPDX-License-Identifier: Apache-2.0
"""Instance segmentation with Mask R-CNN: boxes, masks and appearance descriptors in one pass."""
