# SPDX-License-Identifier: Apache-2.0
"""What a pose model file says of itself: its objects, and how its networks see them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from perception_kit.datasets.scaling import SizeVariation, axis_groups
from pose6d_node.densefusion.architectures import ARCHITECTURES
from pose6d_node.densefusion.crops import INPUT_FRAMES, OBJECT_FRAME

if TYPE_CHECKING:
    from perception_kit.datasets.object_model import ObjectModel

KNOWN_SIZE = "known"
SIZE_VARIATIONS = (KNOWN_SIZE, "uniform", "axes")


@dataclass
class PoseModelSpec:
    """Metadata of a pose model file; lists run over the classes, lengths are in metres.

    ``symmetries`` holds each class's (4, 4) transforms of the model onto itself, row by row, the
    identity first. ``crop_size`` (a multiple of 8) and ``crop_margin`` say how instances are cut
    out, ``num_points`` how many points of each the networks see, ``input_frame`` in which frame
    (see ``make_inputs``). The networks know all classes but the last ``num_untrained``.
    ``bfloat16``: it was measured that poses are as good in bfloat16.

    ``size_variation`` says by how many factors instances differ from the model of their class: by
    none, or by a "uniform" one or one for each of the "axes" within ``size_range``, which a size
    network estimates. Raises ValueError for values that no model has.
    """

    class_names: list[str]
    diameters: list[float]
    sizes: list[list[float]]
    symmetries: list[list[list[list[float]]]] = field(repr=False)
    architecture: str = "densefusion_compact"
    crop_size: int = 64
    crop_margin: float = 1.25
    num_points: int = 256
    input_frame: str = OBJECT_FRAME
    num_untrained: int = 0
    bfloat16: bool = False
    size_variation: str = KNOWN_SIZE
    size_range: list[float] = field(default_factory=lambda: [1.0, 1.0])

    def __post_init__(self) -> None:
        count = len(self.class_names)
        is_complete = count == len(self.diameters) == len(self.sizes) == len(self.symmetries) > 0
        if not (is_complete and min(self.diameters) > 0):
            raise ValueError(
                f"{count} classes need as many diameters above 0 (got {self.diameters}), sizes and"
                " symmetries"
            )
        if not 0 <= self.num_untrained <= count:
            raise ValueError(f"{self.num_untrained} of {count} classes are said to be untrained")

        if self.crop_size < 8 or self.crop_size % 8 or self.num_points < 1:
            raise ValueError(
                f"crops of {self.crop_size} pixels, expected a multiple of 8, and {self.num_points}"
                " points, expected 1 or more"
            )
        if self.input_frame not in INPUT_FRAMES:
            raise ValueError(
                f"unknown input frame '{self.input_frame}': expected one of {INPUT_FRAMES}"
            )
        self._check_sizes()
        if self.architecture not in ARCHITECTURES:
            raise ValueError(
                f"unknown pose architecture '{self.architecture}': expected one of"
                f" {sorted(ARCHITECTURES)}"
            )

    def _check_sizes(self) -> None:
        if self.size_variation not in SIZE_VARIATIONS:
            raise ValueError(
                f"unknown size variation '{self.size_variation}': expected one of {SIZE_VARIATIONS}"
            )
        low, high = self.size_range
        if not 0 < low <= high:
            raise ValueError(f"sizes between {low} and {high}: expected the smallest factor first")
        if self.estimates_sizes and self.input_frame != OBJECT_FRAME:
            raise ValueError(
                f"sizes are estimated in the input frame '{OBJECT_FRAME}' only, not in"
                f" '{self.input_frame}'"
            )

    @property
    def estimates_sizes(self) -> bool:
        """Whether instances of a trained class differ in size."""
        return self.size_variation != KNOWN_SIZE

    @property
    def axis_groups(self) -> list[list[int]]:
        """Of each trained class the ``axis_groups`` of its axes."""
        variation: SizeVariation = "uniform" if self.size_variation == "uniform" else "axes"
        return [
            axis_groups(np.array(transforms)[:, :3, :3], variation).tolist()
            for transforms in self.symmetries[: self.num_trained]
        ]

    @property
    def num_trained(self) -> int:
        """How many classes the networks know: the first ones."""
        return len(self.class_names) - self.num_untrained

    @property
    def symmetric(self) -> list[bool]:
        """Classes that at least one transform besides the identity maps onto themselves."""
        return [len(transforms) > 1 for transforms in self.symmetries]

    @classmethod
    def for_objects(cls, objects: Sequence[ObjectModel], architecture: str) -> PoseModelSpec:
        """Specification of a new model of ``objects``."""
        return cls(
            class_names=[model.name for model in objects],
            diameters=[model.diameter for model in objects],
            sizes=[model.size.tolist() for model in objects],
            symmetries=[
                [transform.tolist() for transform in model.symmetries] for model in objects
            ],
            architecture=architecture,
        )
