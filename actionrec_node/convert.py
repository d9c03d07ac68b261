# SPDX-License-Identifier: Apache-2.0
"""Makes a model file of published weights, or of a model file one with other alarm classes.

``python -m actionrec_node.convert CHECKPOINT… --architecture NAME --classes FILE --out FILE``
``python -m actionrec_node.convert MODEL --alarm-class NAME --out FILE``
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from actionrec_node.networks.action_model_spec import ActionModelSpec, new_spec, read_spec
from actionrec_node.networks.architectures import ARCHITECTURES, find_architecture
from perception_kit.alarm_classes import alarm_warning
from perception_kit.arguments import (
    CommandParser,
    bounded_int,
    model_file,
    positive_float,
    program_name,
)
from perception_kit.budgets import regular
from perception_kit.networks.model_metadata import ModelFileError
from perception_kit.processes import reporting, run_command


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = CommandParser(
        prog=program_name("actionrec_node.convert"),
        description=(
            "Make a model file of a checkpoint of 3D-ResNets-PyTorch or of I3D for PyTorch, or of"
            " I3D streams trained here. A model file (.safetensors) alone keeps its architecture"
            " and classes, and gets the alarm classes that are named."
        ),
    )
    parser.add_argument(
        "checkpoints",
        type=Path,
        nargs="+",
        help="one file; for the two streams of I3D one each, in any order",
    )

    # What the checkpoint does not say.
    parser.add_argument("--architecture", choices=list(ARCHITECTURES))
    parser.add_argument(
        "--classes",
        type=Path,
        help="text file with the class names, one on each line",
    )
    parser.add_argument(
        "--alarm-class",
        action="append",
        metavar="NAME",
        help="class that raises the fall alarm; may be given several times (default: 'falling', or"
        " those of a model file)",
    )
    parser.add_argument(
        "--lying-class",
        action="append",
        metavar="NAME",
        help="class that confirms a fall and holds its alarm; may be given several times (default:"
        " 'lying', or those of a model file)",
    )
    parser.add_argument("--clip-length", type=bounded_int(2), help="frames of a clip (default: 16)")
    parser.add_argument(
        "--clip-fps",
        type=positive_float,
        help="frames per second of a clip (default: what the checkpoints were trained on)",
    )

    parser.add_argument(
        "--out", type=model_file, required=True, help="model file to write (.safetensors)"
    )
    args = parser.parse_args(arguments)
    if _is_model_file(args) != (args.architecture is None and args.classes is None):
        parser.error(
            "give --architecture and --classes for checkpoints and streams, and neither for a model"
            " file alone"
        )
    return args


def _is_model_file(args: argparse.Namespace) -> bool:
    """Whether one model file is given, which says itself how it is to be used."""
    return (
        len(args.checkpoints) == 1
        and args.checkpoints[0].suffix == ".safetensors"
        and not (args.architecture and args.classes)
    )


def read_class_names(path: Path) -> list[str]:
    """Class names, one on each line, in the order of the network's outputs.

    Raises ModelFileError for a name that comes twice and a file that cannot be read.
    """
    try:
        lines = regular(path).read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ModelFileError(f"class names '{path}' cannot be read as UTF-8: {error}") from error

    names = [line.strip() for line in lines if line.strip()]
    repeated = {name for name in names if names.count(name) > 1}
    if repeated or not names:
        raise ModelFileError(
            f"'{path}' must name every class once, one on each line; repeated: {sorted(repeated)}"
        )
    return names


def chosen_spec(args: argparse.Namespace) -> ActionModelSpec:
    """What the arguments say of the model.

    Raises ModelFileError naming the file that cannot be used.
    """
    changes = {
        "clip_length": args.clip_length,
        "clip_fps": args.clip_fps,
        "alarm_classes": tuple(args.alarm_class) if args.alarm_class else None,
        "lying_classes": tuple(args.lying_class) if args.lying_class else None,
    }
    try:
        if _is_model_file(args):
            given = {name: value for name, value in changes.items() if value is not None}
            return replace(read_spec(args.checkpoints[0]), **given)
        changes["resize"] = find_architecture(args.architecture).published_resize
        return new_spec(args.architecture, read_class_names(args.classes), **changes)
    except ValueError as error:
        raise ModelFileError(str(error)) from error


@reporting("error", ModelFileError, OSError)
def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit status."""
    args = parse_arguments(arguments)

    # PyTorch takes seconds to import, which help and wrong options need not wait for.
    from actionrec_node.networks.action_model import ActionModel, save_action_model
    from actionrec_node.networks.published_weights import load_pretrained

    spec = chosen_spec(args)
    model = ActionModel(spec)
    load_pretrained(model.network, args.checkpoints, keep_classifier=True)
    save_action_model(args.out, model)
    print(f"wrote {args.out}: {spec.architecture}, {len(spec.class_names)} classes")
    if warning := alarm_warning(spec.class_names, spec.alarms):
        print(f"warning: {warning}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
