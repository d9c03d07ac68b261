# SPDX-License-Identifier: Apache-2.0
"""The mean of the weights of several models: ``python -m perception_kit.average A.safetensors
B.safetensors --out C.safetensors``.

Networks fine-tuned from common weights stay close enough for their mean to work, and it keeps more
of what each knew: it is often better than any of them on images unlike the training's (Izmailov
2018, stochastic weight averaging; Wortsman 2022, model soups).
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from perception_kit.arguments import model_file
from perception_kit.networks.model_file import file_sha256, load_model, save_model
from perception_kit.networks.model_metadata import ModelFileError, model_kind

OWN = (
    "kind",
    "input_size",
    "training",
)  # what the models of a mean may differ in; all else says how the network is to be used


def average(paths: Sequence[Path]) -> tuple[str, dict[str, torch.Tensor], dict[str, Any]]:
    """Kind, mean tensors and metadata of the model files ``paths``; whole numbers and metadata are
    the first one's.

    Raises ModelFileError where they are not models of one kind, network and table of classes.
    """
    kind = model_kind(paths[0])
    tensors, metadata = load_model(paths[0], kind)
    for path in paths[1:]:
        more, other = load_model(path, kind)
        for key in sorted((metadata.keys() | other.keys()) - set(OWN)):
            if metadata.get(key) != other.get(key):
                raise ModelFileError(
                    f"'{paths[0]}' has {key} {metadata.get(key)!s:.80}, but '{path}' has"
                    f" {other.get(key)!s:.80}: no mean of these"
                )
        if {name: tensor.shape for name, tensor in tensors.items()} != {
            name: tensor.shape for name, tensor in more.items()
        }:
            raise ModelFileError(
                f"the tensors of '{paths[0]}' and '{path}' differ in name or shape: no mean of"
                " these"
            )
        tensors = {
            name: tensor + more[name] if tensor.is_floating_point() else tensor
            for name, tensor in tensors.items()
        }
    mean = {
        name: tensor / len(paths) if tensor.is_floating_point() else tensor
        for name, tensor in tensors.items()
    }
    return kind, mean, {key: value for key, value in metadata.items() if key != "kind"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the mean and, beside it, which models it is of; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m perception_kit.average", description=__doc__.splitlines()[0]
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
    try:
        kind, tensors, metadata = average(options.models)
        sources = [
            {"path": str(path), "sha256": file_sha256(path), "record": _record(path)}
            for path in options.models
        ]
    except ModelFileError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    save_model(options.out, kind, tensors, metadata)
    words = [
        "python",
        "-m",
        "perception_kit.average",
        *map(str, options.models),
        "--out",
        str(options.out),
    ]
    text = json.dumps({"command": shlex.join(words), "mean_of": sources}, indent=2)
    options.out.with_name(options.out.name + ".json").write_text(text + "\n", encoding="utf-8")
    print(f"wrote {options.out}, the mean of {len(options.models)} {kind} models")
    return 0


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
    sys.exit(main())
