# SPDX-License-Identifier: Apache-2.0
"""Pictures of the worst poses of an evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from perception_kit.datasets.depth_renderer import DepthRenderer
from perception_kit.datasets.frame import FrameDataset
from perception_kit.datasets.object_model import ObjectModel
from perception_kit.drawing import draw_caption, draw_outline
from perception_kit.types import Intrinsics
from pose6d_node.evaluation.pose_targets import PoseMatch

TRUE_COLOR, ESTIMATED_COLOR, TEXT_COLOR = (60, 255, 90), (255, 60, 220), (255, 255, 255)


def worst_poses(matches: Sequence[PoseMatch], count: int) -> list[PoseMatch]:
    """At most ``count``: misses, then the largest ADD(-S) in diameters.

    Misses are no more than half, unless there are not enough poses.
    """
    missed = [match for match in matches if match.estimate is None]
    posed = [match for match in matches if match.estimate is not None]
    posed.sort(key=lambda match: match.pose.error / match.pose.diameter, reverse=True)

    shown = missed[: max(count // 2, count - len(posed))]
    return [*shown, *posed[: count - len(shown)]]


def write_pictures(folder: Path, dataset: FrameDataset, matches: Sequence[PoseMatch]) -> list[Path]:
    """A picture of each match in ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    models = {model.name: model for model in dataset.models.values()}
    paths = []
    for number, match in enumerate(matches, start=1):
        class_name = match.pose.class_name
        name = f"{dataset.name(match.frame)}_{class_name}".replace("/", "_")
        path = folder / f"{number:02d}_{name}.png"

        picture = draw_match(dataset, match, models[class_name])
        if not cv2.imwrite(str(path), picture[..., ::-1]):
            raise OSError(f"'{path}' cannot be written: make room on its disk")
        paths.append(path)
    return paths


def draw_match(dataset: FrameDataset, match: PoseMatch, model: ObjectModel) -> np.ndarray:
    """(H, W, 3) uint8 image with the outlines of the model at the true and the estimated pose.

    It is as large as it is in truth, and as it was estimated.
    """
    vertices, faces = model.mesh()
    rgb = dataset.rgb(match.frame)
    height, width = rgb.shape[:2]
    intrinsics: Intrinsics = dataset.intrinsics(match.frame, height, width)
    lines = [
        (f"{dataset.name(match.frame)}  {match.pose.class_name}", TEXT_COLOR),
        ("true pose", TRUE_COLOR),
    ]

    renderer = DepthRenderer(vertices * match.scale, faces)
    depth, _ = renderer.render(*match.ground_truth, intrinsics)
    picture = draw_outline(rgb, depth > 0, TRUE_COLOR)
    if match.estimate is None:
        lines.append((f"no pose: {match.reason}", ESTIMATED_COLOR))
        return draw_caption(picture, lines)

    renderer = DepthRenderer(vertices * match.estimated_scale, faces)
    depth, _ = renderer.render(*match.estimate, intrinsics)
    picture = draw_outline(picture, depth > 0, ESTIMATED_COLOR)
    error = match.pose.error
    measure = "ADD-S" if match.pose.symmetric else "ADD"
    diameters = error / match.pose.diameter
    text = f"estimated pose: {measure} {error * 1000:.1f} mm, {diameters:.2f} diameters"
    return draw_caption(picture, [*lines, (text, ESTIMATED_COLOR)])
