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
import re
import shutil
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from perception_kit.arguments import bounded_int, device, program_name, with_new_names
from perception_kit.datasets.chosen_classes import ChosenClasses
from perception_kit.datasets.files import DatasetError
from perception_kit.datasets.frame import FrameDataset
from perception_kit.datasets.mesh_units import add_mesh_unit
from perception_kit.datasets.opener import LAYOUTS_HELP, open_dataset
from perception_kit.datasets.scale_check import scale_note
from perception_kit.evaluation.run_folder import REPORT
from perception_kit.json_output import write_json
from perception_kit.networks.model_file import file_sha256
from perception_kit.networks.model_metadata import ModelFileError, model_kind, read_metadata
from perception_kit.networks.openvino_runtime import RuntimeUnavailableError
from perception_kit.processes import run_command
from perception_kit.resources import AUTO_RUNTIME, ROUNDING_RUNTIMES
from pose6d_node.densefusion.pose_model_spec import KNOWN_SIZE
from pose6d_node.densefusion.predictor import PoseEstimator
from pose6d_node.evaluation.jitter import jitter
from pose6d_node.evaluation.model_evaluator import ModelEvaluator, ModelResults
from pose6d_node.evaluation.model_metrics import headline_matches, model_metrics, scene_scores
from pose6d_node.evaluation.page import evaluation_page
from pose6d_node.evaluation.reliability import draw_reliability
from pose6d_node.evaluation.tables import print_tables, write_instances
from pose6d_node.evaluation.worst_poses import worst_poses, write_pictures
from pose6d_node.segmentation.evaluation import SCORE_THRESHOLD
from pose6d_node.segmentation.predictor import Segmenter

