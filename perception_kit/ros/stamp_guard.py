# SPDX-License-Identifier: Apache-2.0
"""Which frames to take by their stamps: one stray stamp must not cost what is remembered."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

# A frame that is older than the one before by at most this was overtaken on its way.
LATE_NS = 100_000_000
# A stamp this far ahead, of the clock or of what the time since the last frame allows, is a jump.
AHEAD_NS = 5_000_000_000
# So many frames in a row that jump, and agree with each other, are the new time.
CONFIRMING = 3


class Verdict(Enum):
    """What to do with a frame."""

    TAKE = "take"
    DROP = "drop"
    RESET = "start over"


@dataclass(frozen=True)
class Judgement:
    """``verdict`` for a frame, and the reason where it is not to be taken as it is."""

    verdict: Verdict
    reason: str = ""


class StampGuard:
    """Judges the stamps of one input, in the order of their arrival.

    Time jumps where stamps go back by more than ``LATE_NS`` (a bag that loops), or ahead by more
    than ``AHEAD_NS``: of the node's clock, or of the time that has passed since the last frame. The
    latter counts with ``live`` input only: a replay may skip what was not recorded. Of frames that
    jump the first are dropped, until ``CONFIRMING`` in a row agree: then everything starts over.
    """

    def __init__(self, name: str, live: bool = True) -> None:
        self._name, self._live = name, live
        self._last_ns: int | None = None
        self._last_arrival_ns = 0
        self._was_ahead = False
        self._strays: list[int] = []  # stamps of frames that jump, in a row

    def judge(self, stamp_ns: int, arrival_ns: int, clock_ns: int) -> Judgement:
        """Judge a frame that arrives at ``arrival_ns`` of a steady clock.

        ``clock_ns`` is then the time by the node's clock, which may stand still.
        """
        jump = self._jump(stamp_ns, arrival_ns, clock_ns)
        if not jump:
            return self._regular(stamp_ns, arrival_ns, clock_ns)

        # Does it go on where the last stray frame was?
        if self._strays and not 0 < stamp_ns - self._strays[-1] <= AHEAD_NS:
            self._strays.clear()
        self._strays.append(stamp_ns)
        text = f"stamps of '{self._name}' {jump}"
        if len(self._strays) < CONFIRMING:
            return Judgement(Verdict.DROP, f"{text}: a frame is dropped")
        self._accept(stamp_ns, arrival_ns, clock_ns)
        return Judgement(Verdict.RESET, f"{text} (a bag that loops?): starting over")

    def _regular(self, stamp_ns: int, arrival_ns: int, clock_ns: int) -> Judgement:
        """A frame that does not jump: it may be repeated or overtaken."""
        back_ns = 0 if self._last_ns is None else self._last_ns - stamp_ns
        if self._last_ns is not None and back_ns >= 0:
            if back_ns:
                text = f"a frame that comes {back_ns * 1e-9:.3f} s after a newer one is dropped"
            else:
                text = f"a frame with the stamp of the one before ({stamp_ns * 1e-9:.3f} s) is"
                text += " dropped" if stamp_ns else " dropped: its driver sets no stamps"
            return Judgement(Verdict.DROP, text)

        self._accept(stamp_ns, arrival_ns, clock_ns)
        return Judgement(Verdict.TAKE)

    def _accept(self, stamp_ns: int, arrival_ns: int, clock_ns: int) -> None:
        self._last_ns, self._last_arrival_ns = stamp_ns, arrival_ns
        self._was_ahead = stamp_ns - clock_ns > AHEAD_NS
        self._strays.clear()

    def _jump(self, stamp_ns: int, arrival_ns: int, clock_ns: int) -> str:
        """How a stamp jumps, in words; empty where it does not. The first one never does."""
        if self._last_ns is None:
            return ""
        step_ns = stamp_ns - self._last_ns
        if step_ns < -LATE_NS:
            return f"went back by {-step_ns * 1e-9:.3f} s"

        ahead_ns = stamp_ns - clock_ns
        if ahead_ns > AHEAD_NS and step_ns > AHEAD_NS and not self._was_ahead:
            return f"are {ahead_ns * 1e-9:.3f} s ahead of the clock"
        passed_ns = arrival_ns - self._last_arrival_ns
        if self._live and step_ns - passed_ns > AHEAD_NS:
            return f"went ahead by {step_ns * 1e-9:.3f} s in {passed_ns * 1e-9:.3f} s"
        return ""
