# SPDX-License-Identifier: Apache-2.0
"""Where hypotheses come from: turns of a known pose, and views of the model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from perception_kit.types import PoseEstimate
from pose6d_node.registration.observation import Observation
from pose6d_node.registration.placement import Hypotheses, Surfaces

# No rotation is further than 36 degrees from one of these 480 views, and registration reaches that
# far. Three times as many found no more on real frames.
VIEWPOINTS, ROLLS = 60, 8
CENTER_POINTS = 300

# Half turns about the three axes of a model.
_HALF_TURNS = ((1.0, -1.0, -1.0), (-1.0, 1.0, -1.0), (-1.0, -1.0, 1.0))


def half_turns(surfaces: Surfaces, class_index: Tensor, hypotheses: Hypotheses) -> Hypotheses:
    """The H ``hypotheses``, then the three half turns of each about the center of the model's box.

    Boxes, bottles and cans nearly look the same after these. ``class_index`` (B,) are the classes
    of the instances.
    """
    turns = torch.diag_embed(torch.tensor(_HALF_TURNS))
    turned = turned_about_center(surfaces, class_index, hypotheses, [turns] * len(hypotheses))
    return Hypotheses.concatenate([hypotheses, turned])


def turned_about_center(
    surfaces: Surfaces, class_index: Tensor, hypotheses: Hypotheses, turns: Sequence[Tensor]
) -> Hypotheses:
    """Each hypothesis with each of its ``turns`` (K, 3, 3) applied to its model, about the center
    of the model's box. K may differ, and be 0.
    """
    if not len(hypotheses):
        return hypotheses
    counts = torch.tensor([len(turn) for turn in turns], device=class_index.device)
    source = torch.arange(len(hypotheses), device=class_index.device).repeat_interleave(counts)
    start = hypotheses.select(source)
    center = surfaces.box_centers()[class_index[start.instance]].unsqueeze(2)
    turned = start.rotation @ torch.cat([*turns]).to(start.rotation)
    shift = (start.rotation - turned) @ center
    return Hypotheses(start.instance, turned, start.translation + shift.squeeze(2))


def previous_poses(
    observation: Observation,
    surfaces: Surfaces,
    class_names: Sequence[str],
    poses: Sequence[PoseEstimate],
) -> Hypotheses:
    """Of each instance, the nearest of the last frame's ``poses`` of its class, if it is within a
    diameter of the measured surface.
    """
    measured = observation.measured_center()
    nearest: list[tuple[int, PoseEstimate]] = []
    for instance, index in enumerate(observation.class_index.tolist()):
        center, diameter = surfaces.box_centers()[index], float(surfaces.diameters[index])
        distances = {
            k: float((_box_center(pose, center) - measured[instance]).norm())
            for k, pose in enumerate(poses)
            if pose.class_name == class_names[index]
        }
        k = min(distances, key=distances.__getitem__, default=None)
        if k is not None and distances[k] < diameter:
            nearest.append((instance, poses[k]))
    if not nearest:
        return Hypotheses.none(measured.device)

    return Hypotheses(
        torch.tensor([instance for instance, _ in nearest], device=measured.device),
        torch.from_numpy(np.stack([pose.rotation for _, pose in nearest])).to(measured),
        torch.from_numpy(np.stack([pose.translation for _, pose in nearest])).to(measured),
    )


def _box_center(pose: PoseEstimate, center: Tensor) -> Tensor:
    """The (3,) ``center`` of a model at a pose, camera frame."""
    rotation = torch.from_numpy(pose.rotation).to(center)
    return rotation @ center + torch.from_numpy(pose.translation).to(center)


def views(observation: Observation, surfaces: Surfaces, instances: Tensor) -> Hypotheses:
    """All ``view_rotations`` of each of the ``instances`` (K,), one after the other.

    The center of the surface that a view shows is put on the center of the measured one.
    """
    rotations = view_rotations().to(surfaces.points)
    class_index = observation.class_index[instances]
    points = surfaces.points[class_index, :CENTER_POINTS]
    normals = surfaces.normals[class_index, :CENTER_POINTS]
    center = observation.measured_center()[instances]
    ray = center / center.norm(dim=1, keepdim=True)

    # (K, V, N): which points each view shows, in the model's frame: there the camera is turned.
    rays = torch.einsum("vij,bi->bvj", rotations, ray)
    shown = (torch.einsum("bvj,bnj->bvn", rays, normals) < 0).to(points)
    shown_center = shown @ points / shown.sum(dim=2, keepdim=True).clamp(min=1)
    shift = torch.einsum("vij,bvj->bvi", rotations, shown_center)

    return Hypotheses(
        instances.repeat_interleave(len(rotations)),
        rotations.repeat(len(center), 1, 1),
        (center.unsqueeze(1) - shift).flatten(0, 1),
    )


@lru_cache(maxsize=1)
def view_rotations() -> Tensor:
    """(V, 3, 3) model to camera: ``VIEWPOINTS`` on a Fibonacci sphere, each with ``ROLLS`` evenly
    spaced turns about the viewing direction.
    """
    # Viewpoints, evenly spread.
    index = torch.arange(VIEWPOINTS, dtype=torch.float64) + 0.5
    polar = torch.arccos(1 - 2 * index / VIEWPOINTS)
    azimuth = math.pi * (1 + math.sqrt(5)) * index
    viewpoint = torch.stack(
        [azimuth.cos() * polar.sin(), azimuth.sin() * polar.sin(), polar.cos()], dim=1
    )

    # A camera there looks at the center; its x axis is perpendicular to some fixed axis.
    forward = -viewpoint
    fixed = torch.eye(3, dtype=torch.float64)
    steep = forward[:, 2:].abs() > 0.9
    right = torch.linalg.cross(torch.where(steep, fixed[0], fixed[2]), forward)
    right = right / right.norm(dim=1, keepdim=True)
    looking = torch.stack([right, torch.linalg.cross(forward, right), forward], dim=1)

    # Rolls of the camera.
    angle = 2 * math.pi * torch.arange(ROLLS, dtype=torch.float64) / ROLLS
    sine, cosine, zero, one = angle.sin(), angle.cos(), 0 * angle, 0 * angle + 1
    roll = torch.stack([cosine, -sine, zero, sine, cosine, zero, zero, zero, one], dim=1)
    return (roll.view(1, ROLLS, 3, 3) @ looking.unsqueeze(1)).flatten(0, 1).float()
