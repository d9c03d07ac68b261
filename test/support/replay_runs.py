# SPDX-License-Identifier: Apache-2.0
"""Made-up contents of the folders of finished replays."""

from __future__ import annotations

from typing import Any

from perception_kit.evaluation.frame_records import (
    DetectionRecord,
    FrameRecord,
    IdentityRecord,
    ObjectRecord,
    TrackRecord,
)
from perception_kit.evaluation.metrics_schema import (
    ActionClassScores,
    ActionScores,
    FrameCounts,
    InstanceCounts,
    Percentiles,
    PoseScores,
    ReplayMetrics,
    SegmentationScores,
    TrackingScores,
)

FRAME_S = 0.5
LATENCY = {"segmentation": 40.0, "pose": 90.0, "tracking": 45.0, "actions": 10.0, "total": 90.0}
BOX = [8.0, 8.0, 24.0, 24.0]


def frame(
    index: int,
    *,
    found: bool = True,
    error: float | None = 0.004,
    track: int | None = 7,
    label: str = "walking",
) -> FrameRecord:
    """One mug, which track 7 matches, and a person who walks."""
    measured = error if found else None
    mug = ObjectRecord("mug", BOX, found, 0.9 if found else 0.0, 0.1, measured, measured)
    return FrameRecord(
        number=index,
        stamp_ns=round(index * FRAME_S * 1e9),
        picture=index,
        latency_ms=LATENCY,
        detections=[DetectionRecord("mug", 0.9, BOX, True)] if found else [],
        tracks=[TrackRecord(track, "mug")] if track is not None else [],
        label=label,
        scores={"walking": 0.8, "falling": 0.2},
        objects=[mug],
        identities=[IdentityRecord(1, "mug", track, False, False)],
        true_label="walking",
    )


def metrics(recall: float = 0.5) -> ReplayMetrics:
    action = ActionClassScores(precision=0.5, recall=None, f1=0.5, support=4)
    return ReplayMetrics(
        SegmentationScores(map=0.5, map50=0.75),
        PoseScores(recall, adds_auc=0.8),
        TrackingScores(mota=0.9, idf1=0.8, hota=0.7, id_switches=1, fragments=0),
        ActionScores(0.8, {"falling": action, "walking": action}, fall_delay_s=None),
        InstanceCounts(total=4, found=3),
        frames=FrameCounts(input=4, processed=4, dropped=0),
        latency_ms={"total": Percentiles(90.0, 90.0, 90.0)},
    )


def details() -> dict[str, Any]:
    return {
        "segmentation": {
            "map": 0.5,
            "map50": 0.75,
            "per_class": {"mug": {"map": 0.5, "map50": 0.75}},
        },
        "pose": {"per_class": {"mug": {"recall_0.1d": 0.5, "adds_auc": 0.8}}},
        "actions": {"class_names": ["falling", "walking"], "confusion": [[0, 0, 0], [1, 3, 0]]},
        "image_size": [64, 48],
        "live_drops": 0,
        "notes": ["<odd> & note"],
        "nodes": {},
    }
