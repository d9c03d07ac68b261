# SPDX-License-Identifier: Apache-2.0
"""The tracks of one camera in the common frame, with positions for those that have no pose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from perception_kit.geometry import instance_position, transform
from perception_kit.types import Instance, Intrinsics, TrackEstimate, TrackState

# Standard deviations, m: of poses beside their filter's (of TF and calibration), and of the visible
# side of somebody from their middle. The pose of what the border of the image cuts off is worse.
_POSE_DEVIATION = 0.01
_CUT_OFF_DEVIATION = 0.1
_SURFACE_DEVIATION = 0.15
_BORDER = 3  # pixels from it that touch it


@dataclass(frozen=True)
class CameraTrack:
    """A confirmed track of one camera after a frame.

    ``is_matched``: seen in this frame. ``position`` (3,) metres and ``rotation`` (3, 3) in the
    common frame, or None; ``deviation`` of the position along each axis, metres. ``is_posed``: the
    position is that of a pose, else of what is visible. ``descriptor`` (D,) of norm 1, or empty.
    """

    id: int
    class_id: int
    class_name: str
    score: float
    is_matched: bool
    position: np.ndarray | None = None
    deviation: float = _SURFACE_DEVIATION
    rotation: np.ndarray | None = None
    is_posed: bool = False
    descriptor: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32))


def camera_tracks(
    tracks: Sequence[TrackEstimate],
    instances: Sequence[Instance],
    depth: np.ndarray | None,
    intrinsics: Intrinsics | None,
    camera_to_common: np.ndarray | None,
    image_size: tuple[int, int],
) -> list[CameraTrack]:
    """The confirmed ones of the ``tracks`` after a frame, whose detections are ``instances``.

    ``image_size`` is (width, height) of the color image in pixels.

    ``depth`` (H, W) metres and ``intrinsics`` give what is seen, but has no pose, a position;
    ``camera_to_common`` (4, 4) is the camera's pose. What is None costs positions only.
    """
    return [
        _camera_track(track, instances, depth, intrinsics, camera_to_common, image_size)
        for track in tracks
        if track.state != TrackState.TENTATIVE
    ]


def _camera_track(
    track: TrackEstimate,
    instances: Sequence[Instance],
    depth: np.ndarray | None,
    intrinsics: Intrinsics | None,
    camera_to_common: np.ndarray | None,
    image_size: tuple[int, int],
) -> CameraTrack:
    # What its detection knows
    instance = None
    if 0 <= track.detection_index < len(instances):
        instance = instances[track.detection_index]
    position, deviation = track.position, _POSE_DEVIATION
    if position is not None and track.position_covariance is not None:
        own = _CUT_OFF_DEVIATION if _is_cut_off(track.box, image_size) else _POSE_DEVIATION
        deviation = float(np.sqrt(own**2 + track.position_covariance[0, 0]))
    elif position is None and instance is not None and depth is not None and intrinsics is not None:
        position, deviation = instance_position(instance, depth, intrinsics), _SURFACE_DEVIATION

    # In the common frame
    rotation = track.rotation
    if camera_to_common is None:
        position = rotation = None
    else:
        turn, place = camera_to_common[:3, :3], camera_to_common[:3, 3]
        position = None if position is None else transform(position[None], turn, place)[0]
        rotation = None if rotation is None else turn @ rotation
    return CameraTrack(
        id=track.id,
        class_id=track.class_id,
        class_name=track.class_name,
        score=track.score,
        is_matched=track.state == TrackState.CONFIRMED,
        position=position,
        deviation=deviation,
        rotation=rotation,
        is_posed=track.position is not None,
        descriptor=np.zeros(0, np.float32) if instance is None else instance.descriptor,
    )


def _is_cut_off(box: np.ndarray, image_size: tuple[int, int]) -> bool:
    """Whether a box (4,) touches the border of its image."""
    return bool((box[:2] < _BORDER).any() or (box[2:] > np.array(image_size) - _BORDER).any())
