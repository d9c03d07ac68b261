# SPDX-License-Identifier: Apache-2.0
"""How well the colors of posed models agree with the image, whatever the light.

The light is fitted to each hypothesis, in the logarithm of the colors: an offset of each channel
(white balance, exposure), one directed light (Lambert's cosine, to first order) and one contrast.
"""

from __future__ import annotations

import torch
from torch import Tensor

from pose6d_node.registration.observation import Observation
from pose6d_node.registration.placement import PlacedSurfaces

POINTS = 320
MIN_FACING = 0.2  # cosine: color at grazing angles is that of the edge
COLOR_NOISE = 0.3  # in the logarithm of a color
MAX_COLOR_COST = 9.0  # three deviations: beyond, a pixel shows something else
# How hard the light is held to: no direction, and a contrast a little below the texture's own.
LIGHT_PRIOR, GAIN_PRIOR, GAIN = 2.0, 5.0, 0.8


def color_cost(observation: Observation, placed: PlacedSurfaces, confirmed: Tensor) -> Tensor:
    """(H,) mean robust squared error, in noise units, of the colors of (H, N) ``confirmed`` points
    that face the camera, once the light is fitted.
    """
    # Few points are left: go on without the others.
    chosen = confirmed.float().topk(min(POINTS, confirmed.shape[1]), dim=1, sorted=False).indices
    of_channels = chosen.unsqueeze(1).expand(-1, 3, -1)
    points, normals, own = (
        values.gather(2, of_channels)
        for values in (placed.points, placed.normals, placed.log_color)
    )
    seen = observation.at(observation.color, placed.pixel.gather(1, chosen)).transpose(0, 1)
    target, usable = seen[:, :3], seen[:, 3]
    # PyTorch's norm over channels takes ten times as long.
    distance = (points**2).sum(dim=1).sqrt()
    facing = -(normals * points).sum(dim=1) / distance
    weight = usable * (confirmed.gather(1, chosen) & (facing > MIN_FACING))

    # Fit, then fit again with less weight on what does not follow the light: highlights, shadows.
    robust = weight
    for _ in range(2):
        offset, light, contrast = _fit_light(robust, normals, own, target)
        shading = light.unsqueeze(1) @ normals
        error = target - offset.unsqueeze(2) - shading - contrast.view(-1, 1, 1) * own
        squared = (error / COLOR_NOISE) ** 2
        robust = weight / (1 + squared.mean(dim=1))

    cost = (squared.clamp(max=MAX_COLOR_COST).mean(dim=1) * weight).sum(dim=1)
    return cost / weight.sum(dim=1).clamp(min=1)


def _fit_light(
    weight: Tensor, normals: Tensor, own: Tensor, target: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Offsets (H, 3), light (H, 3) and contrast (H,) that best explain the (H, 3, N) ``target`` by
    the ``own`` colors and the ``normals``: weighted least squares, (H, N) ``weight``.
    """
    # All sums of products at once: of one, normals, own colors and target.
    terms = torch.cat([torch.ones_like(weight).unsqueeze(1), normals, own, target], dim=1)
    sums = (terms * weight.unsqueeze(1)) @ terms.mT
    total, of_normals, of_own, of_target = sums[:, 0].split([1, 3, 3, 3], dim=1)
    normal_normal, normal_own, normal_target = sums[:, 1:4, 1:].split([3, 3, 3], dim=2)
    own_own = sums[:, 4:7, 4:7].diagonal(dim1=1, dim2=2).sum(dim=1)
    own_target = sums[:, 4:7, 7:10].diagonal(dim1=1, dim2=2).sum(dim=1)

    # The normal equations: three offsets, three components of the light, the contrast.
    matrix = sums.new_zeros(len(sums), 7, 7)
    identity = torch.eye(3, device=sums.device)
    matrix[:, :3, :3] = (total + 1e-2).unsqueeze(2) * identity
    matrix[:, :3, 3:6] = of_normals.unsqueeze(1)
    matrix[:, :3, 6] = of_own
    matrix[:, 3:6, 3:6] = 3 * normal_normal + LIGHT_PRIOR * identity
    matrix[:, 3:6, 6] = normal_own.sum(dim=2)
    matrix[:, 6, 6] = own_own + GAIN_PRIOR
    matrix = matrix.triu() + matrix.triu(1).mT
    right = torch.cat(
        [of_target, normal_target.sum(dim=2), (own_target + GAIN_PRIOR * GAIN).unsqueeze(1)], dim=1
    )
    solution = torch.linalg.solve(matrix, right.unsqueeze(2)).squeeze(2)
    return solution[:, :3], solution[:, 3:6], solution[:, 6]
