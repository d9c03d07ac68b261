# SPDX-License-Identifier: Apache-2.0
"""Display names, formats and better directions of all scores, and the scores of a replay."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from perception_kit.evaluation.frame_records import ObjectRecord
from perception_kit.evaluation.metrics_schema import (
    ActionClassScores,
    ActionScores,
    PoseScores,
    SegmentationScores,
    TrackingScores,
)
from perception_kit.evaluation.run import ReplayRun

NOT_KNOWN = "–"


@dataclass(frozen=True)
class Score:
    """A figure of a replay: ``value`` None is not known.

    ``better`` is +1 where more is better, -1 where less is, 0 where neither.
    """

    part: str
    name: str
    value: float | None
    form: str
    better: int

    @property
    def text(self) -> str:
        """The value as people read it."""
        return NOT_KNOWN if self.value is None else self.form.format(self.value)


@dataclass(frozen=True)
class ScoreKind:
    """How a score is named and written, everywhere.

    ``key`` is its name in files. ``class_name`` is the name in tables of classes and
    ``description`` the one on the terminal, both ``name`` unless they are given; ``heading`` is the
    one above a narrow column, in lines. ``form`` and ``better`` as in ``Score``.
    """

    key: str
    part: str
    name: str
    form: str
    better: int
    class_name: str = ""
    heading: str = ""
    description: str = ""

    def of(self, value: float | None) -> Score:
        """The score of everything."""
        return Score(self.part, self.name, value, self.form, self.better)

    def of_class(self, value: float | None) -> Score:
        """The score of one class."""
        return Score(self.part, self.class_name or self.name, value, self.form, self.better)

    def on_terminal(self, value: float | None) -> Score:
        """The score of everything, under its longer name."""
        return Score(self.part, self.description or self.name, value, self.form, self.better)


MASK_MAP = ScoreKind(
    "map", "segmentation", "mask mAP", "{:.3f}", 1, class_name="AP", heading="mask\nmAP"
)
MASK_MAP50 = ScoreKind(
    "map50",
    "segmentation",
    "mask mAP at IoU 0.5",
    "{:.3f}",
    1,
    class_name="AP 0.5",
    heading="mask\nmAP50",
)
MASK_MAP_LARGER = ScoreKind(
    "map_medium_large",
    "segmentation",
    "mask mAP from 32x32 pixels on",
    "{:.3f}",
    1,
    class_name="AP 32+",
    heading="mask mAP\n32x32+",
)
BOX_MAP = ScoreKind("box_map", "segmentation", "box mAP", "{:.3f}", 1, heading="box\nmAP")
VISIBLE = ScoreKind("total", "segmentation", "visible", "{:.0f}", 0)
FOUND = ScoreKind("found", "segmentation", "found objects", "{:.1%}", 1, class_name="found")
VISIBLE_COUNT = ScoreKind("total", "instances", "visible", "{:.0f}", 0)
FOUND_COUNT = ScoreKind(
    "found", "instances", "found", "{:.0f}", 1, description="found: right class, mask IoU 0.5"
)

POSE_RECALL = ScoreKind(
    "recall_0.1d",
    "pose",
    "ADD(-S) below 0.1 d",
    "{:.1%}",
    1,
    class_name="ADD(-S) < 0.1 d",
    heading="ADD(-S)\n< 0.1 d",
    description="ADD(-S) below a tenth of the diameter, a miss counts",
)
POSE_AUC = ScoreKind("auc", "pose", "ADD(-S) AUC", "{:.3f}", 1, heading="ADD(-S)\nAUC")
ADD_AUC = ScoreKind("add_auc", "pose", "ADD AUC", "{:.3f}", 1, heading="ADD\nAUC")
ADDS_AUC = ScoreKind(
    "adds_auc",
    "pose",
    "ADD-S AUC",
    "{:.3f}",
    1,
    heading="ADD-S\nAUC",
    description="ADD-S AUC up to 0.1 m, a miss counts",
)
ADDS_MEDIAN = ScoreKind("posed_adds_median_m", "pose", "ADD-S of the found, median", "{:.4f} m", -1)
MEDIAN_ERROR = ScoreKind("", "pose", "median error", "{:.1f} mm", -1)
VSD_AR = ScoreKind("ar_vsd", "pose", "VSD AR", "{:.3f}", 1, heading="VSD\nAR")
MSSD_AR = ScoreKind("ar_mssd", "pose", "MSSD AR", "{:.3f}", 1, heading="MSSD\nAR")
MSPD_AR = ScoreKind("ar_mspd", "pose", "MSPD AR", "{:.3f}", 1, heading="MSPD\nAR")
BOP_AR = ScoreKind("ar", "pose", "BOP AR", "{:.3f}", 1, heading="BOP\nAR")
CONFIDENCE_AUROC = ScoreKind(
    "confidence_auroc", "pose", "confidence AUROC", "{:.3f}", 1, heading="conf.\nAUROC"
)
SIZE_ERROR = ScoreKind(
    "size_error_median", "size", "size error, median", "{:.1%}", -1, heading="size error\nmedian"
)
SIZE_ERROR_90 = ScoreKind(
    "size_error_p90",
    "size",
    "size error, 90th percentile",
    "{:.1%}",
    -1,
    heading="size error\np90",
)
BOX_IOU = ScoreKind("iou_mean", "size", "3D IoU, mean", "{:.3f}", 1, heading="3D IoU\nmean")
IOU_AP = ScoreKind("ap_iou_0.5", "size", "AP at 3D IoU 0.5", "{:.3f}", 1, heading="AP\nIoU 0.5")
POSE_AP_5 = ScoreKind("ap_5deg_5cm", "size", "AP at 5°, 5 cm", "{:.3f}", 1, heading="AP\n5° 5 cm")
POSE_AP_10 = ScoreKind(
    "ap_10deg_10cm", "size", "AP at 10°, 10 cm", "{:.3f}", 1, heading="AP\n10° 10 cm"
)

MOTA = ScoreKind("mota", "tracking", "MOTA", "{:.3f}", 1)
IDF1 = ScoreKind("idf1", "tracking", "IDF1", "{:.3f}", 1)
HOTA = ScoreKind("hota", "tracking", "HOTA", "{:.3f}", 1)
SWITCHES = ScoreKind(
    "id_switches", "tracking", "identity switches", "{:.0f}", -1, class_name="switches"
)
FRAGMENTS = ScoreKind("fragments", "tracking", "fragments", "{:.0f}", -1)

ACTION_ACCURACY = ScoreKind(
    "frame_accuracy", "actions", "frames with the right action", "{:.1%}", 1
)
FALL_DELAY = ScoreKind("fall_delay_s", "actions", "delay of the fall alarm", "{:.2f} s", -1)
FALLS_MISSED = ScoreKind("falls_missed", "actions", "missed falls", "{:.0f}", -1)
FALSE_ALARMS = ScoreKind("false_fall_alarms", "actions", "false fall alarms", "{:.0f}", -1)
SUPPORT = ScoreKind("support", "actions", "true frames", "{:.0f}", 0)
PRECISION = ScoreKind("precision", "actions", "precision", "{:.1%}", 1)
RECALL = ScoreKind("recall", "actions", "recall", "{:.1%}", 1)
F1 = ScoreKind("f1", "actions", "f1", "{:.1%}", 1)

INPUT_FRAMES = ScoreKind("input", "frames", "in the bag", "{:.0f}", 0)
PROCESSED_FRAMES = ScoreKind("processed", "frames", "with all results", "{:.0f}", 1)
DROPPED_FRAMES = ScoreKind(
    "dropped",
    "frames",
    "without all results",
    "{:.0f}",
    -1,
    description="dropped by the clock: not answered by all nodes",
)
LIVE_DROPS = ScoreKind(
    "live_drops", "frames", "dropped by a live run on this machine (estimate)", "{:.0f}", -1
)
LATENCY_MEDIAN = ScoreKind("p50", "latency", "all results, median", "{:.0f} ms", -1)
LATENCY_95 = ScoreKind("p95", "latency", "all results, 95 %", "{:.0f} ms", -1)


def main_scores(run: ReplayRun) -> list[Score]:
    """The scores of ``metrics.json``, the most telling first within each part."""
    metrics = run.metrics
    segmentation = metrics.segmentation or SegmentationScores()
    pose = metrics.pose or PoseScores()
    tracking = metrics.tracking or TrackingScores()
    actions = metrics.actions or ActionScores()
    falls = run.details.get("actions") or {}
    latency = metrics.latency_ms.get("total")

    return [
        MASK_MAP50.of(segmentation.map50),
        MASK_MAP.of(segmentation.map),
        FOUND.of(metrics.instances.found_fraction if metrics.instances is not None else None),
        POSE_RECALL.of(pose.recall),
        ADDS_AUC.of(pose.adds_auc),
        MOTA.of(tracking.mota),
        IDF1.of(tracking.idf1),
        HOTA.of(tracking.hota),
        SWITCHES.of(tracking.id_switches),
        FRAGMENTS.of(tracking.fragments),
        ACTION_ACCURACY.of(actions.frame_accuracy),
        FALL_DELAY.of(actions.fall_delay_s),
        FALLS_MISSED.of(falls.get(FALLS_MISSED.key)),
        FALSE_ALARMS.of(falls.get(FALSE_ALARMS.key)),
        PROCESSED_FRAMES.of(metrics.frames.processed),
        DROPPED_FRAMES.of(metrics.frames.dropped),
        LATENCY_MEDIAN.of(latency.p50 if latency is not None else None),
        LATENCY_95.of(latency.p95 if latency is not None else None),
    ]


def class_scores(run: ReplayRun) -> dict[str, list[Score]]:
    """The scores of each class of ground-truth objects, the same in the same order for each."""
    segmentation = run.details.get("segmentation", {}).get("per_class", {})
    pose = run.details.get("pose", {}).get("per_class", {})
    objects, found = Counter[str](), Counter[str]()
    for record in _objects(run):
        objects[record.class_name] += 1
        found[record.class_name] += record.found

    switches, fragments = Counter[str](), Counter[str]()
    for frame in run.frames:
        for identity in frame.identities or []:
            switches[identity.class_name] += identity.switch
            fragments[identity.class_name] += identity.fragment
    has_identities = any(frame.identities is not None for frame in run.frames)

    def scores(name: str) -> list[Score]:
        precision, errors = segmentation.get(name, {}), pose.get(name, {})
        return [
            VISIBLE.of_class(objects[name]),
            FOUND.of_class(found[name] / objects[name] if objects[name] else None),
            MASK_MAP50.of_class(precision.get(MASK_MAP50.key)),
            MASK_MAP.of_class(precision.get(MASK_MAP.key)),
            POSE_RECALL.of_class(errors.get(POSE_RECALL.key)),
            ADDS_AUC.of_class(errors.get(ADDS_AUC.key)),
            MEDIAN_ERROR.of_class(_median_error_mm(run, name)),
            SWITCHES.of_class(switches[name] if has_identities else None),
            FRAGMENTS.of_class(fragments[name] if has_identities else None),
        ]

    return {name: scores(name) for name in sorted({*objects, *segmentation, *pose})}


def action_scores(run: ReplayRun) -> dict[str, list[Score]]:
    """The scores of each action, the same in the same order for each."""
    actions = run.metrics.actions or ActionScores()

    def scores(action: ActionClassScores) -> list[Score]:
        return [
            SUPPORT.of_class(action.support),
            PRECISION.of_class(action.precision),
            RECALL.of_class(action.recall),
            F1.of_class(action.f1),
        ]

    return {name: scores(action) for name, action in actions.per_class.items()}


def _objects(run: ReplayRun) -> Iterator[ObjectRecord]:
    """The ground-truth objects of all frames."""
    for frame in run.frames:
        yield from frame.objects or []


def _median_error_mm(run: ReplayRun, name: str) -> float | None:
    """Median ADD(-S) of the objects that have a pose, in millimetres."""
    errors = [
        record.error
        for record in _objects(run)
        if record.class_name == name and record.error is not None
    ]
    return 1e3 * float(np.median(errors)) if errors else None
