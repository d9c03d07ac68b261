# SPDX-License-Identifier: Apache-2.0
"""Halves the size of a model file: ``python -m perception_kit.halve MODEL --out OUT``.

Matrices and kernels are stored as float16; means, variances and biases, which are few, stay as they
are. Everything that reads a model computes in float32, with weights rounded to 11 significant bits.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from perception_kit.arguments import CommandParser, model_file, program_name
from perception_kit.budgets import parse_json
from perception_kit.json_output import write_json
from perception_kit.networks.model_metadata import ModelFileError, model_kind
from perception_kit.partial_file import replacing
from perception_kit.processes import reporting, run_command


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = CommandParser(
        prog=program_name("perception_kit.halve"),
        description="Store the weights of a model as float16, in half the bytes.",
    )
    parser.add_argument("model", type=Path, metavar="MODEL", help="model file")
    parser.add_argument("--out", type=model_file, required=True, help="model file to write")
    return parser.parse_args(arguments)


@reporting("error", ModelFileError, OSError)
def main(arguments: Sequence[str] | None = None) -> int:
    """Write the smaller file, and the model's record beside it; returns the exit status."""
    args = parse_arguments(arguments)

    # PyTorch takes seconds to import, which help and wrong options need not wait for.
    from perception_kit.networks.halving import halve
    from perception_kit.networks.model_file import file_sha256, read_model, save_model

    kind = model_kind(args.model)
    tensors, metadata = read_model(args.model, kind)
    record = _read_record(args.model)
    command = ["python", "-m", "perception_kit.halve", str(args.model), "--out", str(args.out)]
    digest = file_sha256(args.model)
    record["halved"] = {"command": shlex.join(command), "sha256": digest, "dtype": "float16"}
    try:
        halved = halve(tensors)
    except ValueError as error:
        raise ModelFileError(f"'{args.model}': {error}: it stays in float32") from error
    before = args.model.stat().st_size
    save_model(args.out, kind, halved, {k: v for k, v in metadata.items() if k != "kind"})
    with replacing(args.out.with_name(args.out.name + ".json")) as partial:
        write_json(partial, record)
    print(f"wrote {args.out}: {before / 1e6:.1f} -> {args.out.stat().st_size / 1e6:.1f} MB")
    return 0


def _read_record(model: Path) -> dict[str, Any]:
    """The record of the training beside a model; empty where there is none."""
    path = model.with_name(model.name + ".json")
    if not path.is_file():
        return {}
    try:
        record = parse_json(path.read_bytes())
    except ValueError:  # no JSON, or no text
        record = None
    if not isinstance(record, dict):
        raise ModelFileError(f"'{path}' is not the record of a training, which is a JSON object")
    return record


if __name__ == "__main__":
    sys.exit(run_command(main))
