# SPDX-License-Identifier: Apache-2.0
"""Whether the unit of the depth can be right: objects must not look larger than they are.

An object's mask, at the distance that the depth states, is at most as wide as the diameter of its
model, and not far below it unless most of the object is hidden.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from perception_kit.types import Instance, Intrinsics

# Between these the median ratio of width and diameter can be that of objects as they are.
_SMALLEST, _LARGEST = 0.2, 1.4
_TYPICAL = 0.8

_UNEXPLAINED = 2.0  # beyond this ratio to the nearest factor it is not named
FEWEST = 5  # objects to judge by

# What a wrong unit makes of the depth
_FACTORS = {
    10.0: "units of 0.1 mm read as millimetres",
    4.0: "units of 0.25 mm read as millimetres",
    1000.0: "millimetres read as metres",
    0.25: "units of 4 mm read as millimetres",
    0.1: "centimetres read as millimetres",
    0.001: "metres read as millimetres",
}


def metric_width(instance: Instance, depth: np.ndarray, intrinsics: Intrinsics) -> float | None:
    """Larger side of the mask's rectangle, in metres at the median depth of the mask.

    ``depth`` (H, W) in metres, 0 where unknown. None where the mask covers no depth, and where it
    touches the border of the image, which hides the rest of the object.
    """
    rows, columns = np.nonzero(instance.mask)
    if not len(rows):
        return None
    u, v = columns + instance.mask_origin[0], rows + instance.mask_origin[1]
    height, width = depth.shape
    if u.min() <= 0 or v.min() <= 0 or u.max() >= width - 1 or v.max() >= height - 1:
        return None

    z = depth[v, u]
    if not (z > 0).any():
        return None
    distance = float(np.median(z[z > 0]))
    return distance * max(np.ptp(u) / intrinsics.fx, np.ptp(v) / intrinsics.fy)


def is_plausible(ratios: Sequence[float]) -> bool:
    """Whether metric widths of objects over the diameters of their models can be right.

    A few of them are too little to judge by.
    """
    return len(ratios) < FEWEST or _SMALLEST <= float(np.median(ratios)) <= _LARGEST


def scale_warning(ratios: Iterable[float]) -> str | None:
    """What is wrong with the depth's unit where the ``ratios`` are not plausible; None else."""
    known = list(ratios)
    if is_plausible(known):
        return None
    median = float(np.median(known))

    factor = min(_FACTORS, key=lambda known: abs(np.log(median / _TYPICAL / known)))
    size = f"{median:.1f} times as large" if median > 1 else f"{median:.2g} times as large"
    if abs(np.log(median / _TYPICAL / factor)) > np.log(_UNEXPLAINED):
        return (
            f"by depth and camera_info, {len(known)} objects look {size} as their models, which no"
            " common unit explains: check the byte order (is_bigendian) and the unit of the depth,"
            " and camera_info"
        )
    wrong = f"{factor:g} times too large" if factor > 1 else f"{1 / factor:g} times too small"
    return (
        f"by depth and camera_info, {len(known)} objects look {size} as their models: the depth is"
        f" probably {wrong} ({_FACTORS[factor]}); set depth_scale to the metres of a unit"
    )
