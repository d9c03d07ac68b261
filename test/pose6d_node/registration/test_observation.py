# SPDX-License-Identifier: Apache-2.0
"""Normals are those of the surfaces, and only where there are surfaces."""

from __future__ import annotations

import numpy as np
import torch
from painted_box import CAMERA, ROTATION

from pose6d_node.densefusion.crops import cut_crop
from pose6d_node.registration.observation import Observation


def test_normals_are_those_of_the_sides(observation: Observation) -> None:
    normals = observation.surface[3:].mT
    normals = normals[normals.any(dim=1)].numpy()
    cosines = np.abs(normals @ ROTATION)
    assert np.quantile(cosines.max(axis=1), 0.2) > 0.999
    assert {*cosines.argmax(axis=1)} == {0, 1, 2}, "three sides are seen"


def test_no_normals_outside_the_mask_at_edges_and_beside_unknown_depth() -> None:
    depth = np.full((240, 320), 1.0, np.float32)
    depth[:, 160:] = 1.5
    depth[100:110, 100:110] = 0
    mask = np.zeros((240, 320), bool)
    mask[60:180, 80:240] = True
    crop = cut_crop(np.zeros((240, 320, 3), np.uint8), depth, CAMERA, mask, 0, 64, 1.25)
    observation = Observation.of(crop)
    has_normal = observation.surface[3:].any(dim=0).view(64, 64)
    seen, in_mask = observation.measured.view(2, 64, 64)

    assert not has_normal[in_mask == 0].any()
    assert not has_normal[:, 31:33].any(), "the step in depth"
    assert (has_normal.sum() / in_mask.sum()) > 0.8
    assert (seen[has_normal] > 0).all()


def test_projection_is_the_inverse_of_the_points(observation: Observation) -> None:
    known = (observation.measured[0] > 0).nonzero()[:, 0]
    instance = torch.zeros(1, dtype=torch.int64)
    row, column, inside = observation.project(observation.surface[None, :3, known], instance)
    assert inside.all()
    assert (row.long() * 64 + column.long())[0].tolist() == known.tolist()
