# SPDX-License-Identifier: Apache-2.0
"""Action recognition of a live stream: one image in, the newest action out."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from actionrec_node.action_model import load_action_model
from actionrec_node.clip_buffer import NANOSECONDS, Clip, ClipBuffer
from actionrec_node.video import resize_frame
from perception_kit.types import ActionEstimate


class ActionRecognizer:
    """Classifies the newest clip of the whole image every ``stride`` frames at the model's clip rate.

    Raises ModelFileError for an unusable model file and ValueError for a stride below 1.
    """

    def __init__(self, model_path: str | Path, device: str = "cpu", stride: int = 4, max_gap_s: float = 0.5) -> None:
        if stride < 1:
            raise ValueError(f"stride must be at least 1 frame, got {stride}")
        self._model = load_action_model(model_path, device)
        spec = self._model.spec
        self.class_names: list[str] = list(spec.class_names)
        self._size = spec.input_size[0]
        self._buffer = ClipBuffer(spec.clip_length, spec.clip_fps, max_gap_s)
        # Half a frame less: a camera's stamps jitter, and a frame that comes a little early must not wait for the next one.
        self._min_interval_ns = round((stride - 0.5) / spec.clip_fps * NANOSECONDS)
        self._newest: ActionEstimate | None = None

    def push(self, rgb: np.ndarray, stamp_ns: int) -> list[ActionEstimate]:
        """Add an image (H, W, 3) uint8 of any size.

        Returns the newest action (the earlier one again between two predictions), or nothing before the first full clip. A stamp
        that goes back or a gap in the stream starts over. Raises ValueError for anything but an RGB image.
        """
        if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype != np.uint8 or rgb.size == 0:
            raise ValueError(f"expected an image (height, width, 3) of uint8, got shape {rgb.shape} of {rgb.dtype}")
        if not self._buffer.push(resize_frame(rgb, self._size), stamp_ns):
            self._newest = None
        if self._newest is None or stamp_ns - self._newest.clip_end_ns >= self._min_interval_ns:
            clip = self._buffer.clip()
            if clip is not None:
                self._newest = self._classify(clip)
        return [] if self._newest is None else [self._newest]

    def reset(self) -> None:
        """Forget the stream: the next result needs a full clip again."""
        self._buffer.reset()
        self._newest = None

    def _classify(self, clip: Clip) -> ActionEstimate:
        scores = self._model.probabilities(clip.frames[None])[0]
        best = int(scores.argmax())
        return ActionEstimate(self.class_names[best], float(scores[best]), scores, clip.start_ns, clip.end_ns)
