# SPDX-License-Identifier: Apache-2.0
"""Masks and visible fractions of posed models, for datasets that do not come with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from threading import Lock

import numpy as np

from perception_kit.datasets.depth_renderer import DepthRenderer
from perception_kit.datasets.files import DatasetError
from perception_kit.datasets.frame import GroundTruthInstance
from perception_kit.datasets.object_model import ObjectModel
from perception_kit.types import Intrinsics

# Metres that the measured surface may lie before the rendered one (as in BOP): beyond, something
# else hides it.
TOLERANCE = 0.015
_RENDERERS = 256  # that are kept; instances of one class may differ in size


class MaskRenderer:
    """Renders ``models`` (by class id) to see which of their pixels are visible.

    Raises DatasetError for an instance whose model has no mesh of triangles.
    """

    def __init__(self, models: Mapping[int, ObjectModel]) -> None:
        self._models = models
        self._renderer = lru_cache(maxsize=_RENDERERS)(self._create_renderer)
        self._lock = Lock()  # frames are read in threads, and Open3D prepares a scene at first use

    def labels(
        self, instances: Sequence[GroundTruthInstance], depth: np.ndarray, intrinsics: Intrinsics
    ) -> np.ndarray:
        """(H, W) uint8 visible-instance labels: 0 background, k for instance k - 1.

        A pixel belongs to the nearest instance, unless the measured ``depth`` (H, W), metres, 0
        unknown, is nearer.
        """
        labels = np.zeros(depth.shape, np.uint8)
        nearest = np.full(depth.shape, np.inf, np.float32)
        for label, instance in enumerate(instances, start=1):
            rendered, _ = self._render(instance, intrinsics)
            is_nearest = (rendered > 0) & (rendered < nearest)
            nearest[is_nearest] = rendered[is_nearest]
            labels[is_nearest] = label

        is_hidden = (depth > 0) & (depth < nearest - TOLERANCE)
        return np.where(is_hidden, 0, labels).astype(np.uint8)

    def visible_fraction(
        self, instance: GroundTruthInstance, mask: np.ndarray, intrinsics: Intrinsics
    ) -> float:
        """Pixels of the visible (H, W) ``mask`` as a fraction of those of the whole silhouette."""
        _, silhouette_pixels = self._render(instance, intrinsics)
        return min(1.0, np.count_nonzero(mask) / max(1, silhouette_pixels))

    def _render(
        self, instance: GroundTruthInstance, intrinsics: Intrinsics
    ) -> tuple[np.ndarray, int]:
        with self._lock:
            renderer = self._renderer(instance.class_id, tuple(instance.scale.tolist()))
            return renderer.render(instance.rotation, instance.translation, intrinsics)

    def _create_renderer(self, class_id: int, scale: tuple[float, ...]) -> DepthRenderer:
        model = self._models[class_id]
        try:
            vertices, faces = model.mesh()
            return DepthRenderer(vertices * scale, faces)
        except ValueError as error:
            raise DatasetError(f"class '{model.name}' cannot be rendered: {error}") from error
