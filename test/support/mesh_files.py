# SPDX-License-Identifier: Apache-2.0
"""Writes a box of 120 x 80 x 60 mm as people bring their objects."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import trimesh

HALF = np.array([0.06, 0.04, 0.03])
CORNERS = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]) * HALF
# -x, +x, -y, +y, -z, +z
QUADS = ((0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3))
UV = ("vt 0 0", "vt 1 0", "vt 1 1", "vt 0 1")
RED, GREEN, BLUE = (200, 30, 40), (20, 180, 60), (30, 60, 210)


def box(scale: float = 1.0) -> trimesh.Trimesh:
    """The box as triangles, without colors."""
    fans = [[q[0], q[k], q[k + 1]] for q in QUADS for k in (1, 2)]
    return trimesh.Trimesh(CORNERS * scale, fans, process=False)


def obj_text(
    scale: float = 1.0,
    materials: tuple[str, ...] = (),
    textured: bool = True,
) -> str:
    """An OBJ file of quads, whose sides share the materials in turn."""
    lines = ["mtllib b.mtl"] if materials else []
    lines += [f"v {x:.6g} {y:.6g} {z:.6g}" for x, y, z in CORNERS * scale]
    lines += UV if textured else ()
    for number, quad in enumerate(QUADS):
        if materials:
            lines.append(f"usemtl {materials[number * len(materials) // 6]}")
        words = (f"{v + 1}/{k}" if textured else str(v + 1) for k, v in enumerate(quad, start=1))
        lines.append("f " + " ".join(words))
    return "\n".join(lines) + "\n"


def write_obj(
    path: Path, materials: str = "newmtl a\nmap_Kd t.png\n", scale: float = 1.0, **changes: bool
) -> Path:
    """The box with a library of materials beside it."""
    names = tuple(line[7:] for line in materials.splitlines() if line.startswith("newmtl "))
    path.parent.mkdir(parents=True, exist_ok=True)
    (path.parent / "b.mtl").write_text(materials)
    path.write_text(obj_text(scale, names, **changes))
    return path


def write_picture(path: Path, color: tuple[int, int, int], size: int = 16) -> Path:
    """An image of one RGB color."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = cv2.imencode(path.suffix, np.full((size, size, 3), color[::-1], np.uint8))[1]
    path.write_bytes(content.tobytes())
    return path
