# SPDX-License-Identifier: Apache-2.0
"""Files that a mesh refers to: material libraries and textures, found as their tools name them."""

from __future__ import annotations

import io
import os
import re
import unicodedata
from pathlib import Path

from PIL import Image
from trimesh.resolvers import Resolver

from perception_kit.budgets import regular
from perception_kit.datasets.mesh import MeshError
from perception_kit.datasets.mesh_text import decode

# What all material libraries together, and the only material of theirs, are called towards trimesh.
MATERIALS = "materials.mtl"
ONLY_MATERIAL = "the-only-material"

LFS_POINTER = b"version https://git-lfs.github.com/spec/"

# Options before the file name of a texture in a material library.
OPTIONS = re.compile(
    r"(?:-(?:blendu|blendv|cc|clamp|type|imfchan)\s+\S+\s+"
    r"|-(?:mm|o|s|t|bm|boost|texres)(?:\s+[-+.\deE]+)+\s+)*"
)


def read_content(path: Path) -> bytes:
    """Content of a file. Raises MeshError for one that is missing or empty, or is no content."""
    try:
        content = regular(path).read_bytes()
    except OSError as error:
        raise MeshError(f"{path}: cannot be read: {error.strerror or error}") from error
    if content.startswith(LFS_POINTER):
        raise MeshError(
            f"{path}: is a Git LFS pointer, not the file itself: run 'git lfs pull' in its"
            " repository"
        )
    if not content.strip():
        raise MeshError(f"{path} is empty: copy or export it again")
    return content


class Assets(Resolver):
    """Finds the files that ``mesh`` names, for trimesh, which goes on without those it misses.

    ``errors`` says what could not be used.
    """

    def __init__(self, mesh: Path) -> None:
        self.mesh = mesh
        self.errors: list[MeshError] = []
        self._materials = ""

    def add_materials(self, name: str) -> None:
        """Read a material library, or several whose names are separated by blanks.

        Raises MeshError.
        """
        whole = find_file(self.mesh.parent, name)
        names = [name] if whole is not None else name.split()
        for one in names:
            path = find_file(self.mesh.parent, one)
            if path is None:
                raise MeshError(
                    f"{self.mesh}: its material library '{one}' is missing: put it beside the mesh"
                    " (or remove the mtllib line: the object is gray then)"
                )
            self._materials += decode(read_content(path)) + "\n"

    def get(self, name: str) -> bytes:
        """Content of a file, which is an image unless it is the material library."""
        if name == MATERIALS:
            # Faces without a material have the only one that there is.
            only = len(re.findall(r"(?m)^\s*newmtl\s", self._materials)) == 1
            line = f"newmtl {ONLY_MATERIAL}"
            renamed = re.sub(r"newmtl\s.*", line, self._materials) if only else ""
            return (self._materials + renamed).encode()
        try:
            return self._image(name)
        except MeshError as error:
            self.errors.append(error)
            raise

    def _image(self, name: str) -> bytes:
        plain = name.strip()[OPTIONS.match(name.strip()).end() :]  # type: ignore[union-attr]  # matches the empty text, too
        path = find_file(self.mesh.parent, name) or find_file(self.mesh.parent, plain)
        if path is None:
            raise MeshError(
                f"{self.mesh}: its texture '{plain}' is missing: put it beside the mesh"
            )
        content = read_content(path)
        try:
            Image.open(io.BytesIO(content)).convert("RGB")
        except (OSError, SyntaxError, ValueError) as error:
            raise MeshError(
                f"{path}: the texture of {self.mesh.name} is damaged or no image: copy or export it"
                " again, as PNG or JPEG"
            ) from error
        return content

    def write(self, name: str, data: object) -> None:
        """Nothing is written."""
        raise NotImplementedError

    def namespaced(self, namespace: str) -> Assets:
        """Files are found below the mesh's folder only."""
        raise NotImplementedError

    def keys(self) -> list[str]:
        """Names are not listed."""
        return []


def find_file(folder: Path, name: str) -> Path | None:
    """The file that a mesh in ``folder`` calls ``name``, None where there is none.

    Backslashes separate folders; upper and lower case, and the encoding of letters, may differ; a
    path of another machine is looked for by its last part.
    """
    parts = [part for part in name.strip().strip('"').replace("\\", "/").split("/") if part]
    if not parts:
        return None
    absolute = Path(name.strip())
    try:
        if absolute.is_absolute() and absolute.is_file():
            return absolute
        return _walk(folder, parts) or _walk(folder, parts[-1:])
    except OSError:  # no file has so long a name
        return None


def _walk(folder: Path, parts: list[str]) -> Path | None:
    path = folder
    for part in parts:
        if (path / part).exists():
            path = path / part
            continue
        entries = sorted(path.iterdir()) if path.is_dir() else []
        path = next((entry for entry in entries if _key(entry.name) == _key(part)), path / part)
    return path if path.is_file() else None


def _key(name: str) -> str:
    """The name without regard to case, to composed letters and to its encoding on the disk."""
    return unicodedata.normalize("NFC", decode(os.fsencode(name))).casefold()
