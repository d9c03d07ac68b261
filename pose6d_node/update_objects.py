# SPDX-License-Identifier: Apache-2.0
"""Stores meshes in a pose model: surfaces of its objects, and objects that it was not trained on.

``python -m pose6d_node.update_objects [--model FILE] [--models FOLDER] [--add-object MESH …]
--out FILE``. With the normals and colors of a surface, ``PoseEstimator`` judges several poses of
each object; those of added objects start from views of the mesh alone.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from perception_kit.arguments import CommandParser, model_file, model_path, program_name
from perception_kit.datasets.files import DatasetError
from perception_kit.datasets.mesh_folder import read_all
from perception_kit.datasets.mesh_units import MeshUnit, add_mesh_unit
from perception_kit.datasets.object_model import ObjectModel
from perception_kit.datasets.opener import open_models, open_object
from perception_kit.datasets.surface_symmetries import surface_symmetries
from perception_kit.networks.model_metadata import ModelFileError, read_metadata
from perception_kit.processes import reporting, run_command
from pose6d_node.densefusion.pose_model import PoseModel


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Options of the command line."""
    parser = CommandParser(prog=program_name("pose6d_node.update_objects"))
    parser.add_argument(
        "--model",
        type=model_path,
        help="pose model file; without it, one of added objects alone is made",
    )
    parser.add_argument(
        "--models",
        type=Path,
        help="folder of the objects' meshes, with the model's classes: BOP, LineMOD, YCB-Video, or"
        " one sub-folder per object with a mesh (.obj, .glb, .ply or .stl); stores their surfaces",
    )
    parser.add_argument(
        "--add-object",
        dest="added",
        type=Path,
        nargs="+",
        action="extend",
        default=[],
        metavar="MESH",
        help="mesh of an object that gets poses without training: a file, or the folder of one,"
        " whose name is the new class; with colors or a texture, poses are judged by these, too",
    )
    add_mesh_unit(parser.add_argument)
    parser.add_argument("--out", type=model_file, required=True, help="model file to write")

    args = parser.parse_args(arguments)
    if not (args.models or args.added):
        parser.error("nothing to store: give --models FOLDER, --add-object MESH or both")
    if args.models and not args.model:
        parser.error("--models holds meshes of the classes of a model: give --model FILE, too")
    return args


@reporting("error", DatasetError, ModelFileError, OSError)
def main(arguments: Sequence[str] | None = None) -> int:
    """Write the model file. Exit code 2 for input that cannot be used."""
    args = parse_arguments(arguments)
    added = read_all(lambda mesh: _untrained_object(mesh, args.mesh_unit), args.added)
    update(args.model, args.models, added, args.out, args.mesh_unit)
    for model in added:
        turns = len(model.symmetries) - 1
        print(f"added '{model.name}': {1000 * model.diameter:.0f} mm, {turns} symmetry turns")
    print(f"wrote {args.out}")
    return 0


def _untrained_object(mesh: Path, unit: MeshUnit) -> ObjectModel:
    """The object of ``mesh`` with the symmetries that files state, else those of its surface.

    Raises DatasetError, also for a mesh without triangles.
    """
    model = open_object(mesh, unit)
    for note in model.notes:
        print(note)
    try:
        symmetry = model.symmetry or surface_symmetries(model)
        if model.surface(1).colors is None:
            print(f"'{model.name}' has no colors: the depth alone tells its poses apart")
    except ValueError as error:
        raise DatasetError(f"'{mesh}' cannot be added: {error}") from error
    return replace(model, symmetry=symmetry)


def update(
    model_path: Path | None,
    models: Path | None,
    added: Sequence[ObjectModel],
    out: Path,
    unit: MeshUnit = "auto",
) -> None:
    """Write the model at ``model_path`` with the surfaces in ``models`` and with ``added`` objects,
    or, without a path, a model of these alone to ``out``.

    Raises ModelFileError and DatasetError for files that cannot be used, for a class of the model
    that has no mesh, or one without triangles, and for an added object whose name is
    taken; OSError where ``out`` cannot be written.
    """
    names = [model.name for model in added]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise DatasetError(f"several added meshes are called {', '.join(twice)}: rename them")
    if model_path is None:
        PoseModel.untrained(added).save(out, {})
        return

    model = PoseModel.load(model_path)
    if known := sorted(set(names) & set(model.spec.class_names)):
        raise DatasetError(
            f"'{model_path}' knows {', '.join(known)} already: rename the mesh, or store the"
            " surfaces of known classes with --models"
        )
    if models is not None:
        model = _with_surfaces(model, models, unit)
    if added:
        if model.surfaces is None:
            raise DatasetError(
                f"'{model_path}' holds no surfaces of its own objects: add them with --models"
            )
        model = model.with_untrained(added)
    model.save(out, read_metadata(model_path, "pose").get("training", {}))


def _with_surfaces(model: PoseModel, models: Path, unit: MeshUnit) -> PoseModel:
    """``model`` with the surfaces of all its classes in ``models``. Raises DatasetError."""
    by_name = {entry.name: entry for entry in open_models(models, unit).values()}
    missing = sorted(set(model.spec.class_names) - set(by_name))
    if missing:
        raise DatasetError(f"'{models}' has no mesh of {', '.join(missing)}, which the model knows")

    objects = [by_name[name] for name in model.spec.class_names]
    for note in (note for entry in objects for note in entry.notes):
        print(note)
    for entry in objects:
        if entry.surface(1).colors is None:
            print(f"'{entry.name}' has no colors: the depth alone tells its poses apart")
    return model.with_objects(objects)


if __name__ == "__main__":
    sys.exit(run_command(main))
