# SPDX-License-Identifier: Apache-2.0
"""Readers of annotated RGB-D frames: one interface (``frame.FrameDataset``) for the layouts that
users have. Start with ``opener``.
"""
