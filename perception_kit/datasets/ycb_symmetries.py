# SPDX-License-Identifier: Apache-2.0
"""Symmetries of the YCB-Video objects, as in BOP's models_info.json (millimetres).

Which objects are symmetric follows the data set; the axes were fitted to its meshes (a half turn
leaves them within 0.8 mm on average).
"""

from __future__ import annotations

import numpy as np


def half_turn(
    axis: tuple[float, float, float], point_mm: tuple[float, float, float]
) -> list[float]:
    """Row-major (4, 4) matrix of the turn by 180 degrees about an axis through a point."""
    # Rodrigues' formula at 180 degrees: R = 2 d d^T - I.
    direction = np.asarray(axis) / np.linalg.norm(axis)
    matrix = np.eye(4)
    matrix[:3, :3] = 2 * np.outer(direction, direction) - np.eye(3)
    matrix[:3, 3] = np.asarray(point_mm) - matrix[:3, :3] @ point_mm
    return matrix.reshape(-1).tolist()


# Entries by the name of the model's folder.
YCB_SYMMETRIES: dict[str, dict] = {
    "024_bowl": {
        "symmetries_continuous": [{"axis": [0.0, 0.0092, 1.0], "offset": [0.25, -1.13, 0.0]}]
    },
    "036_wood_block": {
        "symmetries_discrete": [half_turn((-0.0061, -0.0024, 1.0), (-1.86, 2.05, 0.0))]
    },
    "051_large_clamp": {
        "symmetries_discrete": [half_turn((-0.147, 0.9875, 0.0565), (-0.5, -0.04, -0.58))]
    },
    "052_extra_large_clamp": {
        "symmetries_discrete": [half_turn((0.993, 0.118, -0.0025), (-0.06, 0.53, -0.11))]
    },
    "061_foam_brick": {
        "symmetries_discrete": [half_turn((0.0049, -0.0037, 1.0), (0.02, -0.22, 0.0))]
    },
}
