# SPDX-License-Identifier: Apache-2.0
"""Runs one replay, from the bag to the scores."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from perception_kit.alarm_classes import default_alarm_classes
from perception_kit.evaluation.evaluator import Evaluation, evaluate_recording
from perception_kit.evaluation.frame_records import frame_records, write_frame_records
from perception_kit.evaluation.ground_truth import (
    FrameGroundTruth,
    GroundTruthSource,
    names_for_model,
    renamed_actions,
)
from perception_kit.evaluation.ground_truth_checks import ground_truth_warnings, mask_extent
from perception_kit.evaluation.matching import EvaluatedFrame
from perception_kit.evaluation.metrics_schema import ReplayMetrics, from_json, to_json
from perception_kit.evaluation.object_points import PointModel, load_point_models
from perception_kit.evaluation.results import NODES, STAGES, Stage, read_results
from perception_kit.evaluation.run import read_run
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
from perception_kit.json_output import write_json
from perception_kit.networks.model_metadata import read_metadata
from perception_kit.replay.domain import free_domain
from perception_kit.replay.effective_config import write_effective_config
from perception_kit.replay.log import log
from perception_kit.replay.player import Player
from perception_kit.replay.playing import play_by_clock, play_in_lock_step
from perception_kit.replay.recorder import Recorder
from perception_kit.replay.replay_input import ReplayInput
from perception_kit.replay.rerun_log import RerunLog
from perception_kit.replay.settings import ReplaySettings
from perception_kit.replay.watch import NodeWatch
from perception_kit.report.console import print_report
from perception_kit.report.replay_page import write_report
from perception_kit.ros.model_notes import model_limits
from perception_kit.ros.node_processes import process_environment, start_nodes
from perception_kit.types import FrameResults

# The stage whose results each group of scores is computed from.
_STAGE_OF_SCORES = {
    "segmentation": "segmentation",
    "instances": "segmentation",
    "pose": "pose",
    "tracking": "tracking",
    "actions": "actions",
}


def run_replay(settings: ReplaySettings) -> bool:
    """Play ``settings.bag``, write the results into ``settings.out`` and print the scores.

    Results of an earlier replay in that folder are replaced. Returns whether all nodes were there
    to the end, and each result came for a frame at least. Raises BagError, GroundTruthError,
    DatasetError, ModelFileError, DeviceError or OutputError for input that cannot be used, before
    any node is started where that can be known.
    """
    with ReplayInput(settings) as source:
        ground_truth = source.ground_truth()
        settings.check()
        models = load_point_models(
            settings.models, settings.bag, settings.pose_model, settings.mesh_unit
        )
        clear_output(settings.out)
        remarks = source.remarks + ([] if ground_truth else _limits(settings))
        for remark in remarks:
            log(remark)
        recorder, watch = _play(settings, source, models)

    evaluation = _evaluate(settings, recorder, ground_truth, models, watch)
    measured = {
        **to_json(evaluation.scores),
        "frames": recorder.frame_counts(),
        "latency_ms": recorder.latency_ms(),
        "nodes_gone": dict(watch.gone),
        "realtime": recorder.realtime,
    }
    metrics = from_json(ReplayMetrics, measured)
    details = {
        **evaluation.details,
        "live_drops": recorder.live_drops() if recorder.realtime is None else None,
        "image_size": recorder.image_size[::-1],
        "notes": remarks + _notes(watch, recorder) + evaluation.notes,
        "nodes": watch.reported_values(),
    }

    write_json(settings.out / METRICS, to_json(metrics))
    write_json(settings.out / DETAILS, details)
    write_report(settings.out)
    print_report(read_run(settings.out), describe_output(settings.out))
    return not watch.gone and not _silent_stages(recorder)


def _limits(settings: ReplaySettings) -> list[str]:
    """What the models do not know, for a recording that is not one of the renders."""
    return [
        *model_limits("segmentation_model", settings.segmentation_model, "--segmentation-model"),
        *model_limits("pose_model", settings.pose_model, "--pose-model"),
        *model_limits("model", settings.action_model, "--action-model"),
    ]


def _play(
    settings: ReplaySettings, source: ReplayInput, models: Mapping[str, PointModel]
) -> tuple[Recorder, NodeWatch]:
    """Start the nodes in a domain of their own, play every frame and end the nodes."""
    with free_domain() as domain:
        os.environ |= {**process_environment(), "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}
        camera = settings.camera(source.topics.color)
        rerun = None
        if settings.rrd:
            path = settings.out / RERUN
            meshes = settings.models, settings.mesh_unit
            rerun = RerunLog(path, settings.bag, *meshes, settings.pose_model, camera)

        parameters, log_dir = settings.node_parameters(source.topics.color), settings.out / LOGS
        with (
            start_nodes(parameters, domain_id=domain, log_dir=log_dir) as nodes,
            Player(domain) as player,
            Recorder(settings.out, source.frame_count, models, camera, rerun) as recorder,
        ):
            watch = NodeWatch(nodes, player, log)
            log("waiting for the nodes to load their models")
            watch.wait_until_active()

            running = [node for node in NODES if node not in watch.gone]
            path = settings.out / CONFIG
            reported = watch.reported_values()
            write_effective_config(path, settings, source.topics, player.client, running, reported)
            _play_frames(settings, source, player, watch, recorder)
    return recorder, watch


def _play_frames(
    settings: ReplaySettings,
    source: ReplayInput,
    player: Player,
    watch: NodeWatch,
    recorder: Recorder,
) -> None:
    timeout_s, rate = settings.timeout, settings.realtime
    if rate is None:
        play_in_lock_step(source, player, watch, recorder, timeout_s)
        return

    max_delay_s = play_by_clock(source, player, watch, recorder, timeout_s, rate)
    watch.wait_for_diagnostics()
    recorder.realtime = {
        "rate": rate,
        "latest_publication_ms": 1e3 * max_delay_s,
        "unanswered": recorder.missing_responses(),
        "dropped": watch.dropped(),
    }


def _evaluate(
    settings: ReplaySettings,
    recorder: Recorder,
    ground_truth: GroundTruthSource | None,
    models: dict[str, PointModel],
    watch: NodeWatch,
) -> Evaluation:
    """Score the recorded results, and write the record of each frame."""
    results, action_classes = read_results(settings.out / RESULTS)
    if ground_truth is None:
        ground_truths = [FrameGroundTruth()] * len(recorder.frames)
    else:
        ground_truths = list(ground_truth.frames(recorder.frames))
    called = {}
    if ground_truth is not None:
        trained = read_metadata(settings.action_model)["class_names"]
        called = names_for_model(ground_truths, trained, _alarm_classes(settings.action_model))
    frames = [
        EvaluatedFrame(key.stamp_ns, frame_truth, results.get(key.stamp_ns, FrameResults()))
        for key, frame_truth in zip(
            recorder.frames, renamed_actions(ground_truths, called), strict=True
        )
    ]
    labels = list(dict.fromkeys(called.get(name, name) for name in action_classes))

    without = _unscored(watch.gone)
    (height, width), extent = recorder.image_size, mask_extent(ground_truths)
    size = max(height, extent[0]), max(width, extent[1])
    evaluation = evaluate_recording(frames, size, models, labels, without)
    if size != (height, width):
        evaluation.notes.append(
            f"the masks of the ground truth reach to {extent[1]}x{extent[0]}, the colour images are"
            f" {width}x{height}: it is of other images, or of another size, and the scores are"
            " wrong"
        )
    if ground_truth is not None:
        object_classes, trained_actions = (
            read_metadata(path)["class_names"]
            for path in (settings.segmentation_model, settings.action_model)
        )
        evaluation.notes += ground_truth_warnings(ground_truths, object_classes, trained_actions)

    records = frame_records(
        recorder.frames,
        frames,
        evaluation,
        action_classes,
        recorder.frame_latencies_ms(),
        recorder.video_frames,
    )
    write_frame_records(settings.out / FRAMES, records)
    return evaluation


def _alarm_classes(action_model: Path) -> Sequence[str]:
    metadata = read_metadata(action_model)
    return metadata.get("alarm_classes", default_alarm_classes(metadata["class_names"]))


def _unscored(gone: Mapping[str, str]) -> dict[str, str]:
    """Groups of scores that lack a node, with the reason."""
    needs = {stage.name: stage.needs for stage in STAGES}
    reasons = {}
    for group, stage_name in _STAGE_OF_SCORES.items():
        if lost := [node for node in needs[stage_name] if node in gone]:
            reasons[group] = f"{' and '.join(lost)} is gone"
    return reasons


def _silent_stages(recorder: Recorder) -> list[Stage]:
    """Stages that gave no result for any frame."""
    missing = recorder.missing_responses()
    return [stage for stage in STAGES if missing[stage.name] == len(recorder.frames)]


def _notes(watch: NodeWatch, recorder: Recorder) -> list[str]:
    """Nodes that are gone, and frames without a result."""
    notes = [f"{node} is gone: {reason}" for node, reason in watch.gone.items()]
    notes += [
        f"{node} gave no result for {count} frames{watch.first_reason[node]}"
        for node, count in watch.missing_responses.items()
    ]

    notes += [
        f"{stage.node} gave no result of {stage.name} for any frame"
        for stage in _silent_stages(recorder)
    ]
    notes += [
        f"the {part} of {count} frame{'' if count == 1 else 's'} cannot be read"
        f" ({recorder.first_fault[part]})"
        for part, count in recorder.faults.items()
    ]
    notes += recorder.warnings.values()
    if (wrong_unit := recorder.depth_scale_warning()) is not None:
        notes.append(wrong_unit)
    if len(recorder.sizes) > 1:
        seen = ", ".join(
            f"{width}x{height} from frame {number} on"
            for (height, width), number in recorder.sizes.items()
        )
        notes.append(f"the size of the colour images changes: {seen}")

    incomplete = len(recorder.frames) - recorder.processed
    if recorder.realtime is not None and incomplete:
        notes.append(
            f"{incomplete} frames were not answered by all nodes;"
            " in the scores they are frames in which nothing was found"
        )
    if recorder.rejected:
        notes.append(
            f"{recorder.rejected} frames were not played:"
            " their stamps are not later than that of the frame before"
        )
    return notes