EXIT_BAD_INPUT = 2
KINDS = ("segmentation", "pose")
KNOWN_SIZE_POSE = "pose of known size"
NEW_NAMES = {"--dataset": "--data"}
REFINED, AND_VIEWS, AND_LAST = "refined", "+ views", "+ last poses"


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(
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
        type=Path,
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
        help="use this many frames, evenly spread (default %(default)s)",
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


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    args = parse_arguments(arguments)
    try:
        evaluate_models(args)
    except (DatasetError, ModelFileError, RuntimeUnavailableError, OSError) as error:
        print(f"evaluate: {error}", file=sys.stderr)
        return EXIT_BAD_INPUT
    return 0


def evaluate_models(args: argparse.Namespace) -> dict[str, Any]:
    """Run, score and write everything into ``args.out``; returns the metrics.

    Raises what ``main`` reports.
    """
    # Models and data.
    models = models_by_kind(args.model)
    args.out.mkdir(parents=True, exist_ok=True)
    dataset = open_dataset(args.dataset, args.split, mesh_unit=args.mesh_unit)
    if not dataset.has_depth and "segmentation" not in models:
        raise DatasetError(
            f"'{dataset.folder}' has no depth images, which poses are estimated from: only a"
            " segmentation model can be scored on it"
        )
    if args.classes:
        dataset = ChosenClasses(dataset, args.classes)
    estimators = _estimators(models, args) if dataset.has_depth else {}
    if args.sequences and AND_VIEWS in estimators:
        estimators[AND_LAST] = estimators[AND_VIEWS]
    evaluator = ModelEvaluator(dataset, _segmenter(models, args), estimators, (AND_LAST,))

    # The stage whose scores stand for the model: as the nodes run it by default.
    stages = [stage for stage in (REFINED, AND_VIEWS, AND_LAST) if stage in estimators]
    headline = stages[-1] if stages else REFINED

    # Results, and the scores of them.
    results = evaluator.run(_frames_to_use(dataset, args.max_frames))
    notes = [
        *dataset.notes,
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


def _estimators(models: Mapping[str, Path], args: argparse.Namespace) -> dict[str, PoseEstimator]:
    if "pose" not in models:
        return {}
    options = args.device, args.refine_iterations, args.runtime
    stages = pose_stages(models["pose"], *options)
    if KNOWN_SIZE_POSE in models:
        others = pose_stages(models[KNOWN_SIZE_POSE], *options)
        stages |= {
            f"known size, {stage}": others[stage]
            for stage in (REFINED, AND_VIEWS)
            if stage in others
        }
    return stages


def _frames_to_use(dataset: FrameDataset, count: int) -> list[int]:
    """At most ``count`` frames, evenly spread. Raises DatasetError where none is annotated."""
    spread = np.linspace(0, len(dataset) - 1, min(count, len(dataset)))
    frames = np.unique(spread.astype(int)).tolist()
    if not any(dataset.instances(frame) for frame in frames):
        raise DatasetError(
            f"none of the {len(frames)} frames of '{dataset.folder}' has an annotated instance, so"
            " nothing can be scored: choose another --split (test sets are often published without"
            " the truth)"
        )
    return frames


def models_by_kind(paths: Sequence[Path]) -> dict[str, Path]:
    """Model files by their kind; a pose model of known sizes beside one that estimates them is
    ``KNOWN_SIZE_POSE``. Raises ModelFileError for another kind, or two of one.
    """
    models: dict[str, Path] = {}
    both_ways = len({_estimates_sizes(path) for path in paths if model_kind(path) == "pose"}) > 1
    for path in paths:
        kind = model_kind(path)
        if kind == "pose" and both_ways and not _estimates_sizes(path):
            kind = KNOWN_SIZE_POSE
        if kind not in (*KINDS, KNOWN_SIZE_POSE) or kind in models:
            raise ModelFileError(
                f"'{path}' holds a '{kind}' model: give one segmentation model, one pose model, or"
                " one of each"
            )
        models[kind] = path
    return models


def _estimates_sizes(path: Path) -> bool:
    """Whether a pose model file says so. Raises ModelFileError."""
    return read_metadata(path).get("size_variation", KNOWN_SIZE) != KNOWN_SIZE


def pose_stages(
    path: Path, device: str, refine_iterations: int, runtime: str = AUTO_RUNTIME
) -> dict[str, PoseEstimator]:
    """Ways to estimate poses, by name.

    Those after ICP need a model with surfaces, all but the last one with trained classes.

    They keep poses of any confidence: how well it tells right from wrong ones is scored, too.
    """
    estimator = partial(PoseEstimator, path, device, min_confidence=0.0, runtime=runtime)
    views = estimator(refine_iterations)
    stages = {}
    if views.model.spec.num_trained:
        stages = {
            "unrefined": estimator(refine_iterations=0, hypotheses="none"),
            REFINED: estimator(refine_iterations, hypotheses="none"),
            "refined + ICP": estimator(refine_iterations, icp=True, hypotheses="none"),
        }
    if stages and views.model.surfaces is not None:
        stages["registered"] = estimator(refine_iterations, hypotheses="network")
        stages["+ turns"] = estimator(refine_iterations, hypotheses="turns")
    if views.model.surfaces is not None:
        stages[AND_VIEWS] = views
    return stages


def depth_notes(
    dataset: FrameDataset, models: Mapping[str, Path], evaluator: ModelEvaluator
) -> list[str]:
    """What a dataset without depth images leaves out."""
    if dataset.has_depth:
        return []
    notes = [f"'{dataset.folder}' has no depth images: the segmentation alone is scored"]
    if "pose" in models:
        notes.append(f"the poses of '{models['pose']}' are not scored: they need depth")
    if evaluator.segmenter is not None and evaluator.segmenter.uses_depth:
        notes.append("the segmentation model was trained with depth, and sees color alone here")
    return notes


def class_notes(
    dataset: FrameDataset, evaluator: ModelEvaluator, results: ModelResults
) -> list[str]:
    """Classes in the frames that a model does not know, and why instances got no pose."""
    annotated = {instance.class_name for frame in results.ground_truth for instance in frame}
    articulated = {model.name for model in dataset.models.values() if model.articulated}
    notes = []

    not_posed = sorted(annotated - evaluator.posed_classes - articulated)
    if evaluator.estimators and not_posed:
        notes.append(
            f"the pose model does not know {', '.join(not_posed)}: their poses are not scored"
        )
    if evaluator.segmenter is not None:
        not_segmented = sorted(annotated - set(evaluator.segmenter.class_names))
        if not_segmented:
            names = ", ".join(not_segmented)
            notes.append(f"the segmentation model does not know {names}: they count as missed")

    return notes + reason_notes(results.rejected)


def reason_notes(reasons: Counter[str]) -> list[str]:
    """Why there is no pose, and how often; reasons that differ in their numbers are one."""
    kinds: dict[str, list[str]] = {}
    for reason, _ in reasons.most_common():
        kinds.setdefault(re.sub(r"[\d.]+", "", reason), []).append(reason)
    notes = []
    for alike in kinds.values():
        count = sum(reasons[reason] for reason in alike)
        times = "once" if count == 1 else f"{count} times"
        such = ", such as" if len(alike) > 1 else ""
        notes.append(f"{times} no pose{such}: {alike[0]}")
    return notes


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
