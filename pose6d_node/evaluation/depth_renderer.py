# SPDX-License-Identifier: Apache-2.0
"""Depth images of a single model at a pose, cast by Open3D."""

from __future__ import annotations

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
            np.ascontiguousarray(vertices, np.float32), np.ascontiguousarray(faces, np.uint32)
        )
        low, high = vertices.min(axis=0), vertices.max(axis=0)
        self._corners = np.array(
            [
                [x, y, z]
                for x in (low[0], high[0])
                for y in (low[1], high[1])
                for z in (low[2], high[2])
            ]
        )

    def render(
        self, rotation: np.ndarray, translation: np.ndarray, intrinsics: Intrinsics
    ) -> tuple[np.ndarray, int]:
        """(H, W) float32 depth in metres along the optical axis, 0 beside the model, at a pose
        (model to camera, metres).

        Second, the number of pixels of the whole silhouette, those up to one image size outside the
        image's borders included.
        """
        model_to_camera = pose_matrix(rotation, translation)
        depth = np.zeros((intrinsics.height, intrinsics.width), np.float32)
        rectangle = image_rectangle(self._corners, model_to_camera, intrinsics, outside=True)
        if rectangle is None:
            return depth, 0
        x0, y0, x1, y1 = rectangle
        columns, rows = (
            np.arange(x0, x1, dtype=np.float32)[None],
            np.arange(y0, y1, dtype=np.float32)[:, None],
        )
        rays = pixel_rays(columns, rows, invert_pose(model_to_camera), intrinsics)
        hits = self._scene.cast_rays(o3d.core.Tensor.from_numpy(rays), nthreads=1)["t_hit"].numpy()
        hits[~np.isfinite(hits)] = 0
        left, top, right, bottom = (
            max(x0, 0),
            max(y0, 0),
            min(x1, intrinsics.width),
            min(y1, intrinsics.height),
        )
        depth[top:bottom, left:right] = hits[top - y0 : bottom - y0, left - x0 : right - x0]
        return depth, int(np.count_nonzero(hits))
