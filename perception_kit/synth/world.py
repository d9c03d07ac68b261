# SPDX-License-Identifier: Apache-2.0
"""The choices that a whole data set or recording shares.

Small and picklable: worker processes build their own objects from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from perception_kit.datasets.mesh_units import MeshUnit
from perception_kit.synth.catalog import ObjectClass, read_classes
from perception_kit.synth.object_sizes import ObjectSizes
from perception_kit.synth.objects import builtin_classes
from perception_kit.synth.room import TexturePool
from perception_kit.types import Intrinsics


@dataclass(frozen=True)
class WorldConfig:
    """What is rendered, and with which camera.

    ``meshes`` is a folder of meshes in ``mesh_unit``, or None for the built-in objects; ``photos``
    are background images; with ``sizes``, objects of a class differ in size.
    """

    split: str
    intrinsics: Intrinsics
    meshes: Path | None
    photos: tuple[Path, ...]
    with_person: bool
    mesh_unit: MeshUnit = "auto"
    sizes: ObjectSizes | None = None

    def classes(self) -> list[ObjectClass]:
        """The rigid classes. Raises MeshError naming the file that cannot be used."""
        if self.meshes is None:
            return builtin_classes()
        return read_classes(self.meshes, self.mesh_unit)[0]

    def textures(self) -> TexturePool:
        """The textures of the split."""
        return TexturePool(self.split, self.photos)
