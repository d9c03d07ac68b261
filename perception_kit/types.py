# SPDX-License-Identifier: Apache-2.0
"""Plain data that the algorithms exchange; the messages in ``msg/`` have the same fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np


@dataclass(frozen=True)
class Intrinsics:
    """Pinhole camera without distortion.

    ``fx, fy, cx, cy`` in pixels, ``width, height`` in pixels. Raises ValueError for a focal length
    that is not positive and for values that are not finite.
    """

    fx: float
    fy: float
    cx: float
    cy: float
    width: int
    height: int

    def __post_init__(self) -> None:
        if not (self.fx > 0 and self.fy > 0):
            raise ValueError(
                f"focal lengths must be positive, got fx={self.fx}, fy={self.fy}:"
                " calibrate the camera or check its CameraInfo"
            )
        if not np.isfinite([self.fx, self.fy, self.cx, self.cy]).all():
            raise ValueError(f"focal lengths and principal point must be finite, got {self}")

    @property
    def matrix(self) -> np.ndarray:
        """(3, 3) float64 camera matrix K."""
        return np.array([[self.fx, 0, self.cx], [0, self.fy, self.cy], [0, 0, 1]], dtype=np.float64)


@dataclass
class Instance:
    """One segmented object instance.

    ``box`` (4,) float32 x_min, y_min, x_max, y_max in pixels. ``mask`` (h, w) bool covers the pixel
    rectangle that starts at ``mask_origin`` = (x, y) of the image. ``descriptor`` (D,) float32 with
    norm 1, or empty.
    """

    class_id: int
    class_name: str
    score: float
    box: np.ndarray
    mask: np.ndarray
    mask_origin: tuple[int, int]
    descriptor: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32))

    def mask_area(self, height: int, width: int) -> tuple[slice, slice]:
        """Rows and columns of a (height, width, …) image that the mask covers.

        Raises ValueError where the mask reaches over its edges.
        """
        x, y = self.mask_origin
        rows, columns = self.mask.shape
        if not (0 <= x <= width - columns and 0 <= y <= height - rows):
            raise ValueError(
                f"a mask of {columns}x{rows} pixels at {self.mask_origin}"
                f" reaches out of the image of {width}x{height}"
            )
        return slice(y, y + rows), slice(x, x + columns)

    def full_mask(self, height: int, width: int) -> np.ndarray:
        """(height, width) bool mask in the whole image. Raises ValueError as ``mask_area``."""
        full = np.zeros((height, width), dtype=bool)
        full[self.mask_area(height, width)] = self.mask
        return full


# Mask and depth contradict most poses of a lower confidence; they are drawn in grey, without axes.
CONFIDENCE_THRESHOLD = 0.1


@dataclass
class PoseEstimate:
    """6D pose of ``instances[detection_index]``: object model frame in the camera's optical frame.

    ``rotation`` (3, 3), ``translation`` (3,) metres, ``confidence`` 0 to 1, ``size`` (3,) model
    extents in metres. ``size_std`` (3,) are standard deviations of a size that was estimated,
    metres; None where it is known.
    """

    detection_index: int
    class_id: int
    class_name: str
    rotation: np.ndarray
    translation: np.ndarray
    confidence: float
    size: np.ndarray
    size_std: np.ndarray | None = None

    @property
    def is_confident(self) -> bool:
        """Whether mask and depth support the pose enough to show it as known."""
        return self.confidence >= CONFIDENCE_THRESHOLD

    def stretch(self, extents: np.ndarray) -> np.ndarray:
        """(3,) factors along the axes of a model with ``extents`` (3,) that make it this large.

        They are 1 where the size is known: the model has it. So they are where the model is flat.
        """
        if self.size_std is None:
            return np.ones(3)
        return np.divide(self.size, extents, out=np.ones(3), where=np.asarray(extents) > 0)


class TrackState(IntEnum):
    """Life cycle of a track; the values are those of ``Track.msg``."""

    TENTATIVE = 1
    CONFIRMED = 2
    LOST = 3


@dataclass
class TrackEstimate:
    """One track after a frame; units and frames as in ``Track.msg``.

    Fields of the 3D position, the orientation or the size are None while that is unknown;
    covariances are (3, 3). ``size_std`` is 0 where the size is known, not estimated.
    """

    id: int
    class_id: int
    class_name: str
    state: TrackState
    score: float
    age: int
    hits: int
    time_since_update: float
    detection_index: int
    box: np.ndarray
    box_velocity: np.ndarray
    position: np.ndarray | None = None
    position_covariance: np.ndarray | None = None
    velocity: np.ndarray | None = None
    velocity_covariance: np.ndarray | None = None
    rotation: np.ndarray | None = None
    rotation_covariance: np.ndarray | None = None
    angular_velocity: np.ndarray | None = None
    angular_velocity_covariance: np.ndarray | None = None
    size: np.ndarray | None = None
    size_std: np.ndarray | None = None

    @property
    def is_finite(self) -> bool:
        """Whether all numbers are finite."""
        numbers = [value for value in vars(self).values() if isinstance(value, np.ndarray | float)]
        return all(np.isfinite(value).all() for value in numbers)


@dataclass
class ActionEstimate:
    """Action during one clip.

    ``class_scores`` (C,) probabilities; clip stamps in nanoseconds; ``track_id`` -1 is the whole
    image.
    """

    label: str
    score: float
    class_scores: np.ndarray
    clip_start_ns: int
    clip_end_ns: int
    track_id: int = -1


@dataclass(frozen=True)
class FallAlarm:
    """A fall alarm that is on; times are ends of clips in nanoseconds.

    The first clip that spoke for the fall, the one that raised the alarm, and the first one after
    it that showed the person lying, which confirms it; None so far. ``track_id`` -1 is the whole
    image.
    """

    first_sign_ns: int
    raised_ns: int
    confirmed_ns: int | None = None
    track_id: int = -1


@dataclass
class FrameResults:
    """All results for one image.

    Poses and tracks refer to ``instances`` by index; poses are drawn where ``intrinsics`` are
    known. ``model_points`` are (N, 3) points in metres on the surface of a class's model; where
    they are not known, poses are drawn as boxes.
    """

    instances: Sequence[Instance] = ()
    poses: Sequence[PoseEstimate] = ()
    tracks: Sequence[TrackEstimate] = ()
    actions: Sequence[ActionEstimate] = ()
    intrinsics: Intrinsics | None = None
    model_points: Mapping[str, np.ndarray] = field(default_factory=dict)
