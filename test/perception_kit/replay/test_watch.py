# SPDX-License-Identifier: Apache-2.0
"""Who is waited for, and who is gone, without processes and DDS."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("assistant_perception", reason="the messages are not built: run 'make setup'")

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue

from perception_kit.bags.camera_frames import CameraFrame
from perception_kit.bags.camera_streams import StampedMessage
from perception_kit.evaluation.results import NODES, STAGES
from perception_kit.replay.player import Responses
from perception_kit.replay.watch import NodeWatch

IMAGE = StampedMessage(0, None, b"")
FRAME = CameraFrame(IMAGE, IMAGE, IMAGE)
ALL = ["segmentation", "pose", "tracking", "actions"]


class Bench:
    """A watch with stand-ins for the process group and the player's client."""

    def __init__(self) -> None:
        self.codes: dict[str, int | None] = dict.fromkeys(NODES)
        self.logged: list[str] = []
        group = SimpleNamespace(poll=lambda: self.codes, log_path=lambda name: Path(f"{name}.log"))
        client = SimpleNamespace(subscribe=self._subscribe, count_subscribers=lambda topic: 0)
        player = SimpleNamespace(
            client=client, spin_once=lambda timeout_s: None, missing_links=lambda stages: []
        )
        self.watch = NodeWatch(group, player, self.logged.append)
        for name in NODES:
            self.report(name)

    def _subscribe(self, type_name: str, topic: str, receive: Callable[[Any], None]) -> None:
        self._receive = receive

    def report(
        self,
        name: str,
        level: bytes = DiagnosticStatus.OK,
        message: str = "active",
        **counters: int | str,
    ) -> None:
        """Diagnostics of a node."""
        values = [KeyValue(key=key, value=str(value)) for key, value in counters.items()]
        self._receive(
            DiagnosticArray(
                status=[
                    DiagnosticStatus(
                        name=f"/{name}: perception", level=level, message=message, values=values
                    )
                ]
            )
        )

    def awaited(self, frame: CameraFrame = FRAME) -> list[str]:
        return [stage.name for stage in self.watch.awaited(frame)]

    def play(self, number: int, responded: Sequence[str], frame: CameraFrame = FRAME) -> None:
        """One frame after which only ``responded`` have responded and the time is over."""
        self.watch.start_frame(number)
        responses = Responses(data=dict.fromkeys(responded, b""))
        self.watch.end_frame(frame, responses, self.watch.awaited(frame))


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_all_are_awaited_and_nothing_is_said_when_all_answer(bench: Bench) -> None:
    for number in range(4):
        bench.play(number, ALL)
    assert bench.awaited() == ALL
    assert bench.logged == []


