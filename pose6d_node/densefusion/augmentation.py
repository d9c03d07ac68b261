# SPDX-License-Identifier: Apache-2.0
"""Random changes of training crops: masks, occlusion, sensor noise, light and viewpoint."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from pose6d_node.densefusion.crops import Crops, NetworkInputs
from pose6d_node.densefusion.rotations import roll_matrix

# Fraction of the mask's known depth that must survive, else the instance keeps its mask.
MIN_KEPT = 0.3


def uniform(low: float, high: float, *shape: int, device: torch.device | str = "cpu") -> Tensor:
    """Random numbers of ``shape`` between ``low`` and ``high``."""
    return low + (high - low) * torch.rand(*shape, device=device)


def chance(probability: float, *shape: int, device: torch.device | str = "cpu") -> Tensor:
    """Random bools of ``shape`` that are true with ``probability``."""
    return torch.rand(*shape, device=device) < probability


def smooth_noise(batch: int, cells: int, size: int, device: torch.device) -> Tensor:
    """(batch, size, size) normal noise that varies over ``cells`` cells of the crop."""
    noise = torch.randn(batch, 1, cells, cells, device=device)
    return F.interpolate(noise, size=(size, size), mode="bilinear", align_corners=False).squeeze(1)


def augment_crops(crops: Crops) -> Crops:
    """Crops with disturbed masks, depth and colour."""
    return replace(
        crops,
        color=augment_color(crops.color),
        depth=augment_depth(crops.depth),
        mask=augment_mask(crops.mask, crops.depth),
    )


def augment_mask(mask: Tensor, depth: Tensor) -> Tensor:
    """(B, S, S) masks as a segmentation predicts them: ragged, thicker or thinner, cut or holed.

    A mask that would lose most of its known ``depth`` (B, S, S) stays as it is.
    """
    batch, size, _ = mask.shape
    device = mask.device

    # An imprecise outline: the blurred mask, cut at a level that varies along the outline.
    soft = F.avg_pool2d(mask.unsqueeze(1).float(), 7, stride=1, padding=3).squeeze(1)
    level = uniform(0.25, 0.8, batch, 1, 1, device=device)
    level = level + 0.12 * smooth_noise(batch, 10, size, device)
    changed = torch.where(chance(0.7, batch, 1, 1, device=device), soft > level, mask)

    # An occluder that covers one side, up to a straight edge.
    axis = (torch.arange(size, device=device) + 0.5) * 2 / size - 1
    changed = changed & _before_edge(batch, axis)

    # Two occluders inside the crop.
    for _ in range(2):
        changed = changed & ~_rectangle(batch, axis)

    known = depth > 0
    kept = (changed & mask & known).sum(dim=(1, 2))
    enough = kept >= MIN_KEPT * (mask & known).sum(dim=(1, 2))
    return torch.where(enough.view(-1, 1, 1), changed, mask)


def _before_edge(batch: int, axis: Tensor) -> Tensor:
    """(B, S, S) bool: what lies before a random straight line; in most crops, everything does."""
    device = axis.device
    angle = uniform(-math.pi, math.pi, batch, 1, 1, device=device)
    is_cut = chance(0.3, batch, 1, 1, device=device)
    edge = torch.where(is_cut, uniform(0.1, 0.8, batch, 1, 1, device=device), 2.0)

    along = angle.cos() * axis.view(1, 1, -1) + angle.sin() * axis.view(1, -1, 1)
    return along < edge


def _rectangle(batch: int, axis: Tensor) -> Tensor:
    """(B, S, S) bool: the inside of a random rectangle; in most crops, it is empty."""
    device = axis.device
    x, y = uniform(-0.8, 0.8, 2, batch, 1, device=device).unbind(0)
    is_there = chance(0.25, batch, 1, device=device)
    half = torch.where(is_there, uniform(0.05, 0.3, batch, 1, device=device), 0.0)
    aspect = uniform(0.5, 2.0, batch, 1, device=device)

    columns = (axis - x).abs() < half * aspect
    rows = (axis - y).abs() < half / aspect
    return columns.unsqueeze(1) & rows.unsqueeze(2)


def augment_depth(depth: Tensor) -> Tensor:
    """(B, S, S) depth with noise per pixel and smooth noise; unknown depth stays unknown.

    Both grow with the square of the distance, as the noise of triangulating sensors does.
    """
    batch, size, _ = depth.shape
    device = depth.device
    fine = uniform(0.0, 0.003, batch, 1, 1, device=device) * torch.randn_like(depth)
    wavy = uniform(0.0, 0.004, batch, 1, 1, device=device) * smooth_noise(batch, 8, size, device)

    noisy = (depth + (fine + wavy) * depth.square()).clamp_min(0.01)
    return torch.where(depth > 0, noisy, depth)


def augment_color(color: Tensor) -> Tensor:
    """(B, S, S, 3) uint8 colour under another light and from another sensor."""
    batch, size = color.shape[:2]
    device = color.device

    # Gamma, saturation (about the grey of each pixel) and contrast (about the mean of the crop).
    value = (color.float() / 255).pow(uniform(0.7, 1.4, batch, 1, 1, 1, device=device))
    gray = value.mean(dim=3, keepdim=True)
    value = gray + (value - gray) * uniform(0.5, 1.4, batch, 1, 1, 1, device=device)
    middle = value.mean(dim=(1, 2, 3), keepdim=True)
    value = middle + (value - middle) * uniform(0.7, 1.3, batch, 1, 1, 1, device=device)

    # Uneven light, exposure, colour cast and sensor noise.
    shade = 1 + 0.12 * smooth_noise(batch, 3, size, device).unsqueeze(3)
    exposure = uniform(0.6, 1.4, batch, 1, 1, 1, device=device)
    cast = uniform(0.88, 1.12, batch, 1, 1, 3, device=device)
    noise = uniform(0.0, 0.04, batch, 1, 1, 1, device=device) * torch.randn_like(value)
    value = value * shade * (exposure * cast) + noise

    return (value.clamp(0, 1) * 255).to(torch.uint8)


def augment_view(inputs: NetworkInputs, max_roll: float) -> NetworkInputs:
    """Inputs rolled about the viewing ray by up to ``max_roll`` radians, scaled and shifted.

    The roll turns image, cloud and the networks' frame alike, so that they still agree; scale and
    shift move the image in the crop only.
    """
    batch, device = len(inputs.class_index), inputs.image.device
    roll = roll_matrix(uniform(-max_roll, max_roll, batch, device=device))
    zoom = uniform(0.85, 1.1, batch, 1, 1, device=device)
    shift = uniform(-0.08, 0.08, batch, 2, device=device)

    # Where the points go in the crop: p' = A p + s.
    linear = roll[:, :2, :2] * zoom
    pixels = inputs.pixels @ linear.mT + shift.unsqueeze(1)

    # Where the pixels of the new image come from: p = A⁻¹ (p' - s).
    inverse = torch.linalg.inv(linear)
    theta = torch.cat([inverse, -(inverse @ shift.unsqueeze(2))], dim=2)
    grid = F.affine_grid(theta, list(inputs.image.shape), align_corners=False)
    image = F.grid_sample(inputs.image, grid, align_corners=False)

    cloud, view = inputs.cloud @ roll.mT, inputs.view @ roll.mT
    return replace(inputs, image=image, cloud=cloud, pixels=pixels, view=view)
