# SPDX-License-Identifier: Apache-2.0
"""Random changes of training crops: imperfect masks, occlusion, sensor noise, lighting, and
rotation and shift of the crop.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from pose6d_node.densefusion.crops import Crops, NetworkInputs
from pose6d_node.densefusion.rotations import roll_matrix

MIN_KEPT = (
    0.3  # share of the mask's known depth that must survive, else the instance keeps its mask
)


def uniform(low: float, high: float, *shape: int, device: torch.device | str = "cpu") -> Tensor:
    """Random numbers of ``shape`` between ``low`` and ``high``."""
    return low + (high - low) * torch.rand(*shape, device=device)


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
    """(B, S, S) masks that are thicker or thinner, ragged, cut by a straight edge or holed, as
    predicted and occluded ones are.
    """
    batch, size, _ = mask.shape
    soft = F.avg_pool2d(mask.unsqueeze(1).float(), 7, stride=1, padding=3).squeeze(1)
    level = uniform(0.25, 0.8, batch, 1, 1, device=mask.device) + 0.12 * smooth_noise(
        batch, 10, size, mask.device
    )
    changed = torch.where(torch.rand(batch, 1, 1, device=mask.device) < 0.7, soft > level, mask)
    axis = (torch.arange(size, device=mask.device) + 0.5) * 2 / size - 1
    angle = uniform(-math.pi, math.pi, batch, 1, 1, device=mask.device)
    edge = torch.where(
        torch.rand(batch, 1, 1, device=mask.device) < 0.3,
        uniform(0.1, 0.8, batch, 1, 1, device=mask.device),
        2.0,
    )
    changed = changed & (
        angle.cos() * axis.view(1, 1, -1) + angle.sin() * axis.view(1, -1, 1) < edge
    )
    for _ in range(2):
        x, y = uniform(-0.8, 0.8, 2, batch, 1, device=mask.device).unbind(0)
        half = torch.where(
            torch.rand(batch, 1, device=mask.device) < 0.25,
            uniform(0.05, 0.3, batch, 1, device=mask.device),
            0.0,
        )
        aspect = uniform(0.5, 2.0, batch, 1, device=mask.device)
        hole = ((axis - x).abs() < half * aspect).unsqueeze(1) & (
            (axis - y).abs() < half / aspect
        ).unsqueeze(2)
        changed = changed & ~hole
    enough = (changed & mask & (depth > 0)).sum(dim=(1, 2)) >= MIN_KEPT * (mask & (depth > 0)).sum(
        dim=(1, 2)
    )
    return torch.where(enough.view(-1, 1, 1), changed, mask)


def augment_depth(depth: Tensor) -> Tensor:
    """(B, S, S) depth with noise per pixel and smooth noise, both growing with the square of the
    distance.
    """
    batch, size, _ = depth.shape
    fine = uniform(0.0, 0.003, batch, 1, 1, device=depth.device) * torch.randn_like(depth)
    wavy = uniform(0.0, 0.004, batch, 1, 1, device=depth.device) * smooth_noise(
        batch, 8, size, depth.device
    )
    return torch.where(depth > 0, (depth + (fine + wavy) * depth.square()).clamp_min(0.01), depth)


def augment_color(color: Tensor) -> Tensor:
    """(B, S, S, 3) uint8 colour under other light: gain, colour cast, contrast, saturation, gamma,
    uneven light and noise.
    """
    batch, size = color.shape[:2]
    device = color.device
    value = (color.float() / 255).pow(uniform(0.7, 1.4, batch, 1, 1, 1, device=device))
    gray = value.mean(dim=3, keepdim=True)
    value = gray + (value - gray) * uniform(0.5, 1.4, batch, 1, 1, 1, device=device)
    middle = value.mean(dim=(1, 2, 3), keepdim=True)
    value = middle + (value - middle) * uniform(0.7, 1.3, batch, 1, 1, 1, device=device)
    shade = 1 + 0.12 * smooth_noise(batch, 3, size, device).unsqueeze(3)
    gain = uniform(0.6, 1.4, batch, 1, 1, 1, device=device) * uniform(
        0.88, 1.12, batch, 1, 1, 3, device=device
    )
    noise = uniform(0.0, 0.04, batch, 1, 1, 1, device=device) * torch.randn_like(value)
    return ((value * shade * gain + noise).clamp(0, 1) * 255).to(torch.uint8)


def augment_view(inputs: NetworkInputs, max_roll: float) -> NetworkInputs:
    """Crops rolled about the viewing ray by up to ``max_roll`` radians (image, cloud and frame
    alike), scaled and shifted.
    """
    batch, device = len(inputs.class_index), inputs.image.device
    roll = roll_matrix(uniform(-max_roll, max_roll, batch, device=device))
    zoom = uniform(0.85, 1.1, batch, 1, 1, device=device)
    shift = uniform(-0.08, 0.08, batch, 2, device=device)
    linear = roll[:, :2, :2] * zoom
    pixels = inputs.pixels @ linear.mT + shift.unsqueeze(1)
    inverse = torch.linalg.inv(linear)
    theta = torch.cat([inverse, -(inverse @ shift.unsqueeze(2))], dim=2)
    grid = F.affine_grid(theta, list(inputs.image.shape), align_corners=False)
    image = F.grid_sample(inputs.image, grid, align_corners=False)
    return replace(
        inputs, image=image, cloud=inputs.cloud @ roll.mT, pixels=pixels, view=inputs.view @ roll.mT
    )
