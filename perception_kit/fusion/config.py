# SPDX-License-Identifier: Apache-2.0
"""Parameters of the fusion, which its node declares from their metadata."""

from __future__ import annotations

from dataclasses import dataclass

from perception_kit.parameters import check_parameters, parameter


@dataclass(frozen=True)
class CameraLimits:
    """How a camera can move; what is faster is a jump of its transform."""

    max_camera_speed: float = parameter(
        3.0, "a camera that moves faster in the fixed frame has jumped there, m/s", 0.01, 1000.0
    )
    max_camera_turn: float = parameter(
        4.0, "a camera that turns faster in the fixed frame has jumped there, rad/s", 0.01, 1000.0
    )


@dataclass(frozen=True)
class FusionConfig(CameraLimits):
    """Parameters of the fusion of tracks.

    Each field's metadata has ``description``, ``min`` and ``max``. Raises ValueError for a value
    outside its range and TypeError for a value of another type than the default's.
    """

    object_distance: float = parameter(
        0.1,
        "largest distance between the positions of one object by two cameras, m: errors of poses"
        " and of TF together",
        1e-3,
        10.0,
    )
    person_distance: float = parameter(
        0.7,
        "the same for what has no pose, such as people: two cameras see two sides of somebody, m",
        1e-3,
        10.0,
    )
    max_cosine_distance: float = parameter(
        0.8,
        "largest cosine distance between the appearance of one thing in two cameras, which see it"
        " from two sides, or a part of it",
        0.0,
        2.0,
    )
    keep_s: float = parameter(
        60.0, "what no camera sees any more keeps its id for so long, s", 0.0, 86_400.0
    )
    max_clock_difference: float = parameter(
        1.0, "cameras whose clocks differ by more are not compared, s", 1e-3, 3600.0
    )

    def __post_init__(self) -> None:
        check_parameters(self)
