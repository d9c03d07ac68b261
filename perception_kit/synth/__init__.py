# SPDX-License-Identifier: Apache-2.0
"""Renderer of RGB-D video with exact ground truth, on a plain CPU."""
