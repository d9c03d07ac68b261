# SPDX-License-Identifier: Apache-2.0
"""Colors of points on the surface of a mesh, from its corners or its texture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np

from perception_kit.datasets.mesh import TexturedMesh

# Standard deviation, in texture sides, of the blur before a texture is looked up: samples are a few
# millimetres apart, and a texture shows tenths.
TEXTURE_BLUR = 1 / 256


class MeshColors(Protocol):
    """Looks up colors of a mesh."""

    def at(self, faces: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """(N, 3) float32 RGB 0..1 at barycentric ``weights`` (N, 3) in the triangles ``faces``."""
        ...


@dataclass
class CornerColors:
    """``colors`` (F, 3, 3) uint8 RGB of the triangles' corners."""

    colors: np.ndarray

    def at(self, faces: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Interpolated between the corners."""
        return np.einsum("nc,ncd->nd", weights, self.colors[faces] / 255).astype(np.float32)


class TextureColors:
    """``uv`` (F, 3, 2) of the triangles' corners, v up, in a ``texture`` (H, W, 3) uint8."""

    def __init__(self, uv: np.ndarray, texture: np.ndarray) -> None:
        self._uv = uv
        self._texture = cv2.GaussianBlur(texture, (0, 0), max(texture.shape[:2]) * TEXTURE_BLUR)

    def at(self, faces: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """The texture's nearest pixel, after a blur."""
        height, width = self._texture.shape[:2]
        u, v = np.einsum("nc,ncd->dn", weights, self._uv[faces])
        column = np.clip((u * width).astype(int), 0, width - 1)
        row = np.clip(((1 - v) * height).astype(int), 0, height - 1)
        return self._texture[row, column].astype(np.float32) / 255


def colors_of(mesh: TexturedMesh) -> MeshColors | None:
    """The colors of a mesh, None where they are not known."""
    if not mesh.painted:
        return None
    if mesh.colors is not None:
        return CornerColors(mesh.colors)
    return TextureColors(mesh.uv, mesh.texture)
