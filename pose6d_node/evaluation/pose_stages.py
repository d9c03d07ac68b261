# SPDX-License-Identifier: Apache-2.0
"""The model files of an evaluation, and the ways to estimate poses that it compares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from perception_kit.datasets.frame import FrameDataset
from perception_kit.networks.model_metadata import ModelFileError, model_kind, read_metadata
from perception_kit.resources import AUTO_RUNTIME
from perception_kit.short_text import listed
from pose6d_node.densefusion.pose_model_spec import KNOWN_SIZE
from pose6d_node.densefusion.predictor import PoseEstimator

KINDS = ("segmentation", "pose")
KNOWN_SIZE_POSE = "pose of known size"
UNREFINED, REFINED = "unrefined", "refined"
AND_VIEWS, AND_LAST = "+ views", "+ last poses"
_OF_KNOWN_SIZE = "known size, "


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


def refuse_foreign_classes(models: Mapping[str, Path], dataset: FrameDataset) -> None:
    """Raises ModelFileError for a pose model that knows none of the dataset's rigid classes."""
    rigid = [model.name for model in dataset.models.values() if not model.articulated]
    for kind in ("pose", KNOWN_SIZE_POSE):
        known = read_metadata(models[kind])["class_names"] if kind in models else rigid
        if rigid and not set(known) & set(rigid):
            raise ModelFileError(
                f"'{models[kind]}' knows the poses of {listed(known)}, but '{dataset.folder}' shows"
                f" {listed(rigid)}: give a model of these, or add their meshes to it (perception"
                " update-objects)"
            )


def headline_stage(estimators: Mapping[str, PoseEstimator]) -> str:
    """The stage whose scores stand for the model: as the nodes run it by default."""
    stages = (UNREFINED, REFINED, AND_VIEWS, AND_LAST)
    return next((stage for stage in reversed(stages) if stage in estimators), REFINED)


def unknown_classes(estimators: Mapping[str, PoseEstimator], classes: set[str]) -> set[str]:
    """Those of ``classes`` that the model of known sizes beside another does not know."""
    known = {
        name
        for stage, estimator in estimators.items()
        if stage.startswith(_OF_KNOWN_SIZE)
        for name in estimator.class_names
    }
    return classes - known if known else set()


def compared_stages(
    models: Mapping[str, Path], device: str, refine_iterations: int, runtime: str
) -> dict[str, PoseEstimator]:
    """The ``pose_stages`` of the pose model, and the main ones of that of known sizes beside it."""
    if "pose" not in models:
        return {}
    options = device, refine_iterations, runtime
    stages = pose_stages(models["pose"], *options)
    if KNOWN_SIZE_POSE in models:
        others = pose_stages(models[KNOWN_SIZE_POSE], *options)
        stages |= {
            f"{_OF_KNOWN_SIZE}{stage}": others[stage]
            for stage in (REFINED if refine_iterations else UNREFINED, AND_VIEWS)
            if stage in others
        }
    return stages


def pose_stages(
    path: Path, device: str, refine_iterations: int, runtime: str = AUTO_RUNTIME
) -> dict[str, PoseEstimator]:
    """Ways to estimate poses, by name.

    Those after ICP need a model with surfaces, all but the last one with trained classes. Without
    iterations of the refiner none is called refined.

    They keep poses of any confidence: how well it tells right from wrong ones is scored, too.
    """
    estimator = partial(PoseEstimator, path, device, min_confidence=0.0, runtime=runtime)
    views = estimator(refine_iterations)
    stages = {}
    if views.model.spec.num_trained:
        stages[UNREFINED] = estimator(refine_iterations=0, hypotheses="none")
        if refine_iterations:
            stages[REFINED] = estimator(refine_iterations, hypotheses="none")
        with_icp = f"{REFINED if refine_iterations else UNREFINED} + ICP"
        stages[with_icp] = estimator(refine_iterations, icp=True, hypotheses="none")
    if stages and views.model.surfaces is not None:
        stages["registered"] = estimator(refine_iterations, hypotheses="network")
        stages["+ turns"] = estimator(refine_iterations, hypotheses="turns")
    if views.model.surfaces is not None:
        stages[AND_VIEWS] = views
    return stages
