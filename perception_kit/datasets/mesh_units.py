# SPDX-License-Identifier: Apache-2.0
"""The unit of length of a mesh: told, of its format, or by the size that objects have."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Literal, get_args

import numpy as np

from perception_kit.datasets.mesh import MeshError

MeshUnit = Literal["auto", "m", "cm", "mm", "in"]
MESH_UNITS = get_args(MeshUnit)
METERS = {"m": 1.0, "cm": 0.01, "mm": 0.001, "in": 0.0254}

MESH_UNIT_HELP = (
    "unit of the meshes; auto: that of the format (GLB: m, BOP models: mm), else the one by which"
    " an object is 1 cm to 1 m long"
)

# Metres. The longest side of an object whose unit is not told, at least and below.
PLAUSIBLE = (0.01, 1.0)

# Metres. Of an object whose unit is told: with a warning outside of the first, refused outside of
# the second.
_USUAL, _POSSIBLE = (0.005, 3.0), (0.0005, 100.0)


def add_mesh_unit(add: Callable[..., argparse.Action]) -> None:
    """Add the option ``--mesh-unit`` by a parser's ``add_argument``."""
    add(
        "--mesh-unit",
        choices=MESH_UNITS,
        default="auto",
        help=f"{MESH_UNIT_HELP} (default: %(default)s)",
    )


def meters_per_unit(
    name: str, size: np.ndarray, unit: MeshUnit = "auto", stated: str | None = None
) -> tuple[float, str]:
    """Metres per unit of a mesh, and a line that says how large the object ``name`` is.

    ``size`` (3,) are its extents in the unit of the file; ``stated`` is the unit of its format, if
    that has one. Raises MeshError where the size allows several units, or none, and where no object
    is as large by the ``unit`` that is given.
    """
    if unit != "auto":
        return METERS[unit], _as_given(name, size, unit)

    # What the format says.
    fitting = [known for known, meters in METERS.items() if _plausible(size, meters)]
    if stated is not None:
        line = description(name, size * METERS[stated], stated, "of its format")
        if stated in fitting:
            return METERS[stated], line
        raise MeshError(
            f"{line}: {_expected()}; give its --mesh-unit (m, cm, mm, in),"
            f" {stated} if this is right"
        )

    # Meshes in metres are common, objects of less than an inch modelled in inches are not.
    if "m" in fitting or len(fitting) == 1:
        line = description(name, size * METERS[fitting[0]], fitting[0], "by its size")
        return METERS[fitting[0]], line

    sizes = ", ".join(f"{_millimeters(size * METERS[known])} in {known}" for known in METERS)
    problem = "several units are possible" if fitting else _expected()
    usual = "; parts from CAD are mostly in mm" if fitting else ""
    raise MeshError(
        f"{name}: {problem}: its size is {sizes}{usual}; give its --mesh-unit (m, cm, mm, in),"
        " or scale the mesh to metres"
    )


def _as_given(name: str, size: np.ndarray, unit: str) -> str:
    """The line of an object in a told unit, with a warning where it is very small or large."""
    line = description(name, size * METERS[unit], unit, "as given")
    largest = size.max() * METERS[unit]
    if _USUAL[0] <= largest <= _USUAL[1]:
        return line
    fitting = [known for known, meters in METERS.items() if _plausible(size, meters)]
    guess = f"is it in {' or '.join(fitting)}?" if fitting else "check its unit"
    if not _POSSIBLE[0] <= largest <= _POSSIBLE[1]:
        raise MeshError(f"{line}: expected 0.5 mm to 100 m by --mesh-unit {unit}: {guess}")
    return f"{line}: warning: objects are 5 mm to 3 m long; {guess}"


def _plausible(size: np.ndarray, meters: float) -> bool:
    return bool(PLAUSIBLE[0] <= size.max() * meters < PLAUSIBLE[1])


def _expected() -> str:
    return f"an object of {PLAUSIBLE[0] * 1000:.0f} mm to {PLAUSIBLE[1]:g} m is expected"


def description(name: str, size: np.ndarray, unit: str, reason: str) -> str:
    """A line that says how large an object of ``size`` (3,) metres is, and by which unit."""
    return f"{name}: {_millimeters(size)} (unit {unit}, {reason})"


def _millimeters(size: np.ndarray) -> str:
    sides = (f"{side:.0f}" if side >= 10 else f"{side:.1f}" for side in size * 1000)
    return " x ".join(sides) + " mm"
