# SPDX-License-Identifier: Apache-2.0
"""One replay from the bag to the scores."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from perception_kit.evaluation.evaluator import Evaluation, evaluate
from perception_kit.evaluation.frame_records import frame_records, write_frame_records
from perception_kit.evaluation.ground_truth import FrameGroundTruth, GroundTruthSource
from perception_kit.evaluation.ground_truth_checks import ground_truth_warnings
from perception_kit.evaluation.matching import EvaluatedFrame
from perception_kit.evaluation.object_points import PointModel, load_point_models
from perception_kit.evaluation.results import NODES, STAGES, read_results
from perception_kit.evaluation.run_folder import (
    CONFIG,
    DETAILS,
    FRAMES,
    LOGS,
    METRICS,
    RERUN,
    RESULTS,
    clear_output,
    describe_output,
)
from perception_kit.networks.model_metadata import read_metadata
from perception_kit.replay.domain import free_domain
from perception_kit.replay.effective_config import write_effective_config
from perception_kit.replay.player import Player
from perception_kit.replay.playing import play_by_clock, play_in_lock_step, say
from perception_kit.replay.recorder import Recorder
from perception_kit.replay.recording import Recording
from perception_kit.replay.rerun_log import RerunLog
from perception_kit.replay.settings import ReplaySettings
from perception_kit.replay.watch import NodeWatch
from perception_kit.report.console import print_report
from perception_kit.report.replay_page import write_report
from perception_kit.ros.bringup import process_environment, start_nodes
from perception_kit.types import FrameResults

_NEEDED_BY = {
    "segmentation": "segmentation",
    "instances": "segmentation",
    "pose": "pose",
    "tracking": "tracking",
    "actions": "actions",
}


def run_replay(settings: ReplaySettings) -> bool:
    """Play ``settings.bag``, write everything into ``settings.out`` (results of an earlier replay
    there are replaced) and print the table.

    Returns whether all nodes were there to the end. Raises BagError, TruthError, DatasetError,
    ModelFileError, DeviceError or OutputError for input that cannot be used, before any node is
    started where that can be known.
    """
    with Recording(settings) as recording:
        ground_truth = recording.ground_truth()
        settings.check()
        models = load_point_models(settings.models, settings.bag, settings.pose_model)
        clear_output(settings.out)
        for remark in recording.remarks:
            say(remark)
        recorder, watch = _play(settings, recording, models)
    evaluation = _evaluate(settings, recorder, ground_truth, models, watch)
    notes = recording.remarks + _notes(watch, recorder, evaluation)
    metrics = {
        **evaluation.metrics,
        "frames": recorder.frame_counts(),
        "latency_ms": recorder.latency_ms(),
        "nodes_gone": dict(watch.gone),
        "realtime": recorder.clock,
    }
    details = {
        **evaluation.details,
        "live_drops": recorder.live_drops() if recorder.clock is None else None,
        "image_size": recorder.image_size[::-1],
        "notes": notes,
        "nodes": watch.reported_values(),
    }
    _write_json(settings.out / METRICS, metrics)
    _write_json(settings.out / DETAILS, details)
    write_report(settings.out)
    print_report(metrics, details, describe_output(settings.out))
    return not watch.gone


def _play(
    settings: ReplaySettings, recording: Recording, models: Mapping[str, PointModel]
) -> tuple[Recorder, NodeWatch]:
    """Start the nodes in a domain of their own, play every frame and end the nodes."""
    with free_domain() as domain:
        os.environ |= {**process_environment(), "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}
        rerun = (
            RerunLog(settings.out / RERUN, settings.bag, settings.models, settings.pose_model)
            if settings.rrd
            else None
        )
        nodes = start_nodes(
            settings.node_parameters(), domain_id=domain, log_dir=settings.out / LOGS
        )
        points = {name: model.points for name, model in models.items()}
        with (
            nodes,
            Player(domain) as player,
            Recorder(settings.out, recording.frame_count, points, rerun) as recorder,
        ):
            watch = NodeWatch(nodes, player, say)
            say("waiting for the nodes to load their models")
            watch.wait_until_active()
            running = [node for node in NODES if node not in watch.gone]
            write_effective_config(
                settings.out / CONFIG, settings, recording.topics, player, running
            )
            _play_frames(settings, recording, player, watch, recorder)
    return recorder, watch


def _play_frames(
    settings: ReplaySettings,
    recording: Recording,
    player: Player,
    watch: NodeWatch,
    recorder: Recorder,
) -> None:
    if settings.realtime is None:
        play_in_lock_step(recording, player, watch, recorder, settings.timeout)
        return
    late_s = play_by_clock(recording, player, watch, recorder, settings.timeout, settings.realtime)
    watch.wait_for_diagnostics()
    recorder.clock = {
        "rate": settings.realtime,
        "latest_publication_ms": 1e3 * late_s,
        "unanswered": recorder.unanswered(),
        "dropped": watch.dropped(),
    }


def _evaluate(
    settings: ReplaySettings,
    recorder: Recorder,
    ground_truth: GroundTruthSource | None,
    models: dict[str, PointModel],
    watch: NodeWatch,
) -> Evaluation:
    """Score the results, and write what became of each frame."""
    scenes, action_classes = read_results(settings.out / RESULTS)
    ground_truths = (
        list(ground_truth.frames(recorder.frames))
        if ground_truth is not None
        else [FrameGroundTruth()] * len(recorder.frames)
    )
    frames = [
        EvaluatedFrame(key.stamp_ns, true, scenes.get(key.stamp_ns, FrameResults()))
        for key, true in zip(recorder.frames, ground_truths, strict=True)
    ]
    needs = {stage.name: stage.needs for stage in STAGES}
    without = {}
    for part, stage in _NEEDED_BY.items():
        gone = [node for node in needs[stage] if node in watch.gone]
        if gone:
            without[part] = f"{' and '.join(gone)} is gone"
    evaluation = evaluate(frames, recorder.image_size, models, action_classes, without)
    if ground_truth is not None:
        known = (
            read_metadata(path)["class_names"]
            for path in (settings.segmentation_model, settings.action_model)
        )
        evaluation.notes += ground_truth_warnings(ground_truths, *known)
    records = frame_records(
        recorder.frames,
        frames,
        evaluation,
        action_classes,
        recorder.frame_latencies_ms(),
        recorder.pictures,
    )
    write_frame_records(settings.out / FRAMES, records)
    return evaluation


def _notes(watch: NodeWatch, recorder: Recorder, evaluation: Evaluation) -> list[str]:
    notes = [f"{node} is gone: {reason}" for node, reason in watch.gone.items()]
    notes += [
        f"{node} gave no result for {count} frames{watch.first_reason[node]}"
        for node, count in watch.unanswered.items()
    ]
    if recorder.clock is not None and recorder.processed < len(recorder.frames):
        few = len(recorder.frames) - recorder.processed
        notes.append(
            f"{few} frames were not answered by all nodes; in the scores they are frames in which"
            " nothing was found"
        )
    if recorder.skipped:
        notes.append(
            f"{recorder.skipped} frames were not played: their stamps are not later than that of"
            " the frame before"
        )
    return notes + evaluation.notes


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n")
