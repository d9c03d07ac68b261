# SPDX-License-Identifier: Apache-2.0
"""Finds the meshes of a folder of objects, and reads them in metres."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from perception_kit.datasets.files import DatasetError, by_number, read_json
from perception_kit.datasets.mesh import MESH_FORMATS, MeshError, TexturedMesh, refuse_flat
from perception_kit.datasets.mesh_units import MeshUnit, meters_per_unit

# Formats of meshes and solids that are not read
OTHER_FORMATS = (
    ".3ds", ".3mf", ".blend", ".dae", ".fbx", ".gltf", ".iges", ".igs", ".off",
    ".sldprt", ".step", ".stp", ".usd", ".usdz", ".wrl", ".x3d",
)  # fmt: skip
_HIDDEN = (".", "__MACOSX")
_NAMED = 6

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class ObjectFile:
    """Name and mesh of an object, and the unit and the number that the folder's layout gives it."""

    name: str
    path: Path
    unit: str | None = None
    number: int | None = None

    def read(self, unit: MeshUnit) -> tuple[TexturedMesh, float, list[str]]:
        """The mesh in metres, metres per unit of its file, and lines for the user: its size, and
        what it lacks.

        Raises MeshError, also for a flat mesh.
        """
        from perception_kit.datasets.mesh_file import read_mesh  # importing trimesh takes a second

        file = read_mesh(self.path)
        refuse_flat(self.path, file.mesh)
        stated = self.unit or file.unit
        try:
            factor, line = meters_per_unit(self.name, file.mesh.size, unit, stated)
        except MeshError as error:
            raise MeshError(f"{self.path}: {error}") from error
        return file.mesh.scaled(factor), factor, [line, *file.notes]


def find_objects(folder: Path) -> list[ObjectFile]:
    """The objects of a folder, in alphabetic order.

    Each has a sub-folder of its name with a mesh, or a mesh of its name; a BOP models folder names
    its objects in models_info.json. Raises MeshError where there are none, or several meshes of one
    object.
    """
    entries = sorted(folder.iterdir()) if folder.is_dir() else []
    if (folder / "models_info.json").is_file() and numbered_meshes(folder):
        return _bop_objects(folder)
    unit = "mm" if (folder / "models_info.yml").is_file() else None  # LineMOD

    files = [path for path in entries if path.suffix.lower() in MESH_FORMATS]
    if files:
        stems = sorted({path.stem for path in files})
        grouped = [[path for path in files if path.stem == stem] for stem in stems]
        return [ObjectFile(group[0].stem, _preferred(group), unit) for group in grouped]

    folders = [path for path in entries if path.is_dir() and not path.name.startswith(_HIDDEN)]
    if not folders:
        raise MeshError(
            f"{folder}: expected a folder with one sub-folder or one mesh per object"
            f" ({', '.join(MESH_FORMATS)}); {_found(entries)}"
        )
    return read_all(lambda path: ObjectFile(path.name, mesh_of(path), unit), folders)


def _bop_objects(folder: Path) -> list[ObjectFile]:
    path = folder / "models_info.json"
    objects = []
    for class_id, entry in by_number(read_json(path), path):
        if entry.get("articulated", False):
            continue
        mesh = numbered_mesh(folder, class_id)
        if not mesh.is_file():
            raise MeshError(f"{path}: lists object {class_id}, but '{mesh.name}' does not exist")
        objects.append(ObjectFile(str(entry.get("name", mesh.stem)), mesh, "mm", class_id))
    return objects


def numbered_mesh(folder: Path, class_id: int) -> Path:
    """The mesh of a BOP object: its PLY file, or one of another format where that exists only."""
    stem = folder / f"obj_{class_id:06d}"
    paths = [stem.with_suffix(ending) for ending in (".ply", *MESH_FORMATS)]
    return next((path for path in paths if path.is_file()), paths[0])


def numbered_meshes(folder: Path) -> dict[int, Path]:
    """Meshes of a folder that are called as in BOP, by ascending number."""
    stems = {path.stem for path in folder.glob("obj_*.*") if path.suffix.lower() in MESH_FORMATS}
    numbers = sorted(int(stem[4:]) for stem in stems if len(stem) == 10 and stem[4:].isdecimal())
    return {number: numbered_mesh(folder, number) for number in numbers}


def has_mesh(folder: Path) -> bool:
    """True where at least one mesh lies in the folder itself."""
    return any(path.suffix.lower() in MESH_FORMATS for path in folder.iterdir())


def mesh_of(folder: Path) -> Path:
    """The mesh of an object's folder: the one called ``textured``, else the only one.

    Of files of one name that differ in format, the one that tells most of its looks is taken.
    Raises MeshError.
    """
    entries = sorted(folder.iterdir())
    files = [path for path in entries if path.suffix.lower() in MESH_FORMATS]
    if not files:
        raise MeshError(
            f"{folder}: expected one mesh ({', '.join(MESH_FORMATS)}), {_found(entries)}"
        )
    textured = [path for path in files if path.stem == "textured"]
    chosen = textured or files
    if len({path.stem for path in chosen}) != 1:
        names = [path.name for path in files]
        raise MeshError(
            f"{folder}: expected one mesh ({', '.join(MESH_FORMATS)}), found {names}:"
            " remove the others, or call the right one 'textured'"
        )
    return _preferred(chosen)


def _found(entries: Sequence[Path]) -> str:
    """What a folder without meshes holds instead, and what to do."""
    names = [path.name for path in entries if not path.name.startswith(_HIDDEN)]
    if others := [name for name in names if Path(name).suffix.lower() in OTHER_FORMATS]:
        return f"found '{others[0]}': convert it to one of these (Blender, FreeCAD)"
    return f"found {names[:_NAMED] if names else 'nothing'}: put the mesh there"


def _preferred(files: Sequence[Path]) -> Path:
    return min(files, key=lambda path: MESH_FORMATS.index(path.suffix.lower()))


def read_all(read: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """``read`` of each item. Raises one DatasetError that lists all items that it refuses."""
    results, errors = [], []
    for item in items:
        try:
            results.append(read(item))
        except DatasetError as error:
            errors.append(error)

    if len(errors) == 1:
        raise errors[0]
    if errors:
        listed = "".join(f"\n- {error}" for error in errors)
        raise MeshError(f"{len(errors)} of {len(items)} objects cannot be used:{listed}")
    return results