def test_a_node_that_does_not_get_ready_is_named_with_what_it_does(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard = {f"subscribers/{name}": 2 for name in ("detections", "poses", "tracks", "actions")}
    for name in NODES:
        bench.report(name, state="active", **heard)
    del bench.watch.diagnostics["pose6d_node"]
    monkeypatch.setattr("perception_kit.replay.watch.START_LIMIT_S", 0.0)
    bench.watch.wait_until_active()
    assert bench.watch.gone.keys() == {"pose6d_node"}
    assert "not ready 0 s after its start (is starting)" in bench.watch.gone["pose6d_node"]
    assert "replay again later" in bench.logged[0]


def test_poses_that_the_tracker_would_miss_are_waited_for(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard = {"subscribers/detections": 2, "subscribers/poses": 1}
    bench.report("pose6d_node", state="active", **heard)
    bench.report("tracker_node", state="active", **{"subscribers/tracks": 1})
    bench.report("actionrec_node", state="active", **{"subscribers/actions": 1})
    monkeypatch.setattr("perception_kit.replay.watch.START_LIMIT_S", 0.0)
    bench.watch.wait_until_active()
    assert bench.watch.gone.keys() == {"pose6d_node"}
    assert "not all subscribers of /pose6d_node/poses are found" in bench.logged[0]


ENDED = {
    "pose6d_node": ["actions"],
    "tracker_node": ["segmentation", "pose", "actions"],
    "actionrec_node": ["segmentation", "pose", "tracking"],
}


@pytest.mark.parametrize("node", ENDED)
def test_node_that_ends_is_told_once_with_the_reason(bench: Bench, node: str) -> None:
    bench.play(0, ALL)
    bench.watch.start_frame(1)
    bench.codes[node] = -9
    assert bench.awaited() == ENDED[node]
    assert bench.awaited() == ENDED[node]
    assert bench.logged == [
        f"{node} is gone at frame 1: ended by signal 9. Its log: {node}.log. The others go on."
    ]


def test_two_unanswered_frames_in_a_row_make_a_node_gone(bench: Bench) -> None:
    without_actions = ALL[:3]
    bench.play(0, without_actions)
    bench.play(1, ALL)
    bench.play(2, without_actions)
    assert bench.watch.gone == {}
    bench.play(3, without_actions)
    assert list(bench.watch.gone) == ["actionrec_node"]
    assert bench.watch.missing_responses["actionrec_node"] == 3
    assert "actionrec_node is gone at frame 3" in bench.logged[-1]


def test_tracker_is_not_blamed_for_missing_detections(bench: Bench) -> None:
    for number in range(2):
        bench.play(number, ["actions"])
    assert list(bench.watch.gone) == ["pose6d_node"]
    assert bench.watch.missing_responses["tracker_node"] == 0


def test_frame_that_a_node_reports_as_lost_is_not_waited_for_and_the_node_stays(
    bench: Bench,
) -> None:
    for number in range(5):
        bench.watch.start_frame(number)
        assert "pose" in bench.awaited()
        bench.report(
            "pose6d_node",
            DiagnosticStatus.WARN,
            "no poses: all depth is NaN",
            frames_without_poses=number + 1,
        )
        assert bench.awaited() == ["segmentation", "tracking", "actions"]
        bench.watch.end_frame(
            FRAME,
            Responses(data=dict.fromkeys(["segmentation", "tracking", "actions"], b"")),
            bench.watch.awaited(FRAME),
        )
    assert bench.watch.gone == {}
    assert bench.logged == [
        f"frame {number}: pose6d_node gave no result of pose: no poses: all depth is NaN"
        for number in range(3)
    ]
    assert (
        bench.watch.missing_responses["pose6d_node"],
        bench.watch.first_reason["pose6d_node"],
    ) == (
        5,
        ": no poses: all depth is NaN",
    )


def test_frame_that_segmentation_fails_on_never_gets_to_the_tracker(bench: Bench) -> None:
    bench.watch.start_frame(0)
    bench.report("pose6d_node", DiagnosticStatus.WARN, "the image is cut short", frames_failed=1)
    assert bench.awaited() == ["actions"]


def test_frame_without_depth_is_only_for_the_actions(bench: Bench) -> None:
    frame = CameraFrame(IMAGE, None, IMAGE)
    for number in range(3):
        bench.play(number, ["actions"], frame)
    assert bench.awaited(frame) == ["actions"]
    assert bench.watch.gone == {}
    assert (
        bench.logged[0]
        == "frame 0: pose6d_node gave no result of segmentation and pose: the bag has no depth"
        " image near its stamp"
    )


def test_every_stage_has_a_node() -> None:
    assert {stage.node for stage in STAGES} == set(NODES)
    assert all(stage.node in stage.needs for stage in STAGES)


def test_a_frame_whose_depth_cannot_be_read_is_told_with_the_reason(bench: Bench) -> None:
    faults = {"depth image": "'/depth' holds 5 bytes that are no whole JPEG or PNG image"}
    bench.play(0, ["actions"], CameraFrame(IMAGE, None, IMAGE, faults))
    assert bench.logged == [
        f"frame 0: pose6d_node gave no result of segmentation and pose: {faults['depth image']}"
    ]
