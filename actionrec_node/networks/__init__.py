# SPDX-License-Identifier: Apache-2.0
"""3D-ResNeXt and two-stream I3D, their model files, and their published weights."""
