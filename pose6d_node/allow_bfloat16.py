# SPDX-License-Identifier: Apache-2.0
"""Lets a model run in bfloat16 where that was measured to cost next to nothing.

``python -m pose6d_node.allow_bfloat16 --model FILE --data DIR --out FILE`` scores a segmentation or
pose model on annotated frames twice, in float32 and in bfloat16, in which some CPUs compute
faster. Where the loss stays within ``MAX_LOSS``, it writes the model with a note that lets
``runtime: auto`` choose bfloat16. Exit code: 0; 1 where the loss is larger; 2 for input that cannot
be used.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from perception_kit.arguments import (
    CommandParser,
    bounded_int,
    model_file,
    model_path,
    program_name,
)
from perception_kit.datasets.files import DatasetError
from perception_kit.networks.model_metadata import ModelFileError, model_kind
from perception_kit.networks.openvino_runtime import RuntimeUnavailableError
from perception_kit.processes import reporting, run_command

MAX_LOSS = 0.005
"""Of each score, on each dataset."""


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = CommandParser(prog=program_name("pose6d_node.allow_bfloat16"), description=__doc__)
    add = parser.add_argument
    add("--model", type=model_path, required=True, help="segmentation or pose model file")
    add(
        "--data",
        type=Path,
        required=True,
        action="append",
        help="annotated frames that the model was not trained on; may be given several times",
    )
    add("--split", help="of the datasets (default: as pose6d_node.evaluate)")
    add("--max-frames", type=bounded_int(1), default=300, help="of each (default: %(default)s)")
    add("--out", type=model_file, required=True, help="model file to write")
    return parser.parse_args(arguments)


@reporting("allow_bfloat16", DatasetError, ModelFileError, RuntimeUnavailableError, OSError)
def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    args = parse_arguments(arguments)

    # PyTorch takes seconds to import, which help and wrong options need not wait for.
    from perception_kit.networks.model_file import read_model, save_model
    from pose6d_node.evaluation.bfloat16_loss import SCORES, losses

    kind = model_kind(args.model)
    if kind not in SCORES:
        raise ModelFileError(
            f"'{args.model}' holds a '{kind}' model: expected {' or '.join(SCORES)}"
        )
    largest = max(losses(args, kind))
    if largest > MAX_LOSS:
        print(f"bfloat16 costs {largest:.4f}, more than {MAX_LOSS}: nothing is written")
        return 1
    tensors, metadata = read_model(args.model, kind)
    save_model(args.out, kind, tensors, {**metadata, "bfloat16": True})
    print(f"wrote {args.out}")
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
