# SPDX-License-Identifier: Apache-2.0
"""Parameters of the tracker, which the ROS node declares from their metadata."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

from perception_kit.fusion.config import CameraLimits
from perception_kit.parameters import check_parameters, parameter

# 95 % quantile of the χ² distribution with 4 degrees of freedom: t1 of Deep SORT's equation (2),
# the gate on the squared Mahalanobis distance.
CHI_SQUARE_95_4 = 9.4877
# The same for the three coordinates of a position in space.
CHI_SQUARE_95_3 = 7.8147


def with_default(config_type: type[TrackerConfig], name: str, default: float) -> Any:
    """The field ``name`` of ``config_type`` with another default, for a subclass."""
    (base,) = (entry for entry in fields(config_type) if entry.name == name)
    return field(default=default, metadata=base.metadata)


@dataclass(frozen=True)
class TrackerConfig:
    """Parameters of Deep SORT; the defaults are the published ones.

    Each field's metadata has ``description``, ``min`` and ``max``. Raises ValueError for a value
    outside its range and TypeError for a value of another type than the default's.
    """

    # Association: equations (2) to (5), IoU.
    motion_weight: float = parameter(
        0.0,
        "weight λ of the motion distance in the association cost, 0 = appearance alone (as"
        " published), 1 = motion alone",
        0.0,
        1.0,
    )
    max_cosine_distance: float = parameter(
        0.2, "largest cosine distance between a detection and a track's gallery", 0.0, 2.0
    )
    motion_gate: float = parameter(
        CHI_SQUARE_95_4,
        "largest squared Mahalanobis distance between a detection and a track",
        0.01,
        1e6,
    )
    pose_gate: float = parameter(
        CHI_SQUARE_95_3,
        "largest squared Mahalanobis distance between the 3D positions of a detection and a track",
        0.01,
        1e6,
    )
    pose_association: bool = parameter(
        True,
        "3D positions, where both sides have one, take the place of boxes in the motion distance",
    )
    max_iou_distance: float = parameter(0.7, "largest 1 - IoU for a match by overlap", 0.0, 1.0)

    # Track life cycle.
    max_age: int = parameter(
        30,
        "a track that stays unmatched for longer is deleted; frames at the nominal frame rate",
        1,
        100_000,
    )
    n_init: int = parameter(3, "matched frames in a row that confirm a new track", 1, 1000)
    min_missed_frames: int = parameter(
        0,
        "a track is deleted after so many frames without a match at the least, however slow they"
        " come, but after three times max_age in any case",
        0,
        1000,
    )
    recall_s: float = parameter(
        0.0,
        "a new track of the class, appearance and place of one that left so many seconds ago at"
        " most takes its id; 0: never, as published",
        0.0,
        86_400.0,
    )
    recall_distance: float = parameter(
        0.15, "largest distance in space between the places of the two, m", 1e-3, 10.0
    )
    gallery_size: int = parameter(
        100,
        "newest appearance descriptors kept for each track; a change forgets all tracks",
        1,
        10_000,
    )
    class_aware: bool = parameter(True, "a detection only matches a track of its own class")
    nominal_frame_rate: float = parameter(
        30.0,
        "frame rate for which noise per frame and max_age are given, Hz; a change forgets all"
        " tracks",
        0.1,
        1000.0,
    )

    # Motion of boxes in the image.
    position_weight: float = parameter(
        1 / 20,
        "standard deviation of box position as a fraction of box height, per nominal frame",
        1e-4,
        10.0,
    )
    velocity_weight: float = parameter(
        1 / 160,
        "standard deviation of box velocity as a fraction of box height, per nominal frame",
        1e-5,
        10.0,
    )
    aspect_noise: float = parameter(
        0.01,
        "standard deviation that a box's aspect ratio (width / height) gains in one nominal frame"
        " beside its motion",
        1e-5,
        10.0,
    )

    # Motion in space.
    pose_noise: float = parameter(
        0.01, "standard deviation of a measured 3D position along each axis, m", 1e-5, 10.0
    )
    position_process_noise: float = parameter(
        0.002,
        "standard deviation that a 3D position gains in one nominal frame beside its motion, m",
        1e-6,
        10.0,
    )
    velocity_process_noise: float = parameter(
        0.05, "standard deviation that a 3D velocity gains in one nominal frame, m/s", 1e-6, 100.0
    )
    initial_velocity_noise: float = parameter(
        0.5, "standard deviation of the 3D velocity of a new track, m/s", 1e-6, 100.0
    )
    rotation_noise: float = parameter(
        0.1, "standard deviation of a measured orientation about each axis, rad", 1e-5, 3.0
    )
    rotation_process_noise: float = parameter(
        0.01,
        "standard deviation that an orientation gains in one nominal frame beside its motion, rad",
        1e-6,
        3.0,
    )
    angular_velocity_process_noise: float = parameter(
        0.1,
        "standard deviation that an angular velocity gains in one nominal frame, rad/s",
        1e-6,
        100.0,
    )
    initial_angular_velocity_noise: float = parameter(
        0.5, "standard deviation of the angular velocity of a new track, rad/s", 1e-6, 100.0
    )

    fixed_frame: str = parameter(
        "",
        "TF frame that stands still, in which objects move with constant velocity although the"
        " camera moves, such as odom; empty: the camera's own frame. A change forgets all tracks",
    )

    def __post_init__(self) -> None:
        check_parameters(self)

    @property
    def max_age_s(self) -> float:
        """Seconds without a match after which a track is deleted: A_max in seconds.

        Half a frame of slack absorbs jitter in the stamps.
        """
        return (self.max_age + 0.5) / self.nominal_frame_rate


@dataclass(frozen=True)
class TrackerNodeConfig(TrackerConfig, CameraLimits):
    """Parameters of the tracker and of the node."""

    # These differ from the published ones for people who fall: their box turns over in a few
    # frames, and overlaps less with the one before.
    aspect_noise: float = with_default(TrackerConfig, "aspect_noise", 0.04)
    max_iou_distance: float = with_default(TrackerConfig, "max_iou_distance", 0.9)

    publish_tf: bool = parameter(
        False,
        "publish a TF frame CLASS_ID for each confirmed track whose pose is known, below the"
        " camera's optical frame; needs tf2_msgs",
        fixed=True,
    )
    tf_prefix: str = parameter("", "put before the names of these TF frames", fixed=True)
    # A camera or a node may be away for a while, and a slow machine may see few frames.
    min_missed_frames: int = with_default(TrackerConfig, "min_missed_frames", 8)
    recall_s: float = with_default(TrackerConfig, "recall_s", 60.0)

    early_poses: bool = parameter(
        True,
        "poses that come before their detections are used for the tracks of the same frame; false:"
        " for the next ones, as late poses are, so that results do not depend on what comes first",
        fixed=True,
    )
    state_file: str = parameter(
        "",
        "file with the last tracks, from which a node that was restarted goes on; empty: none",
        fixed=True,
    )
    pose_model: str = parameter(
        "",
        "model file of the poses, for the symmetries of its objects; empty: every orientation is"
        " taken as it is",
        fixed=True,
    )
