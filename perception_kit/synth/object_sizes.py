# SPDX-License-Identifier: Apache-2.0
"""Sizes of the objects of a scene: each is drawn from its class's mesh, scaled."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from perception_kit.datasets.scaling import LARGEST, SMALLEST, SizeVariation, axis_groups
from perception_kit.synth.catalog import ObjectClass


@dataclass(frozen=True)
class ObjectSizes:
    """Factors between ``smallest`` and ``largest``, half of them below the geometric mean.

    With the ``variation`` "axes" each axis of a model gets its own, unless a symmetry of the object
    mixes it with another. Raises ValueError for a range without sizes.
    """

    smallest: float
    largest: float
    variation: SizeVariation = "uniform"

    def __post_init__(self) -> None:
        if not SMALLEST <= self.smallest <= self.largest <= LARGEST:
            raise ValueError(
                f"objects cannot be scaled between {self.smallest:g} and {self.largest:g}: expected"
                f" the smallest factor before the largest, both from {SMALLEST:g} to {LARGEST:g}"
            )

    def scaled(self, rng: np.random.Generator, object_class: ObjectClass) -> ObjectClass:
        """An object of a class, of random size; what belongs to no class stays as it is."""
        if not object_class.class_id:
            return object_class
        groups = axis_groups(object_class.symmetry.rotations, self.variation)
        factors = np.exp(rng.uniform(np.log(self.smallest), np.log(self.largest), 3))
        return object_class.scaled(factors[groups])
