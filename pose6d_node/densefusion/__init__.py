# SPDX-License-Identifier: Apache-2.0
"""DenseFusion (Wang et al., "DenseFusion: 6D Object Pose Estimation by Iterative Dense Fusion",
CVPR 2019).
"""
