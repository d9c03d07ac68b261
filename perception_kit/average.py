# SPDX-License-Identifier: Apache-2.0
"""Averages the weights of several models into one model.

``python -m perception_kit.average A.safetensors B.safetensors --out C.safetensors``. Networks
fine-tuned from common weights stay close enough for their mean to work, and it is often better than
any of them on images unlike those of the training (Izmailov et al. 2018, stochastic weight
averaging; Wortsman et al. 2022, model soups).
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from perception_kit.arguments import CommandParser, model_file, program_name
from perception_kit.json_output import write_json
from perception_kit.networks.model_metadata import ModelFileError
from perception_kit.partial_file import replacing
from perception_kit.processes import reporting, run_command


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Options of the command line."""
    parser = CommandParser(
        prog=program_name("perception_kit.average"),
        description="Average the weights of several models into one model.",
    )
    parser.add_argument(
        "models",
        nargs="+",
        type=Path,
        metavar="MODEL",
        help="model files; the first one's image size is kept",
    )
    parser.add_argument("--out", type=model_file, required=True, help="model file to write")

    options = parser.parse_args(arguments)
    if len(options.models) < 2:
        parser.error("give two models or more")
    return options


@reporting("error", ModelFileError, OSError)
def main(arguments: Sequence[str] | None = None) -> int:
    """Write the mean and, beside it, a record of its models; returns the exit code."""
    options = parse_arguments(arguments)

    # PyTorch takes seconds to import, which help and wrong options need not wait for.
    from perception_kit.networks.averaging import average
    from perception_kit.networks.model_file import file_sha256, save_model

    kind, tensors, metadata = average(options.models)
    sources = [
        {"path": str(path), "sha256": file_sha256(path), "record": _record(path)}
        for path in options.models
    ]
    save_model(options.out, kind, tensors, metadata)
    _write_record(options, sources)

    print(f"wrote {options.out}, the mean of {len(options.models)} {kind} models")
    return 0


def _write_record(options: argparse.Namespace, sources: Sequence[dict[str, Any]]) -> None:
    """Write ``OUT.json``: the command and the models of the mean."""
    models = [str(path) for path in options.models]
    command = ["python", "-m", "perception_kit.average", *models, "--out", str(options.out)]
    with replacing(options.out.with_name(options.out.name + ".json")) as partial:
        write_json(partial, {"command": shlex.join(command), "mean_of": sources})


def _record(model: Path) -> Any:
    """How the model was made, where that is known.

    Raises ModelFileError for a record that cannot be read.
    """
    path = model.with_name(model.name + ".json")
    try:
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
    except ValueError as error:
        raise ModelFileError(
            f"the record '{path}' is not JSON: correct it or remove it ({error})"
        ) from error


if __name__ == "__main__":
    sys.exit(run_command(main))
