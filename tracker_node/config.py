# SPDX-License-Identifier: Apache-2.0
"""Parameters of the tracker.

The ROS node declares its parameters from these fields and their metadata.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from typing import Any

# 95 % quantile of the χ² distribution with 4 degrees of freedom: Deep SORT's gate on the squared
# Mahalanobis distance.
CHI_SQUARE_95_4 = 9.4877
# The same for the three coordinates of a position in space.
CHI_SQUARE_95_3 = 7.8147


def _parameter(
    default: float | int | bool | str,
    description: str,
    minimum: float | None = None,
    maximum: float | None = None,
) -> Any:
    return field(
        default=default, metadata={"description": description, "min": minimum, "max": maximum}
    )


@dataclass(frozen=True)
class TrackerConfig:
    """Parameters of Deep SORT; the defaults are the published ones.

    Each field's metadata has ``description``, ``min`` and ``max``.

    Raises ValueError for a value outside its range and TypeError for a value that is not a number.
    """

    motion_weight: float = _parameter(
        0.0,
        "weight λ of the motion distance in the association cost, 0 = appearance alone (as"
        " published), 1 = motion alone",
        0.0,
        1.0,
    )
    max_cosine_distance: float = _parameter(
        0.2, "largest cosine distance between a detection and a track's gallery", 0.0, 2.0
    )
    motion_gate: float = _parameter(
        CHI_SQUARE_95_4,
        "largest squared Mahalanobis distance between a detection and a track",
        0.01,
        1e6,
    )
    pose_gate: float = _parameter(
        CHI_SQUARE_95_3,
        "largest squared Mahalanobis distance between the 3D positions of a detection and a track",
        0.01,
        1e6,
    )
    pose_association: bool = _parameter(
        True,
        "3D positions, where both sides have one, take the place of boxes in the motion distance",
    )
    max_iou_distance: float = _parameter(0.7, "largest 1 - IoU for a match by overlap", 0.0, 1.0)
    max_age: int = _parameter(
        30,
        "a track that stays unmatched for longer is deleted; frames at the nominal frame rate",
        1,
        100_000,
    )
    n_init: int = _parameter(3, "matched frames in a row that confirm a new track", 1, 1000)
    gallery_size: int = _parameter(
        100,
        "newest appearance descriptors kept for each track; a change forgets all tracks",
        1,
        10_000,
    )
    class_aware: bool = _parameter(True, "a detection only matches a track of its own class")
    nominal_frame_rate: float = _parameter(
        30.0,
        "frame rate for which noise per frame and max_age are given, Hz; a change forgets all"
        " tracks",
        0.1,
        1000.0,
    )
    position_weight: float = _parameter(
        1 / 20,
        "standard deviation of box position as a fraction of box height, per nominal frame",
        1e-4,
        10.0,
    )
    velocity_weight: float = _parameter(
        1 / 160,
        "standard deviation of box velocity as a fraction of box height, per nominal frame",
        1e-5,
        10.0,
    )
    aspect_noise: float = _parameter(
        0.01,
        "standard deviation that a box's aspect ratio (width / height) gains in one nominal frame"
        " beside its motion",
        1e-5,
        10.0,
    )
    pose_noise: float = _parameter(
        0.01, "standard deviation of a measured 3D position along each axis, m", 1e-5, 10.0
    )
    position_process_noise: float = _parameter(
        0.002,
        "standard deviation that a 3D position gains in one nominal frame beside its motion, m",
        1e-6,
        10.0,
    )
    velocity_process_noise: float = _parameter(
        0.05, "standard deviation that a 3D velocity gains in one nominal frame, m/s", 1e-6, 100.0
    )
    initial_velocity_noise: float = _parameter(
        0.5, "standard deviation of the 3D velocity of a new track, m/s", 1e-6, 100.0
    )
    rotation_noise: float = _parameter(
        0.1, "standard deviation of a measured orientation about each axis, rad", 1e-5, 3.0
    )
    rotation_process_noise: float = _parameter(
        0.01,
        "standard deviation that an orientation gains in one nominal frame beside its motion, rad",
        1e-6,
        3.0,
    )
    angular_velocity_process_noise: float = _parameter(
        0.1,
        "standard deviation that an angular velocity gains in one nominal frame, rad/s",
        1e-6,
        100.0,
    )
    initial_angular_velocity_noise: float = _parameter(
        0.5, "standard deviation of the angular velocity of a new track, rad/s", 1e-6, 100.0
    )

    fixed_frame: str = _parameter(
        "",
        "TF frame that stands still, in which objects move with constant velocity although the"
        " camera moves, such as odom; empty: the camera's own frame. A change forgets all tracks",
    )

    def __post_init__(self) -> None:
        for parameter in fields(self):
            value, low, high = (
                getattr(self, parameter.name),
                parameter.metadata["min"],
                parameter.metadata["max"],
            )
            if isinstance(parameter.default, str):
                if not isinstance(value, str):
                    raise TypeError(f"{parameter.name} is {value!r}, expected a str")
                continue
            if isinstance(value, bool) != isinstance(parameter.default, bool) or not isinstance(
                value, int | float
            ):
                raise TypeError(
                    f"{parameter.name} is {value!r}, expected a {type(parameter.default).__name__}"
                )
            if isinstance(parameter.default, int) and not isinstance(value, int):
                raise TypeError(f"{parameter.name} is {value!r}, expected a whole number")
            if low is not None and not (math.isfinite(value) and low <= value <= high):
                raise ValueError(
                    f"{parameter.name} is {value}, expected {low} to {high}:"
                    f" {parameter.metadata['description']}"
                )

    @property
    def max_age_s(self) -> float:
        """Seconds without a match after which a track is deleted; half a frame of slack absorbs
        jitter in the stamps.
        """
        return (self.max_age + 0.5) / self.nominal_frame_rate
