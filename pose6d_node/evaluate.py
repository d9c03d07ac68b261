# SPDX-License-Identifier: Apache-2.0
"""Measures models on annotated frames.

``python -m pose6d_node.evaluate --data DIR --model FILE [--model FILE] --out DIR``

A segmentation model is scored by COCO's mean average precision, a pose model with the true masks,
both together as the whole chain; without depth images, the segmentation alone. Exit code: 0; 2 for
input that cannot be used.
"""

from __future__ import annotations

import argparse
import platform
import shutil
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from perception_kit.arguments import (
    CommandParser,
    bounded_int,
    device,
    model_path,
    program_name,
    with_new_names,
)
from perception_kit.datasets.chosen_classes import ChosenClasses
from perception_kit.datasets.files import DatasetError
from perception_kit.datasets.mesh_units import add_mesh_unit
from perception_kit.datasets.opener import LAYOUTS_HELP, open_dataset
from perception_kit.datasets.scale_check import scale_note
from perception_kit.evaluation.run_folder import REPORT
from perception_kit.json_output import write_json
from perception_kit.networks.model_file import file_sha256
from perception_kit.networks.model_metadata import ModelFileError
from perception_kit.networks.openvino_runtime import RuntimeUnavailableError
from perception_kit.partial_file import refuse_links
from perception_kit.processes import reporting, run_command
from perception_kit.resources import AUTO_RUNTIME, ROUNDING_RUNTIMES
from pose6d_node.evaluation.chosen_frames import frame_notes, frames_to_use
from pose6d_node.evaluation.jitter import jitter
from pose6d_node.evaluation.model_evaluator import ModelEvaluator, ModelResults
from pose6d_node.evaluation.model_metrics import headline_matches, model_metrics, scene_scores
from pose6d_node.evaluation.notes import class_notes, depth_notes
from pose6d_node.evaluation.page import evaluation_page
from pose6d_node.evaluation.pose_stages import (
    AND_LAST,
    AND_VIEWS,
    compared_stages,
    headline_stage,
    models_by_kind,
    refuse_foreign_classes,
)
from pose6d_node.evaluation.reliability import draw_reliability
from pose6d_node.evaluation.tables import print_tables, write_instances
from pose6d_node.evaluation.worst_poses import worst_poses, write_pictures
from pose6d_node.segmentation.evaluation import SCORE_THRESHOLD
from pose6d_node.segmentation.predictor import Segmenter

NEW_NAMES = {"--dataset": "--data"}
OUTPUTS = ("metrics.json", "config.json", "instances.csv", "worst", "reliability.png", REPORT)


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
    evaluate_models(args)
    return 0


def evaluate_models(args: argparse.Namespace) -> dict[str, Any]:
    """Run, score and write everything into ``args.out``; returns the metrics.

    Raises what ``main`` reports.
    """
    # Models and data.
    models = models_by_kind(args.model)
    args.out.mkdir(parents=True, exist_ok=True)
    refuse_links(args.out, OUTPUTS)
    dataset = open_dataset(args.dataset, args.split, mesh_unit=args.mesh_unit)
    if not dataset.has_depth and "segmentation" not in models:
        raise DatasetError(
            f"'{dataset.folder}' has no depth images, which poses are estimated from: only a"
            " segmentation model can be scored on it"
        )
    if args.classes:
        dataset = ChosenClasses(dataset, args.classes)
    estimators = {}
    if dataset.has_depth:
        refuse_foreign_classes(models, dataset)
        options = args.device, args.refine_iterations, args.runtime
        estimators = compared_stages(models, *options)
    if args.sequences and AND_VIEWS in estimators:
        estimators[AND_LAST] = estimators[AND_VIEWS]
    segmenter = _segmenter(models, args)
    evaluator = ModelEvaluator(dataset, segmenter, estimators, (AND_LAST,))

    headline = headline_stage(estimators)

    # Results, and the scores of them.
    frames = frames_to_use(dataset, args.max_frames, args.sequences)
    results = evaluator.run(frames)
    notes = [
        *dataset.notes,
        *frame_notes(dataset, frames, args.sequences),
        *depth_notes(dataset, models, evaluator),
        *([warning] if (warning := scale_note(dataset)) else []),
        *class_notes(dataset, evaluator, results),
    ]
    metrics = {**model_metrics(results, headline), "notes": notes}
    precision_recall = (metrics["segmentation"] or {}).pop("precision_recall", {})
    matches = headline_matches(results, headline)
    metrics["per_scene"] = scene_scores(matches, dataset.scene)
    if args.sequences:
        metrics["jitter"] = _jitter(results, evaluator)

    # Files.
    config = effective_config(args, models)
    write_json(args.out / "metrics.json", metrics)
    write_json(args.out / "config.json", config)
    write_instances(args.out / "instances.csv", dataset, results)
    shutil.rmtree(args.out / "worst", ignore_errors=True)
    worst = worst_poses(matches, args.worst)
    pictures = write_pictures(args.out / "worst", dataset, worst)

    written = ["instances.csv", "config.json"]
    if results.poses:
        written.append("reliability.png")
        curves = {masks.replace("_", " "): by[headline] for masks, by in results.poses.items()}
        draw_reliability(args.out / "reliability.png", curves)

    page = evaluation_page(args.out, metrics, precision_recall, config, dataset, matches, pictures)
    (args.out / REPORT).write_text(page)

    print_tables(metrics, headline, notes)
    print(
        f"wrote {args.out / REPORT}, metrics.json, {', '.join(written)} and {len(pictures)}"
        " pictures in worst/"
    )
    return metrics


def _jitter(results: ModelResults, evaluator: ModelEvaluator) -> dict[str, Any]:
    """``jitter`` of every stage, by masks."""
    scene_of = evaluator.dataset.scene
    return {
        masks: {
            stage: jitter(matches, evaluator.target_models, scene_of)
            for stage, matches in stages.items()
        }
        for masks, stages in results.poses.items()
    }


def _segmenter(models: Mapping[str, Path], args: argparse.Namespace) -> Segmenter | None:
    if "segmentation" not in models:
        return None
    return Segmenter(
        models["segmentation"],
        args.device,
        SCORE_THRESHOLD,
        max_detections=100,
        runtime=args.runtime,
    )


def effective_config(args: argparse.Namespace, models: Mapping[str, Path]) -> dict[str, Any]:
    """What the evaluation really ran with."""
    arguments = {
        key: str(value) if isinstance(value, Path) else value
        for key, value in vars(args).items()
        if key != "model"
    }
    files = {
        kind: {"file": str(path), "sha256": file_sha256(path)} for kind, path in models.items()
    }

    versions = {name: version(name) for name in ("torch", "torchvision", "numpy", "open3d")}
    return {
        "arguments": arguments,
        "models": files,
        "versions": {"python": platform.python_version(), **versions},
    }


if __name__ == "__main__":
    sys.exit(run_command(main))
