# SPDX-License-Identifier: Apache-2.0
"""The model files of an evaluation, and the ways to estimate poses that it compares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from perception_kit.networks.model_metadata import ModelFileError, model_kind, read_metadata
from perception_kit.resources import AUTO_RUNTIME
from pose6d_node.densefusion.pose_model_spec import KNOWN_SIZE
from pose6d_node.densefusion.predictor import PoseEstimator

KINDS = ("segmentation", "pose")
KNOWN_SIZE_POSE = "pose of known size"
REFINED, AND_VIEWS, AND_LAST = "refined", "+ views", "+ last poses"


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
            f"known size, {stage}": others[stage]
            for stage in (REFINED, AND_VIEWS)
            if stage in others
        }
    return stages


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
