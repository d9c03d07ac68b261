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
SATURATED_WEIGHT = 0.3  # pixels too bright to tell their color


@dataclass
class Observation:
    """B instances with P = S * S pixels each, row by row.

    ``surface`` (6, B * P): points in the camera frame, metres, and unit normals of either sign,
    zero where there are none. ``measured`` (2, B * P): depth in metres, 0 unknown, and 1 in the
    instance's mask. ``color`` (4, B * P): logarithms of RGB, and how much they count. Channels come
    first, so that sums over them run along pixels that lie side by side.
    """

    surface: Tensor
    measured: Tensor
    color: Tensor
    window: Tensor
    camera: Tensor
    class_index: Tensor
    size: int

    @classmethod
    def of(cls, crops: Crops) -> Observation:
        """The observation in ``crops``."""
        points, measured = crops.points(), crops.measured()
        color = crops.color.float() / 255
        weight = torch.where(color.amax(dim=3) > SATURATED, SATURATED_WEIGHT, 1.0)
        return cls(
            _channels(points, _normals(points, measured)),
            _channels(crops.depth.unsqueeze(3), crops.mask.unsqueeze(3)),
            _channels(torch.log(color + DARK), weight.unsqueeze(3)),
            crops.window.float(),
            crops.camera,
            crops.class_index,
            crops.depth.shape[1],
        )

    def __len__(self) -> int:
        return len(self.class_index)

    def measured_mask(self) -> Tensor:
        """(B, P) the pixels in the mask whose depth is known."""
        return ((self.measured[0] > 0) & (self.measured[1] > 0)).view(len(self), -1)

    def measured_center(self) -> Tensor:
        """(B, 3) median of the points in the mask, metres."""
        points = self.surface[:3].view(3, len(self), -1)
        known = points.masked_fill(~self.measured_mask(), torch.nan)
        return known.nanmedian(dim=2).values.mT

    def project(self, points: Tensor, instance: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Rows and columns (H, N) in the crops of ``instance`` (H,), clamped to them, of (H, 3, N)
        camera-frame points, and whether they lie inside.
        """
        # The pinhole model, from image to crop pixels.
        left, top, side = self.window.unbind(1)
        fx, fy, cx, cy = self.camera.unbind(1)
        scale = self.size / side
        x_scale, y_scale, x_shift, y_shift = torch.stack(
            [fx * scale, fy * scale, (cx + 0.5 - left) * scale, (cy + 0.5 - top) * scale]
        )[:, instance].unsqueeze(2)
        depth = points[:, 2].clamp(min=1e-3)
        column = points[:, 0] / depth * x_scale + x_shift
        row = points[:, 1] / depth * y_scale + y_shift

        last = self.size - 1e-3
        inside_row, inside_column = row.clamp(0, last), column.clamp(0, last)
        return inside_row, inside_column, (inside_row == row) & (inside_column == column)

    def at(self, channels: Tensor, pixel: Tensor) -> Tensor:
        """(K, H, N) values of the (K, B * P) ``channels`` at the (H, N) pixels."""
        return channels.index_select(1, pixel.flatten()).unflatten(1, pixel.shape)


def _channels(*images: Tensor) -> Tensor:
    """(K, B * P) all channels of (B, S, S, ...) images."""
    return torch.cat([image.flatten(0, 2).mT.float() for image in images])


def _normals(points: Tensor, measured: Tensor) -> Tensor:
    """(B, S, S, 3) unit normals of the surface through each pixel's neighbors, zero where there are
    none: at edges and beside unknown depth.
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
    smooth = (measured & smooth_across & smooth_down).unsqueeze(3)

    normals = torch.linalg.cross(across, down)
    return torch.where(smooth, normals / normals.norm(dim=3, keepdim=True).clamp(min=1e-12), 0.0)
