# SPDX-License-Identifier: Apache-2.0
"""Tables of an evaluation of models: scores on the terminal, and all instances in a CSV file."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from perception_kit.datasets.frame import FrameDataset
from perception_kit.evaluation import scores
from perception_kit.evaluation.scores import NOT_KNOWN, ScoreKind
from perception_kit.short_text import counted
from pose6d_node.evaluation.model_evaluator import ModelResults
from pose6d_node.evaluation.pose_targets import PoseMatch

TABLE_WIDTH, SHORT_NAME = 140, 8  # characters, of tables of classes with short names
LONG_NAME = 32  # longer names go on in the next line
POSE_COLUMNS = (
    scores.POSE_RECALL,
    scores.POSE_AUC,
    scores.ADD_AUC,
    scores.ADDS_AUC,
    scores.VSD_AR,
    scores.MSSD_AR,
    scores.MSPD_AR,
    scores.BOP_AR,
    scores.CONFIDENCE_AUROC,
)
SIZE_COLUMNS = (
    scores.SIZE_ERROR,
    scores.SIZE_ERROR_90,
    scores.BOX_IOU,
    scores.IOU_AP,
    scores.POSE_AP_5,
    scores.POSE_AP_10,
)
MASK_COLUMNS = (scores.MASK_MAP, scores.MASK_MAP50, scores.MASK_MAP_LARGER, scores.BOX_MAP)
_TEXT_COLUMNS = ("masks", "poses", "class", "scene")
MAX_SCENES = 30  # more are in metrics.json only
_CSV_COLUMNS = (
    *("masks", "poses", "frame", "class", "visible_fraction", "confidence"),
    *("add", "adds", "vsd", "mssd", "mspd", "no_pose_because", "size_error", "box_iou"),
)


def print_tables(metrics: Mapping[str, Any], headline: str, notes: Sequence[str]) -> None:
    """The scores of ``model_metrics``, a dash where there is none, and ``notes`` for the user.

    Classes get the scores of stage ``headline``.
    """
    console = Console(highlight=False, soft_wrap=True)
    # A narrower table would show no digits, and names that cannot be told apart.
    longer = max(0, _name_width(metrics["per_class"]) - SHORT_NAME)
    console.width = max(console.width, TABLE_WIDTH + longer)
    if metrics["poses"]:
        console.print(_stage_table(metrics["poses"]))
    if rows := size_rows(metrics["poses"]):
        headings = [kind.heading for kind in SIZE_COLUMNS]
        title = "Sizes, and poses with their sizes, of objects not as large as their models"
        sizes = _table(title, ["masks", "poses", *headings])
        for masks, stage, values in rows:
            sizes.add_row(masks, stage, *_cells(values, SIZE_COLUMNS))
        console.print(sizes)
    if "jitter" in metrics:
        console.print(_jitter_table(metrics["jitter"]))
    if 1 < len(metrics["per_scene"]) <= MAX_SCENES:
        console.print(_scene_table(metrics["per_scene"]))
    console.print(_class_table(metrics, headline))
    for note in notes:
        console.print(f"[bold yellow]Note:[/] {escape(note)}")


def _stage_table(poses: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> Table:
    headings = [kind.heading for kind in POSE_COLUMNS]
    table = _table(
        "Poses of all classes; an object without a pose is a miss",
        ["masks", "poses", "objects", "posed", *headings],
    )
    for masks, stages in poses.items():
        for stage, values in stages.items():
            counts = [str(values["count"]), str(values["posed"])]
            table.add_row(masks.replace("_", " "), stage, *counts, *_cells(values, POSE_COLUMNS))
    return table


def size_rows(
    poses: Mapping[str, Mapping[str, Mapping[str, Any]]],
) -> list[tuple[str, str, Mapping[str, Any]]]:
    """Masks, stage and scores of every stage with scores of sizes."""
    return [
        (masks.replace("_", " "), stage, values)
        for masks, stages in poses.items()
        for stage, values in stages.items()
        if scores.SIZE_ERROR.key in values
    ]


def _scene_table(scenes: Mapping[str, Mapping[str, Any]]) -> Table:
    headings = [kind.heading for kind in POSE_COLUMNS]
    table = _table("By scene, poses as by class", ["scene", "objects", "posed", *headings])
    for scene, values in scenes.items():
        counts = [str(values["count"]), str(values["posed"])]
        table.add_row(escape(scene), *counts, *_cells(values, POSE_COLUMNS))
    return table


def _jitter_table(jitter: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> Table:
    columns = ("mm median", "mm p95", "degrees median", "degrees p95", "jumps > 20°", "pairs")
    title = "Change of the poses' errors from frame to frame"
    table = _table(title, ["masks", "poses", *columns])
    for masks, stages in jitter.items():
        for stage, row in stages.items():
            spreads = (row["translation_mm"], row["rotation_degrees"])
            values = [spread[key] for spread in spreads for key in ("median", "p95")]
            cells = [NOT_KNOWN if value is None else f"{value:.1f}" for value in values]
            counts = [str(row["jumps"]), str(row["pairs"])]
            table.add_row(masks.replace("_", " "), stage, *cells, *counts)
    return table


def _class_table(metrics: Mapping[str, Any], headline: str) -> Table:
    masks = "predicted" if metrics["segmentation"] else "given"
    headings = [kind.heading for kind in (*MASK_COLUMNS, *POSE_COLUMNS)]
    poses = f"; poses: {masks} masks, {headline}" if metrics["poses"] else ""
    table = _table(
        f"By class, over {counted(metrics['frames'], 'frame')}{poses}",
        ["class", "objects", "found", *headings],
    )
    width = _name_width(metrics["per_class"])
    table.columns[0].overflow, table.columns[0].min_width = "fold", width
    for name, values in metrics["per_class"].items():
        table.add_row(escape(name), *_class_cells(values))
    table.add_section()
    table.add_row("all", *_class_cells(metrics))
    return table


def _name_width(names: Iterable[str]) -> int:
    return min(max(map(cell_len, names), default=0), LONG_NAME)


def _class_cells(values: Mapping[str, Any]) -> list[str]:
    """Cells of one class, or of all."""
    segmentation, instances, pose = (
        values[name] or {} for name in ("segmentation", "instances", "pose")
    )
    total, found = instances.get("total", pose.get("count")), instances.get("found")
    counts = [NOT_KNOWN if value is None else str(value) for value in (total, found)]
    return [*counts, *_cells(segmentation, MASK_COLUMNS), *_cells(pose, POSE_COLUMNS)]


def _table(title: str, columns: Sequence[str]) -> Table:
    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(column, justify="left" if column in _TEXT_COLUMNS else "right")
    return table


def _cells(values: Mapping[str, float | None], columns: Sequence[ScoreKind]) -> list[str]:
    """Fractions of 1 with the same digits in all columns: percentages would make them wider."""
    row = [values.get(kind.key) for kind in columns]
    return [NOT_KNOWN if value is None else f"{value:.3f}" for value in row]


def write_instances(path: Path, dataset: FrameDataset, results: ModelResults) -> None:
    """A CSV file with a line for every instance that counts, kind of masks and stage.

    Errors are in metres, diameters (MSSD) and pixels (MSPD).
    """
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(_CSV_COLUMNS)
        for masks, stages in results.poses.items():
            for stage, matches in stages.items():
                writer.writerows([masks, stage, *_csv_cells(dataset, match)] for match in matches)


def _csv_cells(dataset: FrameDataset, match: PoseMatch) -> list[str]:
    pose, bop = match.pose, match.bop
    values = (
        *(match.visible_fraction, match.confidence),
        *(pose.add, pose.adds, bop.vsd.mean(), bop.mssd, bop.mspd),
    )
    numbers = [f"{value:.5f}" for value in values]
    size = ["", ""]
    if match.size is not None:
        size = [f"{match.size.size:.5f}", f"{match.size.iou:.5f}"]
    return [dataset.name(match.frame), pose.class_name, *numbers, match.reason, *size]
