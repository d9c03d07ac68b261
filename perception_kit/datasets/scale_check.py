# SPDX-License-Identifier: Apache-2.0
"""Whether depth, poses and meshes of a dataset are in the units that its layout says."""

from __future__ import annotations

import numpy as np

from perception_kit.datasets.frame import FrameDataset, visible_instances
from perception_kit.depth_scale import FEWEST, is_plausible, metric_width

_FRAMES = 20  # spread over the dataset
_MIN_VISIBLE = 0.5
_AGREES = (0.5, 2.0)  # depth of a surface over the distance of its object's origin


def scale_note(dataset: FrameDataset) -> str | None:
    """What is wrong with a unit where objects have not the size of their models; None else.

    Poses learned from such frames are useless. Raises DatasetError for damaged frames.
    """
    if not dataset.has_depth:
        return None
    ratios, distances = _measured(dataset)
    if len(ratios) < FEWEST:
        return None

    # Poses and depth are two measures of the same distance.
    farther = float(np.median(distances))
    if not _AGREES[0] < farther < _AGREES[1]:
        ratio, how = (farther, "far") if farther > 1 else (1 / farther, "near")
        times = f"{ratio:.0f}" if ratio >= 100 else f"{ratio:.3g}"
        return (
            f"warning: by the depth images, {len(ratios)} objects are {times} times as {how} as by"
            " their poses:"
            " correct the unit of the depth (depth_scale of scene_camera.json or info.yml,"
            " factor_depth of meta.mat)"
        )
    if is_plausible(ratios):
        return None
    return (
        f"warning: by depth and poses, which agree, {len(ratios)} objects look"
        f" {float(np.median(ratios)):.2g} times as large as their models: these are in another"
        " unit; give --mesh-unit, or correct the extents in models_info"
    )


def _measured(dataset: FrameDataset) -> tuple[list[float], list[float]]:
    """Of instances: metric width over the model's diameter, and depth over the pose's distance."""
    diameters = {
        model.name: model.diameter for model in dataset.models.values() if not model.articulated
    }
    ratios, distances = [], []
    for index in np.unique(np.linspace(0, len(dataset) - 1, _FRAMES).round().astype(int)):
        frame = dataset[int(index)]
        pairs = visible_instances(frame.labels, frame.instances, dataset.class_names)
        for instance, truth in pairs:
            diameter = diameters.get(instance.class_name)
            width = metric_width(instance, frame.depth, frame.intrinsics)
            if not diameter or width is None or truth.visible_fraction < _MIN_VISIBLE:
                continue
            left, top = instance.mask_origin
            height, columns = instance.mask.shape
            depth = frame.depth[top : top + height, left : left + columns][instance.mask]
            ratios.append(width / diameter)
            distances.append(float(np.median(depth[depth > 0])) / float(truth.translation[2]))
    return ratios, distances
