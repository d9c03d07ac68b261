# SPDX-License-Identifier: Apache-2.0
"""Measures models on annotated frames: ``python -m pose6d_node.evaluate --dataset DIR --model FILE
[--model FILE] --out DIR``.

A segmentation model is scored by COCO's mean average precision, a pose model with the true masks,
both together as the whole chain. Exit code: 0; 2 for input that cannot be used.
"""

from __future__ import annotations

import argparse
import json
import platform
import shutil
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from perception_kit.arguments import bounded_int, device
from perception_kit.datasets.files import DatasetError
from perception_kit.datasets.frame import FrameDataset
from perception_kit.datasets.opener import LAYOUTS, open_dataset
from perception_kit.networks.model_file import file_sha256
from perception_kit.networks.model_metadata import ModelFileError, model_kind
from perception_kit.networks.openvino_runtime import RuntimeUnavailableError
from perception_kit.resources import RUNTIMES
from pose6d_node.densefusion.predictor import PoseEstimator
from pose6d_node.evaluation.frames import Evaluator, Results
from pose6d_node.evaluation.report import print_tables, worst_cases, write_instances, write_pictures
from pose6d_node.evaluation.scores import headline_judgements, score
from pose6d_node.segmentation.evaluation import SCORE_THRESHOLD
from pose6d_node.segmentation.predictor import Segmenter

EXIT_BAD_INPUT = 2
KINDS = ("segmentation", "pose")
HEADLINE = "refined"  # the stage whose scores stand for the model, as the nodes run it by default


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(
        prog="python -m pose6d_node.evaluate",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--dataset", type=Path, required=True, help=f"folder of frames: {LAYOUTS}")
    parser.add_argument(
        "--split", help="split of the dataset (default: test where it has one, else train)"
    )
    parser.add_argument(
        "--model",
        type=Path,
        action="append",
        required=True,
        help="segmentation or pose model file; give one or both",
    )
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        help="folder for metrics.json, instances.csv, config.json and worst/",
    )
    parser.add_argument(
        "--max-frames",
        type=bounded_int(1),
        default=300,
        help="use this many frames, evenly spread (default %(default)s)",
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
        choices=RUNTIMES,
        default="pytorch",
        help="what runs the segmentation on a CPU (default %(default)s)",
    )
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    args = parse_arguments(arguments)
    try:
        evaluate(args)
    except (DatasetError, ModelFileError, RuntimeUnavailableError, OSError) as error:
        print(f"evaluate: {error}", file=sys.stderr)
        return EXIT_BAD_INPUT
    return 0


def evaluate(args: argparse.Namespace) -> dict[str, Any]:
    """Run, score and write everything into ``args.out``; returns the metrics.

    Raises what ``main`` reports.
    """
    models = models_by_kind(args.model)
    args.out.mkdir(parents=True, exist_ok=True)
    dataset = open_dataset(args.dataset, args.split)
    segmenter = None
    if "segmentation" in models:
        segmenter = Segmenter(
            models["segmentation"],
            args.device,
            SCORE_THRESHOLD,
            max_detections=100,
            runtime=args.runtime,
        )
    estimators = (
        pose_stages(models["pose"], args.device, args.refine_iterations) if "pose" in models else {}
    )
    evaluator = Evaluator(dataset, segmenter, estimators)
    frames = np.unique(
        np.linspace(0, len(dataset) - 1, min(args.max_frames, len(dataset))).astype(int)
    )
    if not any(dataset.instances(frame) for frame in frames.tolist()):
        raise DatasetError(
            f"none of the {len(frames)} frames of '{dataset.folder}' has an annotated instance, so"
            " nothing can be scored: choose another --split (test sets are often published without"
            " the truth)"
        )
    results = evaluator.run(frames.tolist())
    notes = [*dataset.notes, *class_notes(dataset, evaluator, results)]
    metrics = {**score(results, HEADLINE), "notes": notes}
    (args.out / "metrics.json").write_text(json.dumps(metrics, indent=2) + "\n")
    (args.out / "config.json").write_text(
        json.dumps(effective_config(args, models), indent=2) + "\n"
    )
    write_instances(args.out / "instances.csv", dataset, results)
    shutil.rmtree(args.out / "worst", ignore_errors=True)
    pictures = write_pictures(
        args.out / "worst", dataset, worst_cases(headline_judgements(results, HEADLINE), args.worst)
    )
    print_tables(metrics, HEADLINE, notes)
    print(
        f"wrote {args.out / 'metrics.json'}, instances.csv, config.json and {len(pictures)}"
        " pictures in worst/"
    )
    return metrics


def models_by_kind(paths: Sequence[Path]) -> dict[str, Path]:
    """Model files by their kind. Raises ModelFileError for another kind, or two of one."""
    models: dict[str, Path] = {}
    for path in paths:
        kind = model_kind(path)
        if kind not in KINDS or kind in models:
            raise ModelFileError(
                f"'{path}' holds a '{kind}' model: give one segmentation model, one pose model, or"
                " one of each"
            )
        models[kind] = path
    return models


def pose_stages(path: Path, device: str, refine_iterations: int) -> dict[str, PoseEstimator]:
    """Ways to estimate poses that are compared, by name, each adding a step to the one before."""
    return {
        "unrefined": PoseEstimator(path, device, refine_iterations=0),
        HEADLINE: PoseEstimator(path, device, refine_iterations),
        "refined + ICP": PoseEstimator(path, device, refine_iterations, icp=True),
    }


def class_notes(dataset: FrameDataset, evaluator: Evaluator, results: Results) -> list[str]:
    """Which classes in the frames a model does not know, and for what reasons instances got no
    pose.
    """
    shown = {instance.class_name for frame in results.ground_truth for instance in frame}
    articulated = {model.name for model in dataset.models.values() if model.articulated}
    notes = []
    if evaluator.estimators:
        unknown = sorted(shown - evaluator.posed_classes - articulated)
        notes += (
            [f"the pose model does not know {', '.join(unknown)}: their poses are not scored"]
            if unknown
            else []
        )
    if evaluator.segmenter is not None:
        unknown = sorted(shown - set(evaluator.segmenter.class_names))
        notes += (
            [f"the segmentation model does not know {', '.join(unknown)}: they count as missed"]
            if unknown
            else []
        )
    return notes + [
        f"{count} times no pose: {reason}" for reason, count in results.skipped.most_common()
    ]


def effective_config(args: argparse.Namespace, models: dict[str, Path]) -> dict[str, Any]:
    """What the evaluation really ran with."""
    return {
        "arguments": {
            key: str(value) if isinstance(value, Path) else value
            for key, value in vars(args).items()
            if key != "model"
        },
        "models": {
            kind: {"file": str(path), "sha256": file_sha256(path)} for kind, path in models.items()
        },
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("torch", "torchvision", "numpy", "open3d")},
        },
    }


if __name__ == "__main__":
    sys.exit(main())
