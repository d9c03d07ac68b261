# SPDX-License-Identifier: Apache-2.0
"""Playing by the clock to made-up nodes."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from time import monotonic, sleep
from typing import Any

import pytest

pytest.importorskip("assistant_perception", reason="the messages are not built: run 'make setup'")

from perception_kit.bags.camera_frames import CameraFrame
from perception_kit.bags.camera_streams import StampedMessage
from perception_kit.evaluation.results import STAGES
from perception_kit.replay import playing
from perception_kit.replay.player import Responses
from perception_kit.replay.playing import play_by_clock

FRAME_S = 0.04


class Bench:
    """Takes the places of input, player, nodes and recorder.

    The nodes respond at once, but drop the frames ``dropped``.
    """

    def __init__(
        self,
        stamps_s: Collection[float],
        dropped: Collection[int] = (),
        frames_until_gone: int = 1000,
        damaged: Collection[int] = (),
    ) -> None:
        self._frames = [
            CameraFrame(
                StampedMessage(
                    round(stamp * 1e9), None, b"", fault="no picture" if k in damaged else ""
                ),
                None,
                None,
            )
            for k, stamp in enumerate(stamps_s)
        ]
        self._dropped, self._left = dropped, frames_until_gone
        self.frame_count, self.rejected, self.forgotten = len(self._frames), 0, 0
        self.published_s: list[float] = []
        self.received = 0
        self.recorded: list[tuple[int, bool]] = []
        self.spin_once = sleep

    def frames(self) -> Iterator[CameraFrame]:
        return iter(self._frames)

    def available(self) -> list[Any]:
        return list(STAGES) if len(self.published_s) < self._left else []

    def publish(self, frame: CameraFrame, deadline_s: float) -> Responses:
        responses = Responses()
        if len(self.published_s) not in self._dropped:
            responses.data = {stage.name: b"" for stage in STAGES}
        self.published_s.append(monotonic())
        return responses

    def process_pending(self) -> None:
        self.received += 1

    def forget(self, frame: CameraFrame) -> None:
        self.forgotten += 1

    def add(self, number: int, frame: CameraFrame, responses: Responses) -> None:
        self.recorded.append((number, bool(responses.data)))

    def play(self, rate: float = 1.0) -> float:
        return play_by_clock(self, self, self, self, timeout_s=0.2, rate=rate)


def test_frames_are_recorded_in_order_and_dropped_ones_without_results() -> None:
    bench = Bench([k * FRAME_S for k in range(5)], dropped=[1, 4])
    bench.play()
    assert bench.recorded == [(0, True), (1, False), (2, True), (3, True), (4, False)]
    assert bench.forgotten == 5


def test_a_frame_that_cannot_be_read_is_recorded_without_being_played() -> None:
    bench = Bench([k * FRAME_S for k in range(4)], damaged=[0, 2])
    bench.play()
    assert bench.recorded == [(0, False), (1, True), (2, False), (3, True)]
    assert len(bench.published_s) == 2


@pytest.mark.parametrize("rate", [0.5, 2.0])
def test_no_frame_is_published_before_its_time(rate: float) -> None:
    bench = Bench([k * FRAME_S for k in range(4)])
    latest_s = bench.play(rate)
    since_start = [time - bench.published_s[0] for time in bench.published_s]
    assert all(passed >= k * FRAME_S / rate - 1e-3 for k, passed in enumerate(since_start))
    assert latest_s >= 0


def test_results_are_taken_even_when_the_player_is_late() -> None:
    bench = Bench([k * FRAME_S for k in range(6)])
    bench.play(rate=1e6)
    assert bench.received == 6


def test_frames_that_do_not_move_on_are_not_played() -> None:
    bench = Bench([0.0, FRAME_S, FRAME_S, 0.0, 2 * FRAME_S])
    bench.play()
    assert bench.rejected == 2
    assert [number for number, _ in bench.recorded] == [0, 1, 4]


def test_no_more_frames_wait_in_memory_than_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(playing, "_MAX_PENDING", 2)
    bench = Bench([k * FRAME_S for k in range(6)], dropped=range(6))
    bench.play(rate=100.0)
    assert bench.recorded == [(number, False) for number in range(6)]


def test_what_was_published_is_recorded_when_the_nodes_are_gone() -> None:
    bench = Bench([k * FRAME_S for k in range(4)], frames_until_gone=2)
    bench.play()
    assert bench.recorded == [(0, True), (1, True)]
