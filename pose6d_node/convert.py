# SPDX-License-Identifier: Apache-2.0
"""Turns checkpoints that users have into model files: ``python -m pose6d_node.convert --help``."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from perception_kit.datasets.files import DatasetError
from perception_kit.networks.model_metadata import ModelFileError
from perception_kit.processes import reporting, run_command
from pose6d_node.conversion_options import parse_arguments


@reporting("convert", DatasetError, ModelFileError, OSError)
def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    args = parse_arguments(arguments)

    # PyTorch takes seconds to import, which help and wrong options need not wait for.
    from pose6d_node.conversion import convert

    convert(args)
    print(f"wrote {args.out}")
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
