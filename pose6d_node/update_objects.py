# SPDX-License-Identifier: Apache-2.0
"""Stores the surfaces of the objects' meshes in a trained pose model.

``python -m pose6d_node.update_objects --model FILE --models FOLDER --out FILE``. With the normals
and colors of a surface, ``PoseEstimator`` judges several poses of each object.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from perception_kit.arguments import model_file
from perception_kit.datasets.files import DatasetError
from perception_kit.datasets.mesh_units import MeshUnit, add_mesh_unit
from perception_kit.datasets.opener import open_models
from perception_kit.networks.model_metadata import ModelFileError, read_metadata
from perception_kit.processes import run_command
from pose6d_node.densefusion.pose_model import PoseModel


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Options of the command line."""
    parser = argparse.ArgumentParser(prog="python -m pose6d_node.update_objects")
    parser.add_argument("--model", type=Path, required=True, help="pose model file")
    parser.add_argument(
        "--models",
        type=Path,
        required=True,
        help=(
            "folder of the objects' meshes, with the model's classes: BOP, LineMOD, YCB-Video, or"
            " one sub-folder per object with a mesh (.obj, .glb, .ply or .stl)"
        ),
    )
    add_mesh_unit(parser.add_argument)
    parser.add_argument("--out", type=model_file, required=True, help="model file to write")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the model file. Exit code 2 for input that cannot be used."""
    args = parse_arguments(arguments)
    try:
        update(args.model, args.models, args.out, args.mesh_unit)
    except (DatasetError, ModelFileError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"wrote {args.out}")
    return 0


def update(model_path: Path, models: Path, out: Path, unit: MeshUnit = "auto") -> None:
    """Write the model at ``model_path`` with the surfaces in ``models`` to ``out``.

    Prints the sizes of the objects. Raises ModelFileError and DatasetError for files that cannot be
    used, and for a class of the model that has no mesh, or one without triangles or colors; OSError
    where ``out`` cannot be written.
    """
    model = PoseModel.load(model_path)
    by_name = {entry.name: entry for entry in open_models(models, unit).values()}
    missing = sorted(set(model.spec.class_names) - set(by_name))
    if missing:
        raise DatasetError(f"'{models}' has no mesh of {', '.join(missing)}, which the model knows")

    objects = [by_name[name] for name in model.spec.class_names]
    for note in (note for entry in objects for note in entry.notes):
        print(note)
    updated = model.with_objects(objects)
    if updated.surfaces is None:
        uncolored = [entry.name for entry in objects if entry.surface(1).colors is None]
        raise DatasetError(
            f"'{models}' has no colors of {', '.join(uncolored)}, by which poses are judged:"
            " give meshes with a texture or with vertex colors"
        )
    updated.save(out, read_metadata(model_path, "pose").get("training", {}))


if __name__ == "__main__":
    sys.exit(run_command(main))
