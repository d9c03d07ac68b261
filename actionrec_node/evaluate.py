# SPDX-License-Identifier: Apache-2.0
"""Scores a model on labeled videos.

``python -m actionrec_node.evaluate --data DIR --model FILE --out DIR``
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from actionrec_node.evaluation.labeled_folders import add_video_arguments
from actionrec_node.evaluation.model_arguments import add_model_arguments
from perception_kit.arguments import CommandParser, program_name
from perception_kit.processes import run_command


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = CommandParser(
        prog=program_name("actionrec_node.evaluate"),
        description="Score a model on labelled videos.",
    )
    parser.add_argument(
        "--data",
        type=Path,
        action="append",
        required=True,
        help="data folder; may be given several times",
    )
    parser.add_argument(
        "--out", type=Path, required=True, help="folder for metrics.json and the plots"
    )

    add_model_arguments(parser)
    add_video_arguments(parser)
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit status."""
    args = parse_arguments(arguments)

    # PyTorch takes seconds to import, which help and wrong options need not wait for.
    from actionrec_node.evaluation.run import run

    return run(args)


if __name__ == "__main__":
    sys.exit(run_command(main))
