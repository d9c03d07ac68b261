# SPDX-License-Identifier: Apache-2.0
"""Measures models on annotated frames.

``python -m pose6d_node.evaluate --data DIR --model FILE [--model FILE] --out DIR``

A segmentation model is scored by COCO's mean average precision, a pose model with the true masks,
both together as the whole chain; without depth images, the segmentation alone. Exit code: 0; 2 for
input that cannot be used.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from perception_kit.arguments import (
    CommandParser,
    bounded_int,
    device,
    model_path,
    program_name,
    with_new_names,
)
from perception_kit.datasets.files import DatasetError
from perception_kit.datasets.layout_help import LAYOUTS_HELP
from perception_kit.datasets.mesh_units import add_mesh_unit
from perception_kit.networks.model_metadata import ModelFileError
from perception_kit.networks.openvino_runtime import RuntimeUnavailableError
from perception_kit.processes import reporting, run_command
from perception_kit.resources import AUTO_RUNTIME, ROUNDING_RUNTIMES

NEW_NAMES = {"--dataset": "--data"}


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Command line."""
    parser = CommandParser(
        prog=program_name("pose6d_node.evaluate"),
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    # "dataset" is the name in config.json.
    parser.add_argument(
        "--data", dest="dataset", type=Path, required=True, help=f"folder of frames: {LAYOUTS_HELP}"
    )
    parser.add_argument(
        "--split",
        help="split of the dataset (default: test, else val, else train; else the only one that is"
        " called so in part, such as train_pbr)",
    )
    parser.add_argument(
        "--classes",
        nargs="+",
        default=[],
        help="score these alone; objects of others are background (default: all)",
    )
    add_mesh_unit(parser.add_argument)
    parser.add_argument(
        "--model",
        type=model_path,
        action="append",
        required=True,
        help="segmentation or pose model file; give one or both, and beside a pose model that"
        " estimates sizes one that does not, to compare them",
    )
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        help="folder for report.html, metrics.json, instances.csv, config.json, reliability.png and"
        " worst/",
    )

    parser.add_argument(
        "--max-frames",
        type=bounded_int(1),
        default=300,
        help="use this many frames, evenly spread; with --sequences the first ones of each scene"
        " (default %(default)s)",
    )
    parser.add_argument(
        "--sequences",
        action="store_true",
        help="the frames of a scene are consecutive ones of a video: also estimate with the last"
        " poses, as the node does, and measure how much poses jump",
    )
    parser.add_argument(
        "--refine-iterations",
        type=bounded_int(0),
        default=2,
        help="of the refiner (default %(default)s)",
    )
    parser.add_argument(
        "--worst",
        type=bounded_int(0),
        default=12,
        help="how many of the worst poses to draw (default %(default)s)",
    )

    parser.add_argument(
        "--device", type=device, default="auto", help="cpu, cuda, cuda:N or auto (default)"
    )
    parser.add_argument(
        "--runtime",
        choices=ROUNDING_RUNTIMES,
        default=AUTO_RUNTIME,
        help="what runs the networks on a CPU (default %(default)s, the fastest)",
    )
    return parser.parse_args(with_new_names(arguments, NEW_NAMES))


@reporting("evaluate", DatasetError, ModelFileError, RuntimeUnavailableError, OSError)
def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    args = parse_arguments(arguments)

    # What evaluates takes seconds to import, which help and wrong options need not wait for.
    from pose6d_node.evaluation.run import evaluate_models

    evaluate_models(args)
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
