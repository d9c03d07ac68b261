# SPDX-License-Identifier: Apache-2.0
"""Action recognition (3D-ResNeXt, two-stream I3D)."""
