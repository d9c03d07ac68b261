# SPDX-License-Identifier: Apache-2.0
"""Playing a recording to the nodes: in lock step, so that the machine's speed does not matter, or
by the clock, as a camera does.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterator
from functools import partial
from time import monotonic

from tqdm import tqdm

from perception_kit.bags.camera_frames import CameraFrame
from perception_kit.evaluation.results import STAGES
from perception_kit.replay.player import Player, Responses
from perception_kit.replay.recorder import Recorder
from perception_kit.replay.recording import Recording
from perception_kit.replay.watch import NodeWatch

_RECORD_S = (
    0.1  # recording a frame takes less; it is done while there is so much time until the next one
)
_MOST_WAITING = 300  # frames in memory
_POLL_S = 0.05


def say(text: str) -> None:
    """Tell the user, above the progress bar."""
    tqdm.write(text, file=sys.stderr)


def play_in_lock_step(
    recording: Recording, player: Player, watch: NodeWatch, recorder: Recorder, timeout_s: float
) -> None:
    """Publish each frame when the results of the one before are in, or ``timeout_s`` have passed."""
    for number, frame in _playable(recording, watch, recorder):
        watch.start_frame(number)
        answers = player.play(frame, partial(watch.awaited, frame), timeout_s)
        watch.end_frame(frame, answers, watch.awaited(frame))
        recorder.add(number, frame, answers)


def play_by_clock(
    recording: Recording,
    player: Player,
    watch: NodeWatch,
    recorder: Recorder,
    timeout_s: float,
    rate: float,
) -> float:
    """Publish each frame at its stamp, ``rate`` times as fast as recorded, and take what comes back
    until ``timeout_s`` after the last.

    Returns by how many seconds a frame was published late at most.
    """
    waiting = _Waiting(player, recorder)
    start_s = first_ns = None
    latest_s = 0.0
    for number, frame in _playable(recording, watch, recorder):
        if start_s is None:
            start_s, first_ns = monotonic(), frame.stamp_ns
        due_s = start_s + (frame.stamp_ns - first_ns) * 1e-9 / rate
        player.receive()  # even when late
        while (left_s := due_s - monotonic()) > 0:
            if left_s < _RECORD_S or not waiting.record_first():
                player.executor.spin_once(min(left_s, _POLL_S))
        latest_s = max(latest_s, -left_s)
        waiting.frames.append((number, frame, player.publish(frame, monotonic() + timeout_s)))
        if len(waiting.frames) > _MOST_WAITING:
            waiting.record_first(even_if_not_settled=True)
    end_s = monotonic() + timeout_s
    while waiting.frames and monotonic() < end_s and watch.available():
        if not waiting.record_first():
            player.executor.spin_once(_POLL_S)
    while waiting.record_first(even_if_not_settled=True):
        pass
    return latest_s


class _Waiting:
    """Published frames whose results may still come, oldest first."""

    def __init__(self, player: Player, recorder: Recorder) -> None:
        self.frames: deque[tuple[int, CameraFrame, Responses]] = deque()
        self._player, self._recorder = player, recorder

    def record_first(self, even_if_not_settled: bool = False) -> bool:
        """Record the oldest frame if no result of it can come any more; returns whether it was
        recorded.
        """
        if not self.frames or not (even_if_not_settled or self._is_settled()):
            return False
        number, frame, answers = self.frames.popleft()
        self._player.forget(frame)
        self._recorder.add(number, frame, answers)
        return True

    def _is_settled(self) -> bool:
        """The nodes answer in order, so a stage that answered a later frame has left the oldest one
        out.
        """
        return all(
            any(stage.name in answers.data for _, _, answers in self.frames) for stage in STAGES
        )


def _playable(
    recording: Recording, watch: NodeWatch, recorder: Recorder
) -> Iterator[tuple[int, CameraFrame]]:
    """Number and frame of all that can be played, as long as a node is left."""
    newest_ns: int | None = None
    for number, frame in enumerate(
        tqdm(recording.frames(), total=recorder.frame_count, unit="frame", desc="replay")
    ):
        if not watch.available():
            say("no node is left: the rest of the bag is not played")
            return
        if newest_ns is not None and frame.stamp_ns <= newest_ns:
            recorder.skipped += 1  # results are joined by stamp, and the nodes would start over
            continue
        newest_ns = frame.stamp_ns
        yield number, frame
