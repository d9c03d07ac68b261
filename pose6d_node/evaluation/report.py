# SPDX-License-Identifier: Apache-2.0
"""What an evaluation leaves: tables on the terminal, a line per instance in a file, and pictures of
the worst poses.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from perception_kit.datasets.frame import FrameDataset
from perception_kit.drawing import draw_caption, draw_outline
from pose6d_node.evaluation.depth_renderer import DepthRenderer
from pose6d_node.evaluation.frames import Results
from pose6d_node.evaluation.pose_errors import Judgement

NOT_KNOWN = "–"
TABLE_WIDTH = 140
TRUE_COLOR, ESTIMATED_COLOR, TEXT_COLOR = (60, 255, 90), (255, 60, 220), (255, 255, 255)
POSE_COLUMNS = {
    "recall_0.1d": "ADD(-S)\n< 0.1 d",
    "auc": "ADD(-S)\nAUC",
    "add_auc": "ADD\nAUC",
    "adds_auc": "ADD-S\nAUC",
    "ar_vsd": "VSD\nAR",
    "ar_mssd": "MSSD\nAR",
    "ar_mspd": "MSPD\nAR",
    "ar": "BOP\nAR",
    "confidence_auroc": "conf.\nAUROC",
}
MASK_COLUMNS = {"map": "mask\nmAP", "map50": "mask\nmAP50", "box_map": "box\nmAP"}


def print_tables(metrics: Mapping[str, Any], headline: str, notes: Sequence[str]) -> None:
    """The scores of ``score``, a dash where there is none, and ``notes`` for the user; classes get
    those of stage ``headline``.
    """
    console = Console(highlight=False, soft_wrap=True)
    console.width = max(console.width, TABLE_WIDTH)  # a narrower table would show no digits
    if metrics["poses"]:
        console.print(_stage_table(metrics["poses"]))
    console.print(_class_table(metrics, headline))
    for note in notes:
        console.print(f"[bold yellow]Note:[/] {escape(note)}")


def _stage_table(poses: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> Table:
    table = _table(
        "Poses of all classes; an object without a pose is a miss",
        ["masks", "poses", "objects", "posed", *POSE_COLUMNS.values()],
    )
    for masks, stages in poses.items():
        for stage, scores in stages.items():
            counts = [str(scores["count"]), str(scores["posed"])]
            table.add_row(masks.replace("_", " "), stage, *counts, *_cells(scores, POSE_COLUMNS))
    return table


def _class_table(metrics: Mapping[str, Any], headline: str) -> Table:
    masks = "predicted" if metrics["segmentation"] else "given"
    title = f"By class, over {metrics['frames']} frames; poses: {masks} masks, {headline}"
    table = _table(
        title, ["class", "objects", "found", *MASK_COLUMNS.values(), *POSE_COLUMNS.values()]
    )
    rows = [
        *metrics["per_class"].items(),
        ("all", {part: metrics[part] for part in ("segmentation", "instances", "pose")}),
    ]
    for name, parts in rows:
        segmentation, instances, pose = (
            parts[part] or {} for part in ("segmentation", "instances", "pose")
        )
        total, found = instances.get("total", pose.get("count")), instances.get("found")
        counts = [NOT_KNOWN if value is None else str(value) for value in (total, found)]
        if name == "all":
            table.add_section()
        table.add_row(
            escape(name), *counts, *_cells(segmentation, MASK_COLUMNS), *_cells(pose, POSE_COLUMNS)
        )
    return table


def _table(title: str, columns: Sequence[str]) -> Table:
    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(
            column, justify="left" if column in ("masks", "poses", "class") else "right"
        )
    return table


def _cells(scores: Mapping[str, float | None], columns: Mapping[str, str]) -> list[str]:
    values = (scores.get(key) for key in columns)
    return [NOT_KNOWN if value is None else f"{value:.3f}" for value in values]


def write_instances(path: Path, dataset: FrameDataset, results: Results) -> None:
    """A CSV file with a line for every true instance, kind of masks and stage; errors in metres,
    diameters (MSSD) and pixels (MSPD).
    """
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        errors = ["add", "adds", "vsd", "mssd", "mspd"]
        writer.writerow(
            [
                "masks",
                "poses",
                "frame",
                "class",
                "visible_fraction",
                "confidence",
                *errors,
                "no_pose_because",
            ]
        )
        for masks, stages in results.judgements.items():
            for stage, judgements in stages.items():
                for one in judgements:
                    fractions, pose, bop = (one.visible_fraction, one.confidence), one.pose, one.bop
                    cells = [
                        f"{value:.5f}"
                        for value in (
                            *fractions,
                            pose.add,
                            pose.adds,
                            bop.vsd.mean(),
                            bop.mssd,
                            bop.mspd,
                        )
                    ]
                    writer.writerow(
                        [
                            masks,
                            stage,
                            dataset.name(one.frame),
                            one.pose.class_name,
                            *cells,
                            one.reason,
                        ]
                    )


def worst_cases(judgements: Sequence[Judgement], count: int) -> list[Judgement]:
    """At most ``count``: missed objects, but for no more than half unless poses run out, then the
    largest ADD(-S) in diameters.
    """
    missed = [one for one in judgements if one.estimate is None]
    posed = sorted(
        (one for one in judgements if one.estimate is not None),
        key=lambda one: -one.pose.error / one.pose.diameter,
    )
    shown = missed[: max(count // 2, count - len(posed))]
    return [*shown, *posed[: count - len(shown)]]


def write_pictures(
    folder: Path, dataset: FrameDataset, judgements: Sequence[Judgement]
) -> list[Path]:
    """A picture of each judgement: the edge of the model at the true pose and at the estimated one,
    over the image.
    """
    folder.mkdir(parents=True, exist_ok=True)
    models = {model.name: model for model in dataset.models.values()}
    paths = []
    for number, one in enumerate(judgements, start=1):
        renderer = DepthRenderer(*models[one.pose.class_name].mesh())
        path = (
            folder
            / f"{number:02d}_{dataset.name(one.frame).replace('/', '_')}_{one.pose.class_name}.png"
        )
        cv2.imwrite(str(path), draw_judgement(dataset, one, renderer)[..., ::-1])
        paths.append(path)
    return paths


def draw_judgement(dataset: FrameDataset, one: Judgement, renderer: DepthRenderer) -> np.ndarray:
    """(H, W, 3) uint8 picture of one judgement."""
    picture = dataset.rgb(one.frame)
    intrinsics = dataset.intrinsics(one.frame, *picture.shape[:2])
    lines = [
        (f"{dataset.name(one.frame)}  {one.pose.class_name}", TEXT_COLOR),
        ("true pose", TRUE_COLOR),
    ]
    picture = draw_outline(
        picture, renderer.render(*one.ground_truth, intrinsics)[0] > 0, TRUE_COLOR
    )
    if one.estimate is None:
        lines.append((f"no pose: {one.reason}", ESTIMATED_COLOR))
    else:
        picture = draw_outline(
            picture, renderer.render(*one.estimate, intrinsics)[0] > 0, ESTIMATED_COLOR
        )
        measure = "ADD-S" if one.pose.symmetric else "ADD"
        error = (
            f"{measure} {one.pose.error * 1000:.1f} mm, {one.pose.error / one.pose.diameter:.2f}"
            " diameters"
        )
        lines.append((f"estimated pose: {error}", ESTIMATED_COLOR))
    return draw_caption(picture, lines)
