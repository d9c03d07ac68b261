# SPDX-License-Identifier: Apache-2.0
"""What the camera saw of each instance, pixel by pixel, for comparing posed models with it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from pose6d_node.densefusion.crops import Crops

# Metres between the two neighbors of a pixel; a larger step is an edge, where there is no normal.
MAX_STEP = 0.03
# Added to colors 0..1 before the logarithm: dark pixels are mostly noise.
DARK = 0.04
SATURATED = 0.98


@dataclass
class Observation:
    """B instances with P = S * S pixels each, row by row.

    ``points`` (B, P, 3) in the camera frame, metres; ``normals`` (B, P, 3) unit vectors of either
    sign, where ``has_normal`` (B, P); ``depth`` (B, P) metres, 0 unknown; ``mask`` (B, P) the
    instance's pixels; ``log_color`` (B, P, 3) logarithms of RGB; ``saturated`` (B, P) pixels too
    bright to tell their color.
    """

    points: Tensor
    normals: Tensor
    has_normal: Tensor
    depth: Tensor
    mask: Tensor
    log_color: Tensor
    saturated: Tensor
    window: Tensor
    camera: Tensor
    class_index: Tensor
    size: int

    @classmethod
    def of(cls, crops: Crops) -> Observation:
        """The observation in ``crops``."""
        points, measured = crops.points(), crops.measured()
        normals, has_normal = _normals(points, measured)
        color = crops.color.float() / 255
        return cls(
            points.flatten(1, 2),
            normals.flatten(1, 2),
            has_normal.flatten(1),
            crops.depth.flatten(1),
            crops.mask.flatten(1),
            torch.log(color + DARK).flatten(1, 2),
            (color.amax(dim=3) > SATURATED).flatten(1),
            crops.window.float(),
            crops.camera,
            crops.class_index,
            crops.depth.shape[1],
        )

    def measured_center(self) -> Tensor:
        """(B, 3) median of the points in the mask, metres."""
        known = self.mask & (self.depth > 0)
        return self.points.masked_fill(~known.unsqueeze(2), torch.nan).nanmedian(dim=1).values

    def project(self, points: Tensor, instance: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Rows and columns (H, N) in the crops of ``instance`` (H,), clamped to them, of (H, N, 3)
        camera-frame points, and whether they lie inside.
        """
        left, top, side = self.window[instance].unsqueeze(2).unbind(1)
        fx, fy, cx, cy = self.camera[instance].unsqueeze(2).unbind(1)
        depth = points[..., 2].clamp(min=1e-3)
        column = (fx * points[..., 0] / depth + cx + 0.5 - left) * self.size / side
        row = (fy * points[..., 1] / depth + cy + 0.5 - top) * self.size / side
        inside = (column >= 0) & (column < self.size) & (row >= 0) & (row < self.size)
        return row.clamp(0, self.size - 1), column.clamp(0, self.size - 1), inside


def _normals(points: Tensor, measured: Tensor) -> tuple[Tensor, Tensor]:
    """Unit normals (B, S, S, 3) of the surface through each pixel's neighbors, and where there are
    any: not at edges, nor beside unknown depth.
    """
    across, down = torch.zeros_like(points), torch.zeros_like(points)
    across[:, :, 1:-1] = points[:, :, 2:] - points[:, :, :-2]
    down[:, 1:-1] = points[:, 2:] - points[:, :-2]

    # Both neighbors in both directions must be measured, on the same surface.
    smooth_across, smooth_down = torch.zeros_like(measured), torch.zeros_like(measured)
    smooth_across[:, :, 1:-1] = measured[:, :, 2:] & measured[:, :, :-2]
    smooth_down[:, 1:-1] = measured[:, 2:] & measured[:, :-2]
    smooth_across &= across[..., 2].abs() < MAX_STEP
    smooth_down &= down[..., 2].abs() < MAX_STEP

    normals = torch.linalg.cross(across, down)
    length = normals.norm(dim=3, keepdim=True)
    has_normal = measured & smooth_across & smooth_down & (length.squeeze(3) > 0)
    return normals / length.clamp(min=1e-12), has_normal
