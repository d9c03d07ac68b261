# SPDX-License-Identifier: Apache-2.0
"""Whole replays of a synthetic scene of six frames with small untrained models, over DDS."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import cv2
import pytest
import torch
import yaml

pytest.importorskip("assistant_perception", reason="the messages are not built: run 'make setup'")

from changed_bag import changed

from perception_kit.bags.bag import BagReader, open_typestore
from perception_kit.evaluation.results import NODES, STAGES
from perception_kit.evaluation.run import read_run
from perception_kit.evaluation.run_folder import OutputError
from perception_kit.networks.model_file import save_model
from perception_kit.networks.model_metadata import ModelFileError
from perception_kit.replay import session
from perception_kit.replay.session import run_replay
from perception_kit.replay.settings import ReplaySettings
from perception_kit.replay.watch import NodeWatch
from perception_kit.ros.node_processes import NodeGroup

pytestmark = [pytest.mark.ros, pytest.mark.slow]
FRAMES = 6
STAGE_NAMES = [stage.name for stage in STAGES]


def contents(bag: Path) -> list[tuple[str, int, bytes]]:
    """Topic, stamp and content of each message.

    Contents are encoded anew: the bytes that the middleware leaves between fields are arbitrary.
    """
    types = open_typestore()
    with BagReader(bag) as reader:
        raw = list(reader.raw_messages(reader.topics))
        return [
            (
                item.topic,
                item.stamp_ns,
                bytes(types.serialize_cdr(reader.decode(item), item.type_name)),
            )
            for item in raw
        ]


def metrics_of(out: Path) -> dict[str, Any]:
    return json.loads((out / "metrics.json").read_text())


def test_replay_is_complete_and_repeatable(
    settings: ReplaySettings, replayed: Path, tmp_path: Path
) -> None:
    assert run_replay(replace(settings, out=tmp_path))
    first = contents(replayed / "results")
    assert first == contents(tmp_path / "results")
    stages = {stage.topic for stage in STAGES}
    assert len([topic for topic, _, _ in first if topic in stages]) == FRAMES * len(STAGES)

    metrics = metrics_of(replayed)
    assert set(metrics) == {
        "segmentation",
        "pose",
        "tracking",
        "actions",
        "instances",
        "frames",
        "latency_ms",
        "nodes_gone",
        "realtime",
    }
    assert (metrics["nodes_gone"], metrics["realtime"]) == ({}, None)
    assert set(metrics["segmentation"]) == {"map", "map50"}
    assert set(metrics["pose"]) == {"recall_0.1d", "adds_auc"}
    assert set(metrics["tracking"]) == {"mota", "idf1", "hota", "id_switches", "fragments"}
    assert set(metrics["actions"]) == {"frame_accuracy", "per_class", "fall_delay_s"}
    assert all(
        set(scores) == {"precision", "recall", "f1", "support"}
        for scores in metrics["actions"]["per_class"].values()
    )
    assert set(metrics["instances"]) == {"total", "found"}
    assert metrics["instances"]["total"] >= FRAMES
    assert metrics["frames"] == {"input": FRAMES, "processed": FRAMES, "dropped": 0}
    assert set(metrics["latency_ms"]) == {*STAGE_NAMES, "total"}
    assert all(
        0 < values["p50"] <= values["p95"] <= values["max"]
        for values in metrics["latency_ms"].values()
    )

    assert [frame.number for frame in read_run(replayed).frames] == list(range(FRAMES))
    assert "Replay of scene" in (replayed / "report.html").read_text()
    with av.open(str(replayed / "overlay.mp4")) as video:
        assert sum(1 for _ in video.decode(video=0)) == FRAMES
    effective = yaml.safe_load((replayed / "effective_config.yaml").read_text())
    assert {
        node: effective["parameters"][node]["input_reliability"] for node in NODES
    } == dict.fromkeys(NODES, "reliable")
    assert effective["topics"]["color"] == "/camera/camera/color/image_raw"
    assert effective["runtimes"] == {
        "actionrec_node": "openvino",
        "pose6d_node": "segmentation: openvino, poses: openvino",
    }
    assert set(effective["model_sha256"]) == {"segmentation", "pose", "action"}


@pytest.fixture
def signal_at_frame(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, str, signal.Signals], None]:
    """``signal_at_frame(number, node, signal)`` signals a node just before a frame is published."""
    groups: list[NodeGroup] = []
    start_nodes, start_frame = session.start_nodes, NodeWatch.start_frame

    def arrange(number: int, node: str, what: signal.Signals) -> None:
        def capture(*arguments: Any, **options: Any) -> NodeGroup:
            groups.append(start_nodes(*arguments, **options))
            return groups[-1]

        def disturb(watch: NodeWatch, current: int) -> None:
            if current == number:
                groups[-1].processes[node].send_signal(what)
            start_frame(watch, current)

        monkeypatch.setattr(session, "start_nodes", capture)
        monkeypatch.setattr(NodeWatch, "start_frame", disturb)

    return arrange


def test_files_that_no_replay_wrote_are_kept(settings: ReplaySettings, tmp_path: Path) -> None:
    precious = tmp_path / "logs" / "precious.log"
    precious.parent.mkdir()
    precious.touch()
    with pytest.raises(OutputError, match="holds logs"):
        run_replay(replace(settings, out=tmp_path))
    assert precious.exists()


def test_a_folder_that_cannot_be_made_is_named(settings: ReplaySettings, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be written"):
        run_replay(replace(settings, out=tmp_path / "file"))


def test_a_model_of_another_kind_is_refused_before_anything_is_written(
    settings: ReplaySettings, tmp_path: Path
) -> None:
    with pytest.raises(ModelFileError, match="'action' model, expected a 'segmentation' model"):
        run_replay(
            replace(settings, out=tmp_path / "out", segmentation_model=settings.action_model)
        )
    assert not (tmp_path / "out").exists()


KILLED = {
    # node: (parts that are still scored, numbers of messages of each stage)
    "pose6d_node": (["actions"], [2, 2, 2, 6]),
    "tracker_node": (["segmentation", "pose", "instances", "actions"], [6, 6, 2, 6]),
    "actionrec_node": (["segmentation", "pose", "instances", "tracking"], [6, 6, 6, 2]),
}


@pytest.mark.parametrize("node", KILLED)
def test_killed_node_is_named_and_the_others_go_on(
    node: str,
    settings: ReplaySettings,
    tmp_path: Path,
    signal_at_frame: Callable[..., None],
    capfd: pytest.CaptureFixture[str],
) -> None:
    signal_at_frame(2, node, signal.SIGKILL)
    assert not run_replay(replace(settings, out=tmp_path))
    printed = capfd.readouterr().err
    assert (
        f"{node} is gone at frame 2: ended by signal 9. Its log: {tmp_path / 'logs' / node}.log."
        " The others go on." in printed
    )
    scored, counts = KILLED[node]
    metrics = metrics_of(tmp_path)
    assert [
        part
        for part in ("segmentation", "pose", "instances", "tracking", "actions")
        if metrics[part] is not None
    ] == scored
    assert list(metrics["nodes_gone"]) == [node]
    assert metrics["frames"] == {"input": FRAMES, "processed": 2, "dropped": FRAMES - 2}
    with BagReader(tmp_path / "results") as reader:
        assert [reader.topics[stage.topic].count for stage in STAGES] == counts
    assert metrics["frames"]["input"] == FRAMES


def test_node_that_hangs_and_node_without_a_model(
    settings: ReplaySettings,
    tmp_path: Path,
    signal_at_frame: Callable[..., None],
    capfd: pytest.CaptureFixture[str],
) -> None:
    no_model = tmp_path / "incomplete.safetensors"
    save_model(
        no_model,
        "action",
        {"weight": torch.zeros(1)},
        {"architecture": "lstm", "class_names": ["walking"]},
    )
    signal_at_frame(2, "tracker_node", signal.SIGSTOP)
    assert not run_replay(
        replace(settings, out=tmp_path / "out", action_model=no_model, timeout=15.0)
    )
    printed = capfd.readouterr().err
    assert (
        f"actionrec_node is gone before the first frame: stays unconfigured: '{no_model}' does not"
        " describe a network" in printed
    )
    assert (
        "tracker_node is gone at frame 3: gave no result for 2 frames in a row, although its"
        " process is running" in printed
    ), printed
    metrics = metrics_of(tmp_path / "out")
    assert metrics["tracking"] is None
    assert metrics["actions"] is None
    assert metrics["instances"]["total"] >= FRAMES
    with BagReader(tmp_path / "out" / "results") as reader:
        assert reader.topics["/pose6d_node/detections"].count == FRAMES


COLOR = "/camera/camera/color/image_raw"
DEPTH = "/camera/camera/aligned_depth_to_color/image_raw"


def as_jpeg(message: Any, form: str) -> Any:
    pixels = message.data.reshape(message.height, message.width, -1)
    data = cv2.imencode(".jpg", pixels[..., ::-1] if pixels.shape[2] == 3 else pixels[..., 0])[1]
    kind = open_typestore().types["sensor_msgs/msg/CompressedImage"]
    return kind(header=message.header, format=form, data=data.ravel())


def test_a_damaged_picture_costs_its_frame_only(
    scene: Path, settings: ReplaySettings, tmp_path: Path
) -> None:
    def compress(number: int, topic: str, message: Any) -> list[tuple[str, Any]]:
        if topic != COLOR:
            return [(topic, message)]
        picture = as_jpeg(message, "rgb8; jpeg compressed bgr8")
        picture.data = picture.data[: 0 if number == 2 else None]
        return [(f"{topic}/compressed", picture)]

    bag = changed(scene, tmp_path / "jpeg", compress)
    assert run_replay(replace(settings, bag=bag, models=scene / "models", out=tmp_path / "out"))

    metrics = metrics_of(tmp_path / "out")
    assert metrics["frames"] == {"input": FRAMES, "processed": FRAMES - 1, "dropped": 1}
    details = json.loads((tmp_path / "out" / "details.json").read_text())
    (note,) = [note for note in details["notes"] if "cannot be read" in note]
    assert note.startswith("the colour image of 1 frame cannot be read (first in frame 2: ")
    assert "holds 0 bytes" in note


def test_results_that_never_come_are_no_success(
    scene: Path, settings: ReplaySettings, tmp_path: Path
) -> None:
    def compress(number: int, topic: str, message: Any) -> list[tuple[str, Any]]:
        if topic != DEPTH:
            return [(topic, message)]
        message.data = message.data[::2]
        return [(f"{topic}/compressed", as_jpeg(message, "16UC1; jpeg compressed "))]

    bag = changed(scene, tmp_path / "jpeg", compress)
    out = tmp_path / "out"
    assert not run_replay(replace(settings, bag=bag, models=scene / "models", out=out))
    notes = json.loads((out / "details.json").read_text())["notes"]
    assert "pose6d_node gave no result of pose for any frame" in notes
    assert any("depth image of 6 frames cannot be read" in note for note in notes)
    assert any("in which the distances are lost" in note for note in notes)
