# SPDX-License-Identifier: Apache-2.0
"""Pose verification: the score of a pose by the mask and the depth of its crop.

The model's points are put at the pose. The score is the product of two ratios, which a wrong pose
cannot both keep high: the inlier ratio, of the mask's measured points those that lie on the model;
and the depth support, of the model points that face the camera those that the depth confirms. Both
hold under occlusion, because what something nearer hides counts neither way.
"""

from __future__ import annotations

import torch
from torch import Tensor

from pose6d_node.densefusion.crops import Crops

DEPTH_POINTS = 256  # measured points to compare: the ratio is exact to 3 % (one standard deviation)
TOLERANCE = 0.05  # of the diameter: half of what counts as a right pose in ADD < 0.1 d
MIN_TOLERANCE = 0.005  # metres, about the noise of an RGB-D camera at 1 m
# Cells along the crop in which a nearer model point hides those behind it. They are wide enough to
# hold several of a model's 1000 points.
GRID = 16
GOLDEN_RATIO = 0.6180339887  # its multiples modulo 1 are spread evenly, however many there are


def pose_verification_score(
    crops: Crops, model_points: Tensor, diameters: Tensor, rotation: Tensor, translation: Tensor
) -> Tensor:
    """(B,) scores 0..1 of B poses: the product of ``inlier_ratio`` and ``depth_support``.

    ``model_points`` (B, M, 3) on the surface of each instance's model and ``diameters`` (B,),
    metres; poses ``rotation`` (B, 3, 3) and ``translation`` (B, 3) from the model to the camera,
    metres.
    """
    tolerance = (TOLERANCE * diameters).clamp(min=MIN_TOLERANCE)
    placed = model_points @ rotation.mT + translation.unsqueeze(1)
    return inlier_ratio(crops, placed, tolerance) * depth_support(crops, placed, tolerance)


def inlier_ratio(crops: Crops, placed: Tensor, tolerance: Tensor) -> Tensor:
    """(B,) ratio of the mask's measured points that lie on the model.

    These are nearer than ``tolerance`` (B,) to its points ``placed`` (B, M, 3), camera frame,
    metres. The spacing of the model's points is added to the tolerance: between two of them there
    is surface, too.
    """
    # Choose measured points that are spread over the mask, and depend on nothing but the mask.
    measured = crops.measured().flatten(1)
    count = min(DEPTH_POINTS, measured.shape[1])
    spread = (measured.cumsum(1) * GOLDEN_RATIO) % 1.0
    chosen = spread.masked_fill(~measured, -1.0).topk(count, dim=1).indices
    points = crops.points().flatten(1, 2).gather(1, chosen.unsqueeze(2).expand(-1, -1, 3))

    # Compare each with the nearest point of the model.
    distance = torch.cdist(points, placed).amin(dim=2)
    is_near = distance <= (tolerance + _spacing(placed)).unsqueeze(1)
    is_used = measured.gather(1, chosen)
    return (is_near & is_used).sum(1) / is_used.sum(1).clamp(min=1)


def depth_support(crops: Crops, placed: Tensor, tolerance: Tensor) -> Tensor:
    """(B,) ratio of the camera-facing model points that the depth confirms.

    ``placed`` (B, M, 3) are the model's points in the camera frame, metres. A point is confirmed
    where the mask shows a surface within ``tolerance`` (B,) of it, and contradicted where the
    camera saw through it or where the mask shows a surface nearer than it. Points outside the crop,
    hidden by something else or without depth count neither way.
    """
    # Project the points into the crop.
    size = crops.depth.shape[1]
    left, top, side = crops.window.to(placed.dtype).unsqueeze(2).unbind(1)
    fx, fy, cx, cy = crops.camera.unsqueeze(2).unbind(1)
    z = placed[..., 2].clamp(min=1e-3)
    column = (fx * placed[..., 0] / z + cx + 0.5 - left) * size / side
    row = (fy * placed[..., 1] / z + cy + 0.5 - top) * size / side
    inside = (column >= 0) & (column < size) & (row >= 0) & (row < size)
    column, row = column.clamp(0, size - 1), row.clamp(0, size - 1)

    # Keep those that face the camera: no other point of the model is nearer in their cell.
    cell = (row * GRID / size).long() * GRID + (column * GRID / size).long()
    nearest = torch.full((len(z), GRID * GRID), torch.inf, device=z.device)
    nearest = nearest.scatter_reduce(1, cell, z, "amin")
    limit = tolerance.unsqueeze(1)
    facing = inside & (z <= nearest.gather(1, cell) + limit / 2)

    # Compare them with the depth at their pixels.
    pixel = row.long() * size + column.long()
    depth = crops.depth.flatten(1).gather(1, pixel)
    in_mask = crops.mask.flatten(1).gather(1, pixel)
    behind = depth - z  # how far behind the model's point the camera saw a surface
    known = facing & (depth > 0)
    confirmed = known & in_mask & (behind.abs() <= limit)
    contradicted = known & ((behind > limit) | (in_mask & (behind < -limit)))

    return confirmed.sum(1) / (confirmed.sum(1) + contradicted.sum(1)).clamp(min=1)


def _spacing(points: Tensor) -> Tensor:
    """(B,) typical distance of neighbouring points of (B, M, 3), metres."""
    sample = points[:, :: max(1, points.shape[1] // 64)]
    # The nearest point of each is the point itself, the second nearest its neighbour.
    nearest = torch.cdist(sample, points).topk(2, dim=2, largest=False).values
    return nearest[..., 1].mean(dim=1)
