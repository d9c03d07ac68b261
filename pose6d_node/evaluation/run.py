# SPDX-License-Identifier: Apache-2.0
"""One evaluation of models on annotated frames: what is run, scored and written."""

from __future__ import annotations

import argparse
import platform
import shutil
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from perception_kit.datasets.chosen_classes import ChosenClasses
from perception_kit.datasets.files import DatasetError
from perception_kit.datasets.opener import open_dataset
from perception_kit.datasets.scale_check import scale_note
from perception_kit.evaluation.run_folder import REPORT
from perception_kit.json_output import write_json
from perception_kit.networks.model_file import file_sha256
from perception_kit.partial_file import refuse_links
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

OUTPUTS = ("metrics.json", "config.json", "instances.csv", "worst", "reliability.png", REPORT)


def evaluate_models(args: argparse.Namespace) -> dict[str, Any]:
    """Run, score and write everything into ``args.out``; returns the metrics.

    Raises DatasetError, ModelFileError, RuntimeUnavailableError and OSError.
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
