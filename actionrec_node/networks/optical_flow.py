# SPDX-License-Identifier: Apache-2.0
"""Optical flow of a clip, as I3D's flow stream expects it."""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np

MAX_FLOW_PX = 20.0


def create_flow_method() -> cv2.DenseOpticalFlow:
    """TV-L1 (Zach, Pock, Bischof 2007), with which I3D was trained, where opencv-contrib is
    installed; else DIS (Kroeger et al. 2016).
    """
    if hasattr(cv2, "optflow"):
        return cv2.optflow.createOptFlow_DualTVL1()
    return cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)


def clip_flow(frames: np.ndarray) -> np.ndarray:
    """(T, H, W, 2) float32 from frames (T, H, W, 3) uint8 RGB: motion to the right and down,
    clamped to 20 pixels and scaled to -1..1.

    Value k is the motion from frame k - 1 to frame k, so that no frame beyond the clip is needed;
    the first repeats the second. Raises ValueError for fewer than two frames.
    """
    if len(frames) < 2:
        raise ValueError(f"optical flow needs at least 2 frames, got {len(frames)}")
    method = create_flow_method()
    gray = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames]
    flow = np.stack([method.calc(before, after, None) for before, after in pairwise(gray)])
    flow = np.clip(flow, -MAX_FLOW_PX, MAX_FLOW_PX) / MAX_FLOW_PX
    return np.concatenate([flow[:1], flow]).astype(np.float32)
