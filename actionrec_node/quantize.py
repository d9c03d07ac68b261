# SPDX-License-Identifier: Apache-2.0
"""Quantizes a model to 8-bit integers for the runtime openvino_int8.

``python -m actionrec_node.quantize --model FILE --data DIR --val DIR`` writes ``MODEL.int8.xml``
and ``.bin`` beside the model file, and ``MODEL.int8.json``: what the ranges come from, and the
scores of both models on the held-out videos.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from actionrec_node.data.annotations import DataError
from actionrec_node.evaluation.labeled_folders import add_video_arguments
from perception_kit.arguments import CommandParser, bounded_int, model_path, program_name
from perception_kit.networks.model_metadata import ModelFileError
from perception_kit.networks.openvino_runtime import RuntimeUnavailableError
from perception_kit.processes import reporting, run_command
from perception_kit.videos.video import VideoError


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = CommandParser(
        prog=program_name("actionrec_node.quantize"),
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--model", type=model_path, required=True, help="model file (.safetensors)")

    # The videos.
    parser.add_argument(
        "--data",
        type=Path,
        action="append",
        required=True,
        help="videos like those that the model will see",
    )
    parser.add_argument(
        "--val",
        type=Path,
        action="append",
        help="held-out labelled videos, on which the loss of accuracy is measured",
    )
    parser.add_argument(
        "--clips",
        type=bounded_int(1),
        default=100,
        help="clips of --data that are looked at (default %(default)s)",
    )

    add_video_arguments(parser)
    return parser.parse_args(arguments)


@reporting("error", DataError, VideoError, ModelFileError, RuntimeUnavailableError, OSError)
def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit status."""
    command = sys.argv[1:] if arguments is None else arguments
    args = parse_arguments(command)

    # PyTorch takes seconds to import, which help and wrong options need not wait for.
    from actionrec_node.quantization import quantize

    quantize(args, command)
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
