# SPDX-License-Identifier: Apache-2.0
"""Depth images of a single model at a pose, cast by Open3D."""

from __future__ import annotations

from itertools import product

import numpy as np
import open3d as o3d

from perception_kit.geometry import image_rectangle, invert_pose, pixel_rays, pose_matrix
from perception_kit.types import Intrinsics


class DepthRenderer:
    """Casts rays at a model of (V, 3) vertices in metres and (F, 3) triangles.

    Raises ValueError for a model without triangles.
    """

    def __init__(self, vertices: np.ndarray, faces: np.ndarray) -> None:
        if len(faces) == 0:
            raise ValueError(
                f"a model of {len(vertices)} points without triangles cannot be rendered: a mesh is"
                " needed"
            )

        self._scene = o3d.t.geometry.RaycastingScene(nthreads=1)
        self._scene.add_triangles(
            o3d.core.Tensor.from_numpy(np.ascontiguousarray(vertices, np.float32)),
            o3d.core.Tensor.from_numpy(np.ascontiguousarray(faces, np.uint32)),
        )

        # The corners of the box around the model: rays are cast within their projection only.
        limits = np.stack([vertices.min(axis=0), vertices.max(axis=0)], axis=1)
        self._corners = np.array(list(product(*limits)))

    def render(
        self, rotation: np.ndarray, translation: np.ndarray, intrinsics: Intrinsics
    ) -> tuple[np.ndarray, int]:
        """Depth of the model at a pose (model to camera, metres), and pixels of its silhouette.

        The depth is (H, W) float32 in metres along the optical axis, 0 beside the model. Pixels of
        the silhouette up to one image size outside the image's borders count, too.
        """
        model_to_camera = pose_matrix(rotation, translation)
        depth = np.zeros((intrinsics.height, intrinsics.width), np.float32)
        rectangle = image_rectangle(self._corners, model_to_camera, intrinsics, outside=True)
        if rectangle is None:
            return depth, 0

        # A ray for every pixel of the rectangle, in the frame of the model.
        x0, y0, x1, y1 = rectangle
        columns = np.arange(x0, x1, dtype=np.float32)[None]
        rows = np.arange(y0, y1, dtype=np.float32)[:, None]
        rays = pixel_rays(columns, rows, invert_pose(model_to_camera), intrinsics)
        hits = self._scene.cast_rays(o3d.core.Tensor.from_numpy(rays), nthreads=1)["t_hit"].numpy()
        hits[~np.isfinite(hits)] = 0

        # The part of the rectangle inside the image.
        left, top = max(x0, 0), max(y0, 0)
        right, bottom = min(x1, intrinsics.width), min(y1, intrinsics.height)
        depth[top:bottom, left:right] = hits[top - y0 : bottom - y0, left - x0 : right - x0]
        return depth, int(np.count_nonzero(hits))
