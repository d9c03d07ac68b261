# SPDX-License-Identifier: Apache-2.0
"""The options of the commands that write networks as ONNX files."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from perception_kit.arguments import CommandParser, program_name
from perception_kit.resources import resolve_path


def parse_export_arguments(
    module: str, description: str | None, arguments: Sequence[str] | None
) -> argparse.Namespace:
    """The command line of ``module``: the model file, and the folder of the files to write."""
    parser = CommandParser(
        prog=program_name(module),
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("model", type=resolve_path, help="model file")
    parser.add_argument(
        "--out", type=Path, required=True, help="folder for the .onnx files and model.json"
    )
    return parser.parse_args(arguments)
