# SPDX-License-Identifier: Apache-2.0
"""What the commands that write networks as ONNX files have in common."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from perception_kit.networks.model_metadata import ModelFileError, model_kind
from perception_kit.networks.onnx_export import ExportError, Part, export_parts
from perception_kit.processes import reporting

# By the kind of model: its networks, and what ``model.json`` says of it
PartsOf = Mapping[str, Callable[[Path], tuple[list[Part], dict[str, Any]]]]


@reporting("export", ModelFileError, ExportError, OSError)
def run_export(args: argparse.Namespace, parts_of: PartsOf) -> int:
    """Write and check the networks of a model of one of these kinds; returns the exit code."""
    kind = model_kind(args.model)
    if kind not in parts_of:
        raise ModelFileError(
            f"'{args.model}' holds a '{kind}' model, expected {' or '.join(parts_of)}; the"
            " others are for another command of 'perception export'"
        )
    parts, about = parts_of[kind](args.model)
    differences = export_parts(args.out, parts, about)
    for name, difference in differences.items():
        print(f"{args.out / name}.onnx: equal to PyTorch within {difference:.1g}")
    return 0
