# SPDX-License-Identifier: Apache-2.0
"""Plays a bag to the nodes in lock step, which no machine's speed affects, or by the clock."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from functools import partial
from time import monotonic

from tqdm import tqdm

from perception_kit.bags.camera_frames import CameraFrame
from perception_kit.evaluation.results import STAGES
from perception_kit.replay.log import log
from perception_kit.replay.player import Player, Responses
from perception_kit.replay.recorder import Recorder
from perception_kit.replay.replay_input import ReplayInput
from perception_kit.replay.watch import NodeWatch

# Recording a frame takes less; it is done while there is this much time until the next frame.
_RECORD_S = 0.1

# Frames in memory.
_MAX_PENDING = 300
_POLL_S = 0.05


def play_in_lock_step(
    source: ReplayInput, player: Player, watch: NodeWatch, recorder: Recorder, timeout_s: float
) -> None:
    """Publish each frame when the results of the previous one are in.

    A frame is waited for at most ``timeout_s``. One whose colour image cannot be read is recorded
    without results.
    """
    for number, frame in _playable_frames(source, watch, recorder):
        if frame.color.fault:
            recorder.add(number, frame, Responses())
            continue
        watch.start_frame(number)
        responses = player.play(frame, partial(watch.awaited, frame), timeout_s)
        watch.end_frame(frame, responses, watch.awaited(frame))
        recorder.add(number, frame, responses)


def play_by_clock(
    source: ReplayInput,
    player: Player,
    watch: NodeWatch,
    recorder: Recorder,
    timeout_s: float,
    rate: float,
) -> float:
    """Publish each frame at its stamp, ``rate`` times as fast as recorded.

    Results count until ``timeout_s`` after the last frame. Returns the largest delay of a
    publication in seconds.
    """
    pending = _PendingFrames(player, recorder)
    clock: _PlaybackClock | None = None
    max_delay_s = 0.0
    for number, frame in _playable_frames(source, watch, recorder):
        if clock is None:
            clock = _PlaybackClock(frame.stamp_ns, rate)

        # Even a late player processes what has arrived; an early one records in the meantime.
        player.process_pending()
        while (left_s := clock.seconds_until(frame.stamp_ns)) > 0:
            if left_s < _RECORD_S or not pending.record_oldest():
                player.spin_once(min(left_s, _POLL_S))
        max_delay_s = max(max_delay_s, -left_s)

        responses = Responses()
        if not frame.color.fault:
            responses = player.publish(frame, monotonic() + timeout_s)
        pending.frames.append((number, frame, responses))
        if len(pending.frames) > _MAX_PENDING:
            pending.record_oldest(even_if_unsettled=True)

    # The last results are waited for, and what remains is recorded as it is.
    end_s = monotonic() + timeout_s
    while pending.frames and monotonic() < end_s and watch.available():
        if not pending.record_oldest():
            player.spin_once(_POLL_S)
    while pending.record_oldest(even_if_unsettled=True):
        pass
    return max_delay_s


class _PlaybackClock:
    """Starts now at the stamp ``first_ns`` and runs ``rate`` times as fast as the recording."""

    def __init__(self, first_ns: int, rate: float) -> None:
        self._start_s, self._first_ns, self._rate = monotonic(), first_ns, rate

    def seconds_until(self, stamp_ns: int) -> float:
        """Seconds until the frame of a stamp is due; negative once it is late."""
        return self._start_s + (stamp_ns - self._first_ns) * 1e-9 / self._rate - monotonic()


class _PendingFrames:
    """Published frames whose results may still arrive, oldest first."""

    def __init__(self, player: Player, recorder: Recorder) -> None:
        self.frames: deque[tuple[int, CameraFrame, Responses]] = deque()
        self._player, self._recorder = player, recorder

    def record_oldest(self, even_if_unsettled: bool = False) -> bool:
        """Record the oldest frame, once none of its results can arrive any more.

        Returns whether it was recorded.
        """
        if not self.frames or not (even_if_unsettled or self._is_settled()):
            return False
        number, frame, responses = self.frames.popleft()
        self._player.forget(frame)
        self._recorder.add(number, frame, responses)
        return True

    def _is_settled(self) -> bool:
        """Whether each stage has responded to the oldest frame or to a later one.

        Nodes respond in order, so a response to a later frame means that the oldest one was
        dropped.
        """
        return all(
            any(stage.name in responses.data for _, _, responses in self.frames) for stage in STAGES
        )


def _playable_frames(
    source: ReplayInput, watch: NodeWatch, recorder: Recorder
) -> Iterator[tuple[int, CameraFrame]]:
    """Number and frame of all that can be played, as long as a node is left."""
    newest_ns: int | None = None
    frames = tqdm(source.frames(), total=recorder.frame_count, unit="frame", desc="replay")
    for number, frame in enumerate(frames):
        if not watch.available():
            log("no node is left: the rest of the bag is not played")
            return

        # Results are joined by stamp, and a jump back would make the nodes start over.
        if newest_ns is not None and frame.stamp_ns <= newest_ns:
            recorder.rejected += 1
            continue
        newest_ns = frame.stamp_ns
        yield number, frame
