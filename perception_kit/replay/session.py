# SPDX-License-Identifier: Apache-2.0
"""One replay from the bag to the scores."""

from __future__ import annotations

import json
import os
import shutil
import sys
from functools import partial
from pathlib import Path
from typing import Any

from tqdm import tqdm

from perception_kit.bag import BagReader
from perception_kit.drawing import Scene
from perception_kit.replay.domain import free_domain
from perception_kit.replay.effective_config import write_effective_config
from perception_kit.replay.evaluate import EvaluatedFrame, Evaluation, evaluate
from perception_kit.replay.frames import camera_frames
from perception_kit.replay.object_models import PointModel, load_point_models
from perception_kit.replay.player import Player
from perception_kit.replay.recorder import Recorder
from perception_kit.replay.report import print_report
from perception_kit.replay.results import NODES, STAGES, read_results
from perception_kit.replay.settings import ReplaySettings
from perception_kit.replay.topics import CameraTopics, find_camera_topics
from perception_kit.replay.watch import NodeWatch
from perception_kit.ros.bringup import process_environment, start_nodes
from perception_kit.truth import TruthSource
from perception_kit.truth_bag import BagTruth
from perception_kit.truth_ycbv import YcbVideoTruth

RESULTS, VIDEO, CONFIG, LOGS, METRICS, DETAILS = "results", "overlay.mp4", "config", "logs", "metrics.json", "details.json"
MARKER = ".replay"
_NEEDED_BY = {"segmentation": "segmentation", "instances": "segmentation", "pose": "pose", "tracking": "tracking", "actions": "actions"}


class OutputError(ValueError):
    """The folder for the results cannot be used. The message says why."""


def run_replay(settings: ReplaySettings) -> bool:
    """Play ``settings.bag``, write everything into ``settings.out`` (results of an earlier replay there are replaced) and print the table.

    Returns whether all nodes were there to the end. Raises BagError, TruthError, DatasetError, ModelFileError or OutputError for input that
    cannot be used, before any node is started where that can be known.
    """
    with BagReader(settings.bag) as reader:
        topics = find_camera_topics(reader.topics, settings.color_topic, settings.depth_topic, settings.camera_info_topic)
        truth = _truth_source(settings, reader.topics[topics.color].count)
        models = load_point_models(settings.models, settings.bag, settings.pose_model) if truth is not None else {}
        settings.check_models()
        _clear(settings.out)
        recorder, watch = _play(settings, reader, topics)
    evaluation = _evaluate(settings.out / RESULTS, recorder, truth, models, watch)
    notes = _notes(watch, recorder, evaluation)
    metrics = {
        **evaluation.metrics,
        "frames": recorder.frame_counts(),
        "latency_ms": recorder.latency_ms(),
        "nodes_gone": dict(watch.gone),
    }
    details = {**evaluation.details, "live_drops": recorder.live_drops(), "notes": notes, "nodes": watch.reported_values()}
    _write_json(settings.out / METRICS, metrics)
    _write_json(settings.out / DETAILS, details)
    print_report(metrics, details, _files(settings.out))
    return not watch.gone


def _truth_source(settings: ReplaySettings, frame_count: int) -> TruthSource | None:
    if settings.truth is not None:
        return YcbVideoTruth(settings.truth, frame_count)
    truth = BagTruth(settings.bag)
    return None if truth.is_empty else truth


