# SPDX-License-Identifier: Apache-2.0
"""``report.html`` of an evaluation of models, in the look of a replay's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import plotly.graph_objects as go
from PIL import Image

from perception_kit.datasets.frame import FrameDataset
from perception_kit.evaluation import scores
from perception_kit.evaluation.frame_records import ObjectRecord, pose_fields
from perception_kit.evaluation.scores import Score
from perception_kit.report.html import (
    assemble_page,
    chart_panels,
    class_table,
    configuration_panel,
    file_links,
    notes,
    page_header,
    panel,
    score_groups,
    table,
)
from perception_kit.report.instance_list import (
    ERROR_COLUMNS,
    error_cells,
    instance_data,
    instance_panel,
)
from perception_kit.report.object_charts import bop_figure, pose_figures, segmentation_figures
from perception_kit.report.pictures import encode_picture
from perception_kit.short_text import counted
from pose6d_node.evaluation.pose_targets import PoseMatch
from pose6d_node.evaluation.tables import MASK_COLUMNS, POSE_COLUMNS, SIZE_COLUMNS, size_rows

_COLUMNS = ("frame", "class", "visible", "confidence", *ERROR_COLUMNS)
_BOP_COLUMNS = ("VSD", "MSSD, diameters", "MSPD, px", "no pose because")
_FILES = {
    "metrics.json": "scores",
    "instances.csv": "all instances at every stage",
    "config.json": "configuration",
    "reliability.png": "reliability of the confidences",
}


def evaluation_page(
    out: Path,
    metrics: Mapping[str, Any],
    curves: Mapping[str, Sequence[float]],
    config: Mapping[str, Any],
    dataset: FrameDataset,
    matches: Sequence[PoseMatch],
    pictures: Sequence[Path],
) -> str:
    """The page as HTML, which lies in the folder ``out`` beside the other files.

    ``metrics`` as of ``model_metrics`` with its notes; ``curves`` are precisions by class as of
    ``mask_average_precision``; ``matches`` are the poses of the stage that stands for the model,
    ``pictures`` those of the worst.
    """
    per_class = metrics["per_class"]
    records = [_record(match) for match in matches]
    figures: dict[str, go.Figure] = {}
    if records:
        figures |= pose_figures(records)
        figures["Pose: average recalls of BOP: VSD, MSSD, MSPD, and their mean"] = bop_figure(
            {name: row["pose"] for name, row in per_class.items() if row["pose"]}
        )
    if metrics["segmentation"]:
        masks = {name: row["segmentation"] for name, row in per_class.items()}
        figures |= segmentation_figures({name: row for name, row in masks.items() if row}, curves)
    charts, drawn = chart_panels(figures)

    sections = [
        _header(out, metrics, config),
        notes(metrics["notes"]),
        score_groups(_scores(metrics, short=False)),
        charts,
        *_classes(per_class),
        *_stages(metrics["poses"]),
        *_sizes(metrics["poses"]),
        *_worst(pictures),
        *([instance_panel()] if records else []),
        configuration_panel({"arguments, models, versions": dict(config)}),
    ]
    rows = [
        [*_cells(dataset, match), *error_cells(record), *_bop_cells(match)]
        for match, record in zip(matches, records, strict=True)
    ]
    data = {"instances": instance_data((*_COLUMNS, *_BOP_COLUMNS), rows)}
    title = f"Evaluation on {Path(config['arguments']['dataset']).name}"
    return assemble_page(title, "".join(sections), data, drawn)


def _header(out: Path, metrics: Mapping[str, Any], config: Mapping[str, Any]) -> str:
    data = config["arguments"]["dataset"]
    models = [f"{kind} {model['file']}" for kind, model in config["models"].items()]
    about = [
        f"{escape(data)}: {counted(metrics['frames'], 'frame')}, scored"
        f" {datetime.now():%Y-%m-%d %H:%M}",
        escape(", ".join(models)),
        file_links(out, _FILES),
    ]
    return page_header(f"Evaluation on {Path(data).name}", about, _verdict(metrics))


def _verdict(metrics: Mapping[str, Any]) -> str:
    """How much is found, and how much of that has a right pose, in a sentence."""
    found, pose = metrics["instances"], metrics["pose"]
    parts = []
    if found:
        parts.append(f"{found['found']} of {found['total']} objects are found")
    if pose:
        right = round(pose[scores.POSE_RECALL.key] * pose["count"])
        parts.append(
            f"{right} of {pose['count']} have a pose that is off by less than a tenth of the"
            " diameter"
        )
    return f"{', '.join(parts)}." if parts else ""


def _scores(values: Mapping[str, Any], short: bool = True) -> list[Score]:
    """The scores of a class, or of all, the same in the same order for each."""
    segmentation, instances, pose = (
        values[name] or {} for name in ("segmentation", "instances", "pose")
    )
    total = instances.get("total") or pose.get("count")
    found = instances["found"] / total if instances.get("total") else None
    kinds = [
        (scores.VISIBLE_COUNT, total),
        (scores.FOUND, found),
        *((kind, segmentation.get(kind.key)) for kind in MASK_COLUMNS),
        *((kind, pose.get(kind.key)) for kind in POSE_COLUMNS),
        *((kind, pose[kind.key]) for kind in SIZE_COLUMNS if kind.key in pose),
    ]
    return [kind.of_class(value) if short else kind.of(value) for kind, value in kinds]


def _classes(per_class: Mapping[str, Any]) -> list[str]:
    """A row for each class; nothing where none is scored."""
    rows = {name: _scores(scores) for name, scores in per_class.items()}
    return [panel("By class", class_table(rows))] if rows else []


def _stages(poses: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> list[str]:
    """A table of the ways to estimate poses."""
    if not poses:
        return []
    header = ["masks", "poses", "objects", "posed", *(kind.name for kind in POSE_COLUMNS)]
    rows = [
        [
            escape(text)
            for text in (
                masks.replace("_", " "),
                stage,
                str(values["count"]),
                str(values["posed"]),
                *(kind.of(values.get(kind.key)).text for kind in POSE_COLUMNS),
            )
        ]
        for masks, stages in poses.items()
        for stage, values in stages.items()
    ]
    return [panel("By the way in which poses are estimated", table(header, rows, text_columns=2))]


def _sizes(poses: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> list[str]:
    """A table of the sizes, where objects differ in size from their models."""
    rows = [
        [escape(masks), escape(stage), *(kind.of(values[kind.key]).text for kind in SIZE_COLUMNS)]
        for masks, stage, values in size_rows(poses)
    ]
    if not rows:
        return []
    header = ["masks", "poses", *(kind.name for kind in SIZE_COLUMNS)]
    return [panel("Sizes of objects", table(header, rows, text_columns=2))]


def _worst(pictures: Sequence[Path]) -> list[str]:
    """The pictures of the worst poses, which are inside the page."""
    if not pictures:
        return []
    figures = []
    for path in pictures:
        source = encode_picture(np.asarray(Image.open(path).convert("RGB")))
        figures.append(
            f'<figure><img alt="{escape(path.stem)}" src="data:image/jpeg;base64,{source}">'
            f"<figcaption>{escape(path.stem)}</figcaption></figure>"
        )
    title = "Worst poses: the true outline green, the estimated one pink"
    return [panel(title, f'<div class="worst">{"".join(figures)}</div>')]


def _record(match: PoseMatch) -> ObjectRecord:
    """The match as of a replay; nothing is known of boxes and masks."""
    found = match.estimate is not None
    return ObjectRecord(match.pose.class_name, [], found, 0.0, **pose_fields(match.pose))


def _cells(dataset: FrameDataset, match: PoseMatch) -> list[str | float | None]:
    confidence = round(match.confidence, 3) if match.estimate is not None else None
    visible = round(match.visible_fraction, 3)
    return [dataset.name(match.frame), match.pose.class_name, visible, confidence]


def _bop_cells(match: PoseMatch) -> list[str | float | None]:
    if match.estimate is None:
        return [None, None, None, match.reason]
    errors = (float(match.bop.vsd.mean()), match.bop.mssd, match.bop.mspd)
    return [*(round(error, 3) if np.isfinite(error) else None for error in errors), ""]
