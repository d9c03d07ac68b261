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
from pathlib import Path

from perception_kit.arguments import CommandParser, model_file, model_path, program_name
from perception_kit.datasets.files import DatasetError
from perception_kit.datasets.mesh_units import add_mesh_unit
from perception_kit.networks.model_metadata import ModelFileError
from perception_kit.processes import reporting, run_command


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

    # PyTorch takes seconds to import, which help and wrong options need not wait for.
    from perception_kit.datasets.mesh_folder import read_all
    from pose6d_node.densefusion.object_update import untrained_object, update

    added = read_all(lambda mesh: untrained_object(mesh, args.mesh_unit), args.added)
    update(args.model, args.models, added, args.out, args.mesh_unit)
    for model in added:
        turns = len(model.symmetries) - 1
        print(f"added '{model.name}': {1000 * model.diameter:.0f} mm, {turns} symmetry turns")
    print(f"wrote {args.out}")
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
