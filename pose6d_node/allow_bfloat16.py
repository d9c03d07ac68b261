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
from perception_kit.datasets.opener import open_dataset
from perception_kit.networks.model_file import read_model, save_model
from perception_kit.networks.model_metadata import ModelFileError, model_kind
from perception_kit.networks.openvino_runtime import RuntimeUnavailableError
from perception_kit.processes import reporting, run_command
from perception_kit.resources import BFLOAT16_RUNTIME
from pose6d_node.densefusion.predictor import PoseEstimator
from pose6d_node.evaluation.model_evaluator import ModelEvaluator
from pose6d_node.evaluation.model_metrics import model_metrics
from pose6d_node.segmentation.evaluation import SCORE_THRESHOLD
from pose6d_node.segmentation.predictor import Segmenter

STAGE = "default"
SCORES = {"segmentation": "mask mAP", "pose": "ADD(-S) below 0.1 d, given masks"}
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


def score(
    kind: str, model: Path, data: Path, split: str | None, frames: int, runtime: str
) -> float:
    """The score of a model file on a dataset. Raises what ``main`` reports."""
    dataset = open_dataset(data, split)
    segmenter, estimators = None, {}
    if kind == "segmentation":
        segmenter = Segmenter(model, "cpu", SCORE_THRESHOLD, max_detections=100, runtime=runtime)
    elif dataset.has_depth:
        estimators = {STAGE: PoseEstimator(model, "cpu", min_confidence=0.0, runtime=runtime)}
    else:
        raise DatasetError(f"'{data}' has no depth images, which poses are estimated from")

    evaluator = ModelEvaluator(dataset, segmenter, estimators)
    step = max(1, len(dataset) // frames)
    metrics = model_metrics(evaluator.run(range(0, len(dataset), step)), STAGE)
    scores = metrics[kind]
    value = scores["map" if kind == "segmentation" else "recall_0.1d"] if scores else None
    if value is None:
        raise DatasetError(f"'{data}' shows nothing that '{model}' is scored on")
    return float(value)


def losses(args: argparse.Namespace, kind: str) -> list[float]:
    """What bfloat16 costs on each dataset; prints both scores. Raises what ``main`` reports."""
    lost = []
    for data in args.data:
        exact, rounded = (
            score(kind, args.model, data, args.split, args.max_frames, runtime)
            for runtime in ("openvino", BFLOAT16_RUNTIME)
        )
        print(f"{data}: {SCORES[kind]} {exact:.4f} in float32, {rounded:.4f} in bfloat16")
        lost.append(exact - rounded)
    return lost


@reporting("allow_bfloat16", DatasetError, ModelFileError, RuntimeUnavailableError, OSError)
def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    args = parse_arguments(arguments)
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
