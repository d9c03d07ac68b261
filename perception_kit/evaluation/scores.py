# SPDX-License-Identifier: Apache-2.0
"""The scores of a replay by the words that people know them by."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

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


def main_scores(run: ReplayRun) -> list[Score]:
    """The scores of ``metrics.json``, the most telling first within each part."""
    metrics = run.metrics
    parts = {
        name: metrics[name] or {}
        for name in ("segmentation", "pose", "tracking", "actions", "instances")
    }
    actions = run.details.get("actions") or {}
    total = parts["instances"].get("total")
    found = parts["instances"]["found"] / total if total else None
    latency = metrics["latency_ms"].get("total", {})
    rows = [
        ("segmentation", "mask mAP at IoU 0.5", parts["segmentation"].get("map50"), "{:.3f}", 1),
        ("segmentation", "mask mAP", parts["segmentation"].get("map"), "{:.3f}", 1),
        ("segmentation", "found objects", found, "{:.1%}", 1),
        ("pose", "ADD(-S) below 0.1 d", parts["pose"].get("recall_0.1d"), "{:.1%}", 1),
        ("pose", "ADD-S AUC", parts["pose"].get("adds_auc"), "{:.3f}", 1),
        ("tracking", "MOTA", parts["tracking"].get("mota"), "{:.3f}", 1),
        ("tracking", "IDF1", parts["tracking"].get("idf1"), "{:.3f}", 1),
        ("tracking", "HOTA", parts["tracking"].get("hota"), "{:.3f}", 1),
        ("tracking", "identity switches", parts["tracking"].get("id_switches"), "{:.0f}", -1),
        ("tracking", "fragments", parts["tracking"].get("fragments"), "{:.0f}", -1),
        (
            "actions",
            "frames with the right action",
            parts["actions"].get("frame_accuracy"),
            "{:.1%}",
            1,
        ),
        (
            "actions",
            "delay of the fall alarm",
            parts["actions"].get("fall_delay_s"),
            "{:.2f} s",
            -1,
        ),
        ("actions", "missed falls", actions.get("falls_missed"), "{:.0f}", -1),
        ("actions", "false fall alarms", actions.get("false_fall_alarms"), "{:.0f}", -1),
        ("frames", "with all results", metrics["frames"]["processed"], "{:.0f}", 1),
        ("frames", "without all results", metrics["frames"]["dropped"], "{:.0f}", -1),
        ("latency", "all results, median", latency.get("p50"), "{:.0f} ms", -1),
        ("latency", "all results, 95 %", latency.get("p95"), "{:.0f} ms", -1),
    ]
    return [Score(*row) for row in rows]


def class_scores(run: ReplayRun) -> dict[str, list[Score]]:
    """The scores of each true class of objects; the same scores in the same order for each."""
    segmentation = run.details.get("segmentation", {}).get("per_class", {})
    pose = run.details.get("pose", {}).get("per_class", {})
    visible, found, switches, fragments = Counter(), Counter(), Counter(), Counter()
    for frame in run.frames:
        for item in frame.objects or []:
            visible[item.class_name] += 1
            found[item.class_name] += item.found
        for one in frame.identities or []:
            switches[one.class_name] += one.switch
            fragments[one.class_name] += one.fragment
    has_identities = any(frame.identities is not None for frame in run.frames)

    def scores(name: str) -> list[Score]:
        ap, errors = segmentation.get(name, {}), pose.get(name, {})
        rows: list[tuple[str, str, Any, str, int]] = [
            ("segmentation", "visible", visible[name], "{:.0f}", 0),
            (
                "segmentation",
                "found",
                found[name] / visible[name] if visible[name] else None,
                "{:.1%}",
                1,
            ),
            ("segmentation", "AP 0.5", ap.get("map50"), "{:.3f}", 1),
            ("segmentation", "AP", ap.get("map"), "{:.3f}", 1),
            ("pose", "ADD(-S) < 0.1 d", errors.get("recall_0.1d"), "{:.1%}", 1),
            ("pose", "ADD-S AUC", errors.get("adds_auc"), "{:.3f}", 1),
            ("pose", "median error", _median_error_mm(run, name), "{:.1f} mm", -1),
            ("tracking", "switches", switches[name] if has_identities else None, "{:.0f}", -1),
            ("tracking", "fragments", fragments[name] if has_identities else None, "{:.0f}", -1),
        ]
        return [Score(*row) for row in rows]

    return {name: scores(name) for name in sorted({*visible, *segmentation, *pose})}


def action_scores(run: ReplayRun) -> dict[str, list[Score]]:
    """The scores of each action; the same scores in the same order for each."""
    per_class = (run.metrics["actions"] or {}).get("per_class", {})

    def scores(values: dict[str, Any]) -> list[Score]:
        support = Score("actions", "true frames", values["support"], "{:.0f}", 0)
        return [
            support,
            *(
                Score("actions", key, values[key], "{:.1%}", 1)
                for key in ("precision", "recall", "f1")
            ),
        ]

    return {name: scores(values) for name, values in per_class.items()}


def _median_error_mm(run: ReplayRun, name: str) -> float | None:
    """Median ADD(-S) of the objects that have a pose, in millimetres."""
    errors = [
        item.error
        for frame in run.frames
        for item in frame.objects or []
        if item.class_name == name and item.error is not None
    ]
    return 1e3 * float(np.median(errors)) if errors else None
