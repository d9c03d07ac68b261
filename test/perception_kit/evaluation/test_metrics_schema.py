# SPDX-License-Identifier: Apache-2.0
"""The keys of ``metrics.json``, and files of other versions."""

from __future__ import annotations

import json

import pytest
from replay_runs import metrics

from perception_kit.evaluation.metrics_schema import (
    ClockStatistics,
    PoseScores,
    ReplayMetrics,
    from_json,
    to_json,
)


def test_keys_and_their_order() -> None:
    written = to_json(metrics())
    assert list(written) == [
        *("segmentation", "pose", "tracking", "actions", "instances"),
        *("frames", "latency_ms", "nodes_gone", "realtime"),
    ]
    assert list(written["segmentation"]) == ["map", "map50"]
    assert list(written["pose"]) == ["recall_0.1d", "adds_auc"]
    assert list(written["tracking"]) == ["mota", "idf1", "hota", "id_switches", "fragments"]
    assert list(written["actions"]) == ["frame_accuracy", "per_class", "fall_delay_s"]
    walking = {"precision": 0.5, "recall": None, "f1": 0.5, "support": 4}
    assert written["actions"]["per_class"]["walking"] == walking
    assert written["frames"] == {"input": 4, "processed": 4, "dropped": 0}
    assert written["latency_ms"] == {"total": {"p50": 90.0, "p95": 90.0, "max": 90.0}}
    assert (written["nodes_gone"], written["realtime"]) == ({}, None)


def test_reading_gives_back_what_was_written() -> None:
    clock = ClockStatistics(2.0, 0.4, {"pose": 3}, {"pose6d_node": {"frames_dropped": 3}})
    written = metrics()
    written.realtime = clock
    assert from_json(ReplayMetrics, json.loads(json.dumps(to_json(written)))) == written


def test_unknown_keys_are_left_out_and_missing_ones_have_their_default() -> None:
    content = to_json(metrics())
    content["weather"] = "fine"
    content["pose"] = {"recall_0.1d": 0.25, "brightness": 3}
    del content["realtime"], content["nodes_gone"], content["instances"]

    read = from_json(ReplayMetrics, content)
    assert read.pose == PoseScores(recall=0.25, adds_auc=None)
    assert (read.realtime, read.nodes_gone, read.instances) == (None, {}, None)


FRAMES = {"input": 4, "processed": 4, "dropped": 0}


@pytest.mark.parametrize(
    "content",
    [
        *({}, [], None, "text"),
        {"frames": 3, "latency_ms": {}},
        {"frames": None, "latency_ms": {}},
        {"frames": {**FRAMES, "input": "four"}, "latency_ms": {}},
        {"frames": FRAMES, "latency_ms": []},
        {"frames": FRAMES, "latency_ms": {"total": 90.0}},
        {"frames": FRAMES, "latency_ms": {}, "nodes_gone": {"pose6d_node": 3}},
    ],
)
def test_what_is_no_metrics_file_is_refused(content: object) -> None:
    with pytest.raises(TypeError):
        from_json(ReplayMetrics, content)
