# SPDX-License-Identifier: Apache-2.0
"""Rewrites OBJ and STL files as trimesh takes them.

trimesh expects UTF-8, one blank between words and plain numbers, and counts negative indices of OBJ
files from the end of the file.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass, field

from perception_kit.datasets.mesh import MeshError


@dataclass
class Prepared:
    """A file for trimesh: its content, and what must come out of it.

    ``triangles`` is the least number of triangles, and ``libraries`` are the names of the material
    libraries of an OBJ file.
    """

    content: bytes
    triangles: int = 0
    libraries: list[str] = field(default_factory=list)


def decode(content: bytes) -> str:
    """Text in UTF-8, else in Latin-1, in which every sequence of bytes is a text."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def lines_of(content: bytes) -> list[str]:
    """Lines of a text, whatever ends them, without surrounding blanks."""
    text = decode(content).replace("\r\n", "\n").replace("\r", "\n")
    return [line.strip() for line in text.split("\n")]


def prepare_obj(content: bytes, materials: str, material: str) -> Prepared:
    """Polygons as triangle fans of absolute indices; ``materials`` is the one material library,
    and ``material`` that of faces before the first that is named.

    Normals, groups and comments are left out. Raises MeshError for a line that cannot be read.
    """
    prepared = Prepared(b"")
    vertices, coordinates, faces = [], [], [f"usemtl {material}"]
    last_vertex = last_coordinate = 0
    joined = content.replace(b"\\\r\n", b" ").replace(b"\\\n", b" ")
    for number, line in enumerate(lines_of(joined), start=1):
        keyword, _, rest = line.replace("\t", " ").partition(" ")
        try:
            if keyword == "v":
                vertices.append(f"v {_numbers(rest, least=3)}")
            elif keyword == "vt":
                coordinates.append(f"vt {_numbers(rest + ' 0', least=2)}")
            elif keyword == "f":
                fan = _fan(rest.partition("#")[0].split(), len(vertices), len(coordinates))
                last_vertex = max(last_vertex, *(vertex for vertex, _ in fan))
                last_coordinate = max(last_coordinate, *(coordinate for _, coordinate in fan))
                faces += [_face(fan[i : i + 3]) for i in range(0, len(fan), 3)]
                prepared.triangles += len(fan) // 3
            elif keyword == "usemtl":
                faces.append(f"usemtl {rest.strip()}")
            elif keyword == "mtllib":
                prepared.libraries.append(rest.strip())
        except ValueError as error:
            raise MeshError(f"line {number}: cannot read {line!r:.80}: {error}") from error

    if last_vertex > len(vertices) or last_coordinate > len(coordinates):
        raise MeshError("a face refers to a vertex that is not in the file (truncated file?)")
    head = [f"mtllib {materials}"] if prepared.libraries else []
    prepared.content = "\n".join([*head, *vertices, *coordinates, *faces, ""]).encode()
    return prepared


def _numbers(text: str, least: int) -> str:
    words = text.partition("#")[0].split()
    if len(words) < least:
        raise ValueError(f"expected {least} numbers")
    # A vertex has 3 numbers, or 6 with its color; a fourth one is a weight.
    kept = words[: 6 if least == 3 and len(words) >= 6 else least]
    return " ".join(repr(float(word)) for word in kept)


def _fan(words: list[str], vertices: int, coordinates: int) -> list[tuple[int, int]]:
    """Pairs of vertex and texture coordinate, three for each triangle, counted from 1.

    The coordinate is 0 where the face has none. Negative indices count back from the line.
    """
    if len(words) < 3:
        raise ValueError(f"face of {len(words)} corners")
    corners = []
    for word in words:
        vertex, coordinate = ([int(part or 0) for part in word.split("/")] + [0])[:2]
        vertex += vertices + 1 if vertex < 0 else 0
        coordinate += coordinates + 1 if coordinate < 0 else 0
        if vertex < 1 or coordinate < 0:
            raise ValueError("a corner that is not in the file")
        corners.append((vertex, coordinate))

    if not all(coordinate for _, coordinate in corners):
        corners = [(vertex, 0) for vertex, _ in corners]
    edges = itertools.pairwise(corners[1:])
    return [corner for second, third in edges for corner in (corners[0], second, third)]


def _face(corners: list[tuple[int, int]]) -> str:
    return "f " + " ".join(f"{v}/{vt}" if vt else f"{v}" for v, vt in corners)


def prepare_stl(content: bytes) -> Prepared:
    """Text in UTF-8. Raises MeshError for a binary file that was cut off."""
    declared = int.from_bytes(content[80:84], "little")
    if len(content) == 84 + 50 * declared:
        return Prepared(content, declared)
    if b"vertex" not in content:
        raise MeshError(
            f"declares {declared} triangles, which is not what its {len(content)} bytes hold:"
            " the file is damaged or no STL file"
        )
    text = decode(content)
    return Prepared(text.encode(), len(re.findall(r"\bendfacet\b|\bend facet\b", text.lower())))
