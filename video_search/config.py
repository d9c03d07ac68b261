# SPDX-License-Identifier: Apache-2.0
"""Parameters of the live node, which it declares from their metadata."""

from __future__ import annotations

from dataclasses import dataclass

from perception_kit.camera_config import color_encoding_parameter, image_transport_parameter
from perception_kit.parameters import check_parameters, parameter

STORED = ("tags", "thumbnails", "clips")


@dataclass(frozen=True)
class MemoryConfig:
    """What is remembered of a running robot, and for how long.

    Each field's metadata has ``description``, ``min`` and ``max``. Raises ValueError for a value
    outside its range and for falls that are forgotten first, TypeError for a value of another type
    than the default's.
    """

    store: str = parameter(
        "tags",
        "what is stored. tags: what was seen, where and when, without pictures; thumbnails: also a"
        " small picture of each; clips: also video while something is seen",
        choices=STORED,
        fixed=True,
    )
    gap: float = parameter(
        2.0, "what is not seen for longer has gone, and comes back as another, s", 0.05, 3600.0
    )
    write_period: float = parameter(
        2.0, "time between two writes, s: a kill loses what was seen since the last", 0.1, 600.0
    )

    # What is forgotten.
    max_age: float = parameter(
        30.0, "what was seen longer ago is deleted, days before the newest image", 0.001, 36500.0
    )
    fall_max_age: float = parameter(
        365.0, "falls longer ago are deleted, days before the newest image", 0.001, 36500.0
    )
    max_size: float = parameter(
        1000.0,
        "size of the library on disk, MB, above which the oldest is deleted: video first, falls"
        " last",
        1.0,
        1e7,
    )
    retention_period: float = parameter(
        60.0, "time between two looks at age and size, s", 0.1, 86400.0
    )

    def __post_init__(self) -> None:
        check_parameters(self)
        if self.fall_max_age < self.max_age:
            raise ValueError(
                f"fall_max_age must not be below max_age, got {self.fall_max_age} and"
                f" {self.max_age}: falls are kept longest"
            )


@dataclass(frozen=True)
class SearchNodeConfig(MemoryConfig):
    """Parameters of the memory and of the node."""

    library: str = parameter(
        "~/.ros/video_search",
        "folder of the library, made where there is none; on this machine",
        fixed=True,
    )
    color_encoding: str = color_encoding_parameter()
    image_transport: str = image_transport_parameter()
    fixed_frame: str = parameter(
        "",
        "TF frame that stands still, such as map, in which positions are stored; empty: the"
        " camera's own frame",
        fixed=True,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.library or "://" in self.library:
            raise ValueError(
                f"library is '{self.library}', expected a folder of this machine: what a robot sees"
                " does not leave it"
            )
