# SPDX-License-Identifier: Apache-2.0
"""Scores over the folds of a cross-validation: every subject by the model that never saw them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from actionrec_node.data.annotations import Annotations, folder_numbers
from actionrec_node.data.crops import CONTEXT
from actionrec_node.data.labeled_videos import SHARPNESS, load_videos
from actionrec_node.data.person_boxes import read_boxes
from actionrec_node.data.splits import groups_of
from actionrec_node.evaluation.clip_scores import PredictedVideo, clip_scores, predict_videos
from actionrec_node.evaluation.fall_alarm import alarm_scores
from actionrec_node.networks.action_model import ActionModel, load_action_model
from actionrec_node.networks.action_model_spec import ActionModelSpec
from perception_kit.videos.video import VideoFormat

ALL = "all"
"""Name of the row of all folders together."""


@dataclass(frozen=True)
class FoldScores:
    """``rows`` of ``clip_scores`` by data folder, and over ``all`` of them together.

    Each row also has ``groups``: how many subjects (or videos) show a class. ``alarm`` is
    ``alarm_scores`` over ``all``.
    """

    rows: dict[str, dict[str, Any]]
    alarm: dict[str, Any]


def score_folds(
    models: Sequence[Path],
    held_out: Sequence[Annotations],
    folders: Sequence[Path],
    folder_fps: float,
    pictures: str | None,
    skip_bad: bool,
    group_pattern: str | None = None,
    apart: Collection[Path] = (),
) -> FoldScores:
    """Score each model on what its fold held out of the data ``folders``, and put that together.

    Clips show the person where boxes.csv knows them, as the live node does. ``folder_fps``,
    ``pictures``, ``skip_bad`` and ``group_pattern`` are those of the training. Folders that are
    ``apart`` have rows and are no part of ``all``. Raises DataError and ModelFileError.
    """
    predicted: dict[str, list[PredictedVideo]] = defaultdict(list)
    labels: dict[str, Annotations] = defaultdict(dict)
    row_of = _row_names(folders)
    places = {path: row_of[folders[k]] for path, k in folder_numbers(folders).items()}
    tracks = read_boxes(folders)
    spec: ActionModelSpec | None = None
    for model_path, labeled in zip(models, held_out, strict=True):
        model = load_action_model(model_path)
        spec = model.spec
        form = VideoFormat(spec.clip_fps, SHARPNESS * spec.size, folder_fps, pictures)
        videos = load_videos(
            labeled, spec.class_names, form, spec.clip_length, skip_bad=skip_bad, tracks=tracks
        )
        for video, result in zip(videos, _predict(model, videos), strict=True):
            predicted[places[video.path]].append(result)
            labels[places[video.path]][video.path] = labeled[video.path]
    assert spec is not None

    rows = {
        name: _row(videos, labels[name], spec, group_pattern)
        for name, videos in sorted(predicted.items())
    }
    together = predicted.keys() - {row_of[folder] for folder in apart}
    everything = [video for name in sorted(together) for video in predicted[name]]
    merged = {path: each for name in together for path, each in labels[name].items()}
    rows[ALL] = _row(everything, merged, spec, group_pattern)
    return FoldScores(
        rows,
        alarm_scores(everything, spec.class_names, spec.clip_fps, spec.alarms, spec.confirmations),
    )


def _row_names(folders: Sequence[Path]) -> dict[Path, str]:
    """The name of each folder's row: the folder's, or its path where two have the same."""
    count = Counter(folder.name for folder in folders)
    return {
        folder: folder.name if count[folder.name] == 1 and folder.name != ALL else str(folder)
        for folder in folders
    }


def _predict(model: ActionModel, videos: Sequence[Any]) -> list[PredictedVideo]:
    with torch.inference_mode():
        return predict_videos(model, videos, context=CONTEXT)


def _row(
    videos: Sequence[PredictedVideo],
    annotations: Annotations,
    spec: ActionModelSpec,
    pattern: str | None,
) -> dict[str, Any]:
    scores = clip_scores(videos, spec.class_names, spec.clip_length, spec.clip_fps, spec.alarms)
    return scores | {"groups": _count_groups(annotations, pattern)}


def _count_groups(annotations: Annotations, pattern: str | None) -> dict[str, int]:
    """How many groups of ``groups_of`` show each label."""
    groups = groups_of(annotations, pattern)
    seen: dict[str, set[str]] = defaultdict(set)
    for path, segments in annotations.items():
        for segment in segments:
            seen[segment.label].add(groups[path])
    return {label: len(showing) for label, showing in sorted(seen.items())}


def format_folds(rows: Mapping[str, Mapping[str, Any]]) -> str:
    """A table for the terminal: F-score, clips and groups of each class, a row per data folder."""
    classes = list(next(iter(rows.values()))["per_class"])
    header = ["data", *classes, "accuracy"]
    lines = [header]
    for name, row in rows.items():
        cells = []
        for label in classes:
            score = row["per_class"][label]
            value = "-" if score["f1"] is None else f"{score['f1']:.2f}"
            cells.append(f"{value} ({score['support']}, {row['groups'].get(label, 0)})")
        accuracy = "-" if row["accuracy"] is None else f"{row['accuracy']:.2f}"
        lines.append([name, *cells, accuracy])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    table = [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        for line in lines
    ]
    return "\n".join(
        ["F-score (clips, groups: subjects, or videos of nobody named), held out:", *table]
    )