def _play(settings: ReplaySettings, reader: BagReader, topics: CameraTopics) -> tuple[Recorder, NodeWatch]:
    """Start the nodes in a domain of their own, play every frame and end the nodes."""
    with free_domain() as domain:
        os.environ |= {**process_environment(), "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}
        count = reader.topics[topics.color].count
        nodes = start_nodes(settings.node_parameters(), domain_id=domain, log_dir=settings.out / LOGS)
        with nodes, Player(domain) as player, Recorder(settings.out / RESULTS, settings.out / VIDEO, count) as recorder:
            watch = NodeWatch(nodes, player, _say)
            _say("waiting for the nodes to load their models")
            watch.wait_until_active()
            running = [node for node in NODES if node not in watch.gone]
            write_effective_config(settings.out / CONFIG, settings, topics, player, running)
            _play_frames(settings, reader, topics, player, watch, recorder)
    return recorder, watch


def _play_frames(
    settings: ReplaySettings, reader: BagReader, topics: CameraTopics, player: Player, watch: NodeWatch, recorder: Recorder
) -> None:
    frames = camera_frames(reader, topics, settings.slop)
    for number, frame in enumerate(tqdm(frames, total=recorder.frame_count, unit="frame", desc="replay")):
        if not watch.available():
            _say("no node is left: the rest of the bag is not played")
            return
        if recorder.frames and frame.stamp_ns <= recorder.frames[-1].stamp_ns:
            recorder.skipped += 1  # results are joined by stamp, and the nodes would start over
            continue
        watch.start_frame(number)
        answers = player.play(frame, partial(watch.awaited, frame), settings.timeout)
        watch.end_frame(frame, answers, watch.awaited(frame))
        recorder.add(number, frame, answers)


def _evaluate(results: Path, recorder: Recorder, truth: TruthSource | None, models: dict[str, PointModel], watch: NodeWatch) -> Evaluation:
    if truth is None:
        return Evaluation()
    scenes, action_classes = read_results(results)
    frames = [
        EvaluatedFrame(key.stamp_ns, frame, scenes.get(key.stamp_ns, Scene()))
        for key, frame in zip(recorder.frames, truth.frames(recorder.frames), strict=True)
    ]
    needs = {stage.name: stage.needs for stage in STAGES}
    without = {}
    for part, stage in _NEEDED_BY.items():
        gone = [node for node in needs[stage] if node in watch.gone]
        if gone:
            without[part] = f"{' and '.join(gone)} is gone"
    return evaluate(frames, recorder.image_size, models, action_classes, without)


def _notes(watch: NodeWatch, recorder: Recorder, evaluation: Evaluation) -> list[str]:
    notes = [f"{node} is gone: {reason}" for node, reason in watch.gone.items()]
    notes += [f"{node} gave no result for {count} frames" for node, count in watch.unanswered.items()]
    if recorder.skipped:
        notes.append(f"{recorder.skipped} frames were not played: their stamps are not later than that of the frame before")
    return notes + evaluation.notes


def _clear(out: Path) -> None:
    """Make the folder and remove what an earlier replay wrote into it. Raises OutputError for files that another program wrote."""
    names = (RESULTS, CONFIG, LOGS, VIDEO, METRICS, DETAILS)
    marker = out / MARKER
    in_the_way = [name for name in names if (out / name).exists()]
    if in_the_way and not marker.exists():
        raise OutputError(f"'{out}' holds {', '.join(in_the_way)}, but not of an earlier replay: give a new folder as --out")
    try:
        out.mkdir(parents=True, exist_ok=True)
        marker.write_text("written by perception_kit.replay, which replaces its files here\n")
    except OSError as error:
        raise OutputError(f"'{out}' cannot be written ({error}): give another folder as --out") from error
    for name in in_the_way:
        shutil.rmtree(out / name) if (out / name).is_dir() else (out / name).unlink()


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n")


def _files(out: Path) -> list[tuple[str, str]]:
    described = {
        VIDEO: "what the nodes saw, drawn on the images",
        METRICS: "all scores",
        DETAILS: "scores per class, and what the nodes reported about themselves",
        RESULTS: "bag of the nodes' results",
        CONFIG: "settings, parameters, models and versions",
        LOGS: "what the nodes wrote to their terminals",
    }
    return [(str(out / name), what) for name, what in described.items()]


def _say(text: str) -> None:
    tqdm.write(text, file=sys.stderr)
