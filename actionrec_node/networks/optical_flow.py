# SPDX-License-Identifier: Apache-2.0
"""Optical flow of a clip, as I3D's flow stream expects it.

The steps are those of the authors' published sample: flow by TV-L1, truncated to 20 pixels, scaled
to -1..1.
"""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np

MAX_FLOW_PX = 20.0


def create_flow_method() -> cv2.DenseOpticalFlow:
    """TV-L1 (Zach, Pock, Bischof 2007), with which I3D was trained, or else DIS.

    TV-L1 is there where opencv-contrib is installed; DIS is that of Kroeger et al. 2016.
    """
    if hasattr(cv2, "optflow"):
        return cv2.optflow.createOptFlow_DualTVL1()
    return cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)


def clip_flow(frames: np.ndarray) -> np.ndarray:
    """(T, H, W, 2) float32 motion to the right and down, of frames (T, H, W, 3) uint8 RGB.

    It is clamped to 20 pixels and scaled to -1..1. Value k is the motion from frame k - 1 to frame
    k, so that no frame beyond the clip is needed; the first repeats the second. Raises ValueError
    for fewer than two frames.
    """
    if len(frames) < 2:
        raise ValueError(f"optical flow needs at least 2 frames, got {len(frames)}")

    # Dense flow between consecutive gray frames.
    method = create_flow_method()
    gray = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames]
    flow = np.stack(
        [
            method.calc(before, after, None)  # type: ignore[call-overload] # stubs lack None
            for before, after in pairwise(gray)
        ]
    )

    # Truncated, scaled, and one value per frame.
    flow = np.clip(flow, -MAX_FLOW_PX, MAX_FLOW_PX) / MAX_FLOW_PX
    return np.concatenate([flow[:1], flow]).astype(np.float32)
