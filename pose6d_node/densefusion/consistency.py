# SPDX-License-Identifier: Apache-2.0
"""How well poses agree with what the camera saw: the model's points, put at the pose, against the
mask and the depth of the crop.

Two shares that a wrong pose cannot both keep high: of the mask's measured points, those that lie on
the model; of the model's points that face the camera, those that the depth confirms. Both hold
under occlusion, because what something nearer hides counts neither way.
"""

from __future__ import annotations

import torch
from torch import Tensor

from pose6d_node.densefusion.crops import Crops

DEPTH_POINTS = 256
TOLERANCE = 0.05  # of the diameter: half of what counts as a right pose in ADD < 0.1 d
MIN_TOLERANCE = 0.005  # metres, about the noise of an RGB-D camera at 1 m
# cells along the crop in which a nearer model point hides the ones behind; wide enough to hold
# several of 1000 points
GRID = 16


def consistency(
    crops: Crops, model_points: Tensor, diameters: Tensor, rotation: Tensor, translation: Tensor
) -> Tensor:
    """(B,) shares 0..1 of B instances: the product of ``explained`` and ``confirmed``.

    ``model_points`` (B, M, 3) on the surface of each instance's model and ``diameters`` (B,),
    metres; poses ``rotation`` (B, 3, 3) and ``translation`` (B, 3) from the model to the camera,
    metres.
    """
    tolerance = (TOLERANCE * diameters).clamp(min=MIN_TOLERANCE)
    placed = model_points @ rotation.mT + translation.unsqueeze(1)
    return explained(crops, placed, tolerance) * confirmed(crops, placed, tolerance)


def explained(crops: Crops, placed: Tensor, tolerance: Tensor) -> Tensor:
    """(B,) share of the measured points in the mask that are nearer than ``tolerance`` (B,) to the
    model's points ``placed`` (B, M, 3).

    The spacing of the model's points is added to the tolerance: between two of them there is
    surface, too.
    """
    measured = crops.measured().flatten(1)
    count = min(DEPTH_POINTS, measured.shape[1])
    evenly = (
        measured.cumsum(1) * 0.6180339887
    ) % 1.0  # golden ratio: a spread choice that depends on the mask alone
    chosen = evenly.masked_fill(~measured, -1.0).topk(count, dim=1).indices
    points = crops.points().flatten(1, 2).gather(1, chosen.unsqueeze(2).expand(-1, -1, 3))
    distance = torch.cdist(points, placed).amin(dim=2)
    used = measured.gather(1, chosen)
    near = distance <= (tolerance + _spacing(placed)).unsqueeze(1)
    return (near & used).sum(1) / used.sum(1).clamp(min=1)


def confirmed(crops: Crops, placed: Tensor, tolerance: Tensor) -> Tensor:
    """(B,) share of the camera-facing model points that the depth confirms, among those that it
    confirms or contradicts.

    A point is confirmed where the mask shows a surface within ``tolerance`` of it, and contradicted
    where the camera saw through it or where the mask shows a surface nearer than it. Points outside
    the crop, hidden by something else or without depth count neither way.
    """
    size = crops.depth.shape[1]
    left, top, side = crops.window.to(placed.dtype).unsqueeze(2).unbind(1)
    fx, fy, cx, cy = crops.camera.unsqueeze(2).unbind(1)
    z = placed[..., 2].clamp(min=1e-3)
    column = (fx * placed[..., 0] / z + cx + 0.5 - left) * size / side
    row = (fy * placed[..., 1] / z + cy + 0.5 - top) * size / side
    inside = (column >= 0) & (column < size) & (row >= 0) & (row < size)
    column, row = column.clamp(0, size - 1), row.clamp(0, size - 1)
    cell = (row * GRID / size).long() * GRID + (column * GRID / size).long()
    nearest = torch.full((len(z), GRID * GRID), torch.inf, device=z.device).scatter_reduce(
        1, cell, z, "amin"
    )
    limit = tolerance.unsqueeze(1)
    facing = inside & (z <= nearest.gather(1, cell) + limit / 2)
    pixel = row.long() * size + column.long()
    seen, in_mask = crops.depth.flatten(1).gather(1, pixel), crops.mask.flatten(1).gather(1, pixel)
    behind = seen - z  # how far behind the model's point the camera saw a surface
    known = facing & (seen > 0)
    agreeing = known & in_mask & (behind.abs() <= limit)
    contradicting = known & ((behind > limit) | (in_mask & (behind < -limit)))
    return agreeing.sum(1) / (agreeing.sum(1) + contradicting.sum(1)).clamp(min=1)


def _spacing(points: Tensor) -> Tensor:
    """(B,) typical distance of neighbouring points of (B, M, 3), metres."""
    some = points[:, :: max(1, points.shape[1] // 64)]
    return torch.cdist(some, points).topk(2, dim=2, largest=False).values[..., 1].mean(dim=1)
