# SPDX-License-Identifier: Apache-2.0
"""Rewrites PLY files as trimesh takes them.

trimesh expects a header in UTF-8, and reads no binary file whose faces have different numbers of
corners.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from perception_kit.datasets.mesh import MeshError
from perception_kit.datasets.mesh_text import Prepared, lines_of

# Texture coordinates of vertices and faces, and corners of faces, as tools name them.
COORDINATES = {"s", "t", "u", "v", "texture_u", "texture_v", "texcoord"}
CORNERS = ("vertex_indices", "vertex_index")
TYPES = {
    **{"char": "i1", "uchar": "u1", "short": "i2", "ushort": "u2", "int": "i4", "uint": "u4"},
    **{"int8": "i1", "uint8": "u1", "int16": "i2", "uint16": "u2", "int32": "i4", "uint32": "u4"},
    **{"float": "f4", "double": "f8", "float32": "f4", "float64": "f8"},
}
CUT_OFF = "declares {} faces, but ends before: the file is damaged"


@dataclass
class Property:
    """A value of each vertex or face, or a list, whose length has the type ``counter``."""

    name: str
    dtype: np.dtype
    counter: np.dtype | None


def prepare_ply(content: bytes) -> Prepared:
    """The header in UTF-8, and triangles where binary faces have different numbers of corners.

    Texture coordinates are left out where no texture is named. Raises MeshError.
    """
    end = re.search(rb"end_header[ \t]*\r?\n", content)
    if not content.startswith(b"ply") or end is None:
        raise MeshError("is damaged or is not a PLY file")
    lines = [line for line in lines_of(content[: end.start()]) if line]
    lines = [re.sub(r"^(property .*)\bdiffuse_", r"\1", line) for line in lines]
    body = content[end.end() :]

    textures = {line.split(None, 2)[2] for line in lines if _names_texture(line)}
    if len(textures) > 1:
        raise MeshError(
            f"names {len(textures)} textures ({', '.join(sorted(textures))}), one can be read:"
            " bake them into one, or export the mesh as OBJ or GLB"
        )
    if not textures:
        lines = [_without_coordinates(line) for line in lines]

    lines, body = _with_triangles(lines, body)
    header = "\n".join([*lines, "end_header", ""]).encode()
    counts = [int(line.split()[2]) for line in lines if line.startswith("element face ")]
    return Prepared(header + body, counts[0] if counts else 0)


def _names_texture(line: str) -> bool:
    return line.lower().startswith("comment texturefile ")


def _without_coordinates(line: str) -> str:
    words = line.split()
    unused = words[0] == "property" and words[-1] in COORDINATES
    return " ".join([*words[:-1], f"unused_{words[-1]}"]) if unused else line


def _with_triangles(lines: list[str], body: bytes) -> tuple[list[str], bytes]:
    """Header lines and body with polygons as triangle fans, where faces differ in corners."""
    starts = [number for number, line in enumerate(lines) if line.startswith("element ")]
    ends = [*starts[1:], len(lines)]
    elements = [lines[start:end] for start, end in zip(starts, ends, strict=True)]
    names = [element[0].split()[1] for element in elements]
    if "ascii" in lines[1] or names[:2] != ["vertex", "face"]:
        return lines, body

    # Where the faces begin.
    order = ">" if "big_endian" in lines[1] else "<"
    vertex, face = (_properties(element, order) for element in elements[:2])
    num_vertices, num_faces = (int(element[0].split()[2]) for element in elements[:2])
    start = num_vertices * sum(item.dtype.itemsize for item in vertex)
    if any(item.counter for item in vertex) or num_faces == 0:
        return lines, body
    if _all_alike(face, body, start, num_faces):
        return lines, body

    triangles = _fans(face, body, start, num_faces)
    faces = [f"element face {len(triangles)}", *elements[1][1:]]
    return [*lines[: starts[1]], *faces], body[:start] + b"".join(triangles)


def _properties(element: list[str], order: str) -> list[Property]:
    properties = []
    for line in element:
        words = line.split()
        if words[0] != "property":
            continue
        types = words[2:-1] if words[1] == "list" else words[1:-1]
        if unknown := [name for name in types if name not in TYPES]:
            raise MeshError(f"has a property of the type '{unknown[0]}', which PLY does not have")
        counter = np.dtype(order + TYPES[words[2]]) if words[1] == "list" else None
        properties.append(Property(words[-1], np.dtype(order + TYPES[words[-2]]), counter))
    return properties


def _all_alike(properties: list[Property], body: bytes, start: int, count: int) -> bool:
    """True where all faces have 3 corners, or all have 4, and the lists of one face's lengths."""
    fields: list[tuple[str, object]] = []
    lengths = {}
    for number, item in enumerate(properties):
        name = str(number)
        if item.counter is not None:
            fields.append((f"{name} count", item.counter))
            dtype = np.dtype(fields)
            if start + dtype.itemsize > len(body):
                raise MeshError(CUT_OFF.format(count))
            length = int(np.frombuffer(body, dtype, 1, start)[fields[-1][0]][0])
            lengths[f"{name} count"] = length
            if item.name in CORNERS and length not in (3, 4):
                return False
            fields.append((name, (item.dtype, (length,))))
        else:
            fields.append((name, item.dtype))

    dtype = np.dtype(fields)
    if start + count * dtype.itemsize > len(body):
        return False
    faces = np.frombuffer(body, dtype, count, start)
    return all(bool((faces[name] == length).all()) for name, length in lengths.items())


def _fans(properties: list[Property], body: bytes, start: int, count: int) -> list[bytes]:
    """The triangle fans of ``count`` faces.

    Lists of a face hold one or several values for each of its corners.
    """
    triangles: list[bytes] = []
    for _ in range(count):
        values = []
        for item in properties:
            length = 1
            if item.counter is not None:
                length = int(_read(item.counter, body, 1, start, count)[0])
                start += item.counter.itemsize
            values.append(_read(item.dtype, body, length, start, count))
            start += length * item.dtype.itemsize

        corners = next(
            (len(v) for item, v in zip(properties, values, strict=True) if item.name in CORNERS), 0
        )
        for second in range(1, corners - 1):
            chosen = [0, second, second + 1]
            parts = zip(properties, values, strict=True)
            triangles.append(b"".join(_of_corners(item, v, corners, chosen) for item, v in parts))
    return triangles


def _of_corners(item: Property, values: np.ndarray, corners: int, chosen: list[int]) -> bytes:
    """A property of a triangle, from its values for the face."""
    if item.counter is None:
        return values.tobytes()
    if len(values) % corners:
        raise MeshError(f"lists {len(values)} values for a face of {corners} corners")
    kept = values.reshape(corners, -1)[chosen]
    return np.array([kept.size], item.counter).tobytes() + kept.tobytes()


def _read(dtype: np.dtype, body: bytes, length: int, start: int, faces: int) -> np.ndarray:
    if length < 0 or start + length * dtype.itemsize > len(body):
        raise MeshError(CUT_OFF.format(faces))
    return np.frombuffer(body, dtype, length, start)
