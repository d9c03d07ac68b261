# SPDX-License-Identifier: Apache-2.0
"""Pose errors of a model on annotated instances with given masks."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from perception_kit.datasets.scaling import overall_scale
from perception_kit.metrics.pose import PoseError, add, adds, pose_metrics
from pose6d_node.densefusion.crops import make_inputs, point_order
from pose6d_node.densefusion.dataset import PoseDataset
from pose6d_node.densefusion.inference import estimate
from pose6d_node.densefusion.pose_model import PoseModel
from pose6d_node.densefusion.sizes import estimate_sizes, normalized, reach


def predict_poses(
    model: PoseModel, dataset: PoseDataset, refine_iterations: int, batch_size: int = 64
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rotations (N, 3, 3), translations (N, 3) in metres and factors of the sizes (N, 3) for all
    instances of ``dataset``.
    """
    spec, device = model.spec, model.diameters.device
    order = point_order(spec.crop_size, 0, device)

    rotations, translations, scales = [], [], []
    for index in torch.arange(len(dataset)).split(batch_size):
        crops = dataset.crops.select(index).to(device)
        inputs = make_inputs(crops, reach(model), spec.num_points, order, spec.input_frame)
        scale = estimate_sizes(model, inputs).scale
        inputs = normalized(model, inputs, scale)
        rotation, translation, _ = estimate(model, inputs, refine_iterations)
        rotations.append(rotation.cpu())
        translations.append(translation.cpu())
        scales.append(scale.cpu())

    return (
        torch.cat(rotations).double().numpy(),
        torch.cat(translations).double().numpy(),
        torch.cat(scales).double().numpy(),
    )


def pose_errors(model: PoseModel, dataset: PoseDataset, refine_iterations: int) -> list[PoseError]:
    """Error of each instance, of the model scaled to its true size.

    Those with too few points count as missed.
    """
    spec = model.spec
    model_points = model.model_points.double().cpu().numpy()
    true_rotations = dataset.rotation.double().numpy()
    true_translations = dataset.translation.double().numpy()
    rotations, translations, _ = predict_poses(model, dataset, refine_iterations)
    scales = dataset.scale.double().numpy()

    errors = []
    for k, index in enumerate(dataset.crops.class_index.tolist()):
        points = model_points[index] * scales[k]
        poses = rotations[k], translations[k], true_rotations[k], true_translations[k]
        errors.append(
            PoseError(
                spec.class_names[index],
                spec.diameters[index] * float(overall_scale(scales[k])),
                spec.symmetric[index],
                add(points, *poses),
                adds(points, *poses),
            )
        )

    missed = [
        PoseError(spec.class_names[index], spec.diameters[index], spec.symmetric[index])
        for index in dataset.too_few_points
    ]
    return errors + missed


def evaluate_poses(
    model: PoseModel, dataset: PoseDataset, refine_iterations: int
) -> dict[str, Any]:
    """``pose_metrics`` of the refined poses and, under ``without_refinement``, of the others."""
    model.eval()
    refined = pose_metrics(pose_errors(model, dataset, refine_iterations))
    sizes = {"size_error": size_errors(model, dataset)} if model.spec.estimates_sizes else {}
    return {
        **refined,
        **sizes,
        "refine_iterations": refine_iterations,
        "without_refinement": pose_metrics(pose_errors(model, dataset, 0)),
    }


def size_errors(model: PoseModel, dataset: PoseDataset) -> dict[str, float]:
    """``median`` and ``p90`` of the relative errors of the estimated sizes of all instances."""
    _, _, scales = predict_poses(model, dataset, refine_iterations=0)
    errors = np.abs(scales / dataset.scale.double().numpy() - 1).mean(axis=1)
    return {"median": float(np.median(errors)), "p90": float(np.quantile(errors, 0.9))}


def format_scores(scores: dict[str, Any]) -> str:
    """The scores as a table for the terminal."""
    columns = ("recall 0.1d", 13), ("unrefined", 11), ("ADD-S AUC", 11), ("unrefined", 11)
    header = f"{'class':<24}{'count':>7}"
    lines = [header + "".join(f"{name:>{width}}" for name, width in columns)]

    plain = scores["without_refinement"]
    for name, row in [*scores["per_class"].items(), ("all", scores)]:
        before = plain if name == "all" else plain["per_class"][name]
        values = row["recall_0.1d"], before["recall_0.1d"], row["adds_auc"], before["adds_auc"]
        cells = [f"{value:>{width}.3f}" for value, (_, width) in zip(values, columns, strict=True)]
        lines.append(f"{name:<24}{row['count']:>7}" + "".join(cells))

    if "size_error" in scores:
        median, p90 = scores["size_error"]["median"], scores["size_error"]["p90"]
        lines.append(f"sizes are off by {median:.1%} (median), {p90:.1%} (90th percentile)")
    return "\n".join(lines)
