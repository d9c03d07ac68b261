# SPDX-License-Identifier: Apache-2.0
"""Which nodes are there: they become active at the start, and may end, or stop to answer, at any
time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection
from time import monotonic

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus

from perception_kit.bags.camera_frames import CameraFrame
from perception_kit.evaluation.results import NODES, STAGES, Stage
from perception_kit.replay.player import Player, Responses
from perception_kit.ros.bringup import NodeGroup
from perception_kit.ros.qos import result_qos

START_LIMIT_S = 300.0
_TELL_EVERY_S = 15.0
_DIAGNOSTICS_S = 5.0
_TIMEOUTS_TO_BE_GONE = 2
_TOLD_PROBLEMS = 3
# Counters of a node's diagnostics, and the stages that get nothing of a frame that is counted
# there.
_LOSSES = {
    "frames_failed": ("segmentation", "pose", "tracking", "actions"),
    "frames_without_poses": ("pose",),
}


class NodeWatch:
    """Follows the processes of ``group`` and the diagnostics of their nodes; tells ``say`` in words
    when one is gone.

    ``gone`` maps a node's name to the reason. ``unanswered`` counts the frames that a running node
    gave no result for, and ``first_reason`` says why it gave none for the first of them, as far as
    known. ``diagnostics`` holds each node's newest status.
    """

    def __init__(self, group: NodeGroup, player: Player, say: Callable[[str], None]) -> None:
        self.gone: dict[str, str] = {}
        self.unanswered: Counter[str] = Counter()
        self.first_reason: dict[str, str] = {}
        self.diagnostics: dict[str, DiagnosticStatus] = {}
        self._group, self._player, self._say = group, player, say
        self._frame_number: int | None = None
        self._timeouts: Counter[str] = Counter()
        self._losses_before: dict[tuple[str, str], int] = {}
        player.node.create_subscription(
            DiagnosticArray, "/diagnostics", self._receive, result_qos()
        )

    def wait_until_active(self) -> None:
        """Return when every node is active and connected, or gone (ended, refused its
        configuration, or not active after 5 minutes).
        """
        start_s = told_s = monotonic()
        while waiting := self._waiting():
            self._player.executor.spin_once(0.2)
            waited_s = monotonic() - start_s
            if waited_s > START_LIMIT_S:
                for node, reason in waiting.items():
                    self._lose(node, f"{reason} {START_LIMIT_S:.0f} s after its start")
            elif monotonic() - told_s > _TELL_EVERY_S:
                told_s = monotonic()
                what = "; ".join(f"{node} {reason}" for node, reason in waiting.items())
                self._say(f"waiting for {waited_s:.0f} s (at most {START_LIMIT_S:.0f} s): {what}")

    def available(self) -> list[Stage]:
        """Stages whose nodes are all there."""
        self._check_processes()
        return [stage for stage in STAGES if not any(node in self.gone for node in stage.needs)]

    def start_frame(self, number: int) -> None:
        """The bag's frame ``number`` (from 0) is going to be published."""
        self._frame_number = number
        self._losses_before = self._losses()

    def awaited(self, frame: CameraFrame) -> list[Stage]:
        """Stages whose results of ``frame`` may still come: the inputs are there, and no node has
        said that it lost the frame.
        """
        stages = self.available()
        if frame.depth is None or frame.camera_info is None:
            stages = [stage for stage in stages if "pose6d_node" not in stage.needs]
        losses = [key for key, count in self._losses().items() if count > self._losses_before[key]]
        return [
            stage
            for stage in stages
            if not any(
                node in stage.needs and stage.name in _LOSSES[counter] for node, counter in losses
            )
        ]

    def end_frame(self, frame: CameraFrame, answers: Responses, awaited: Collection[Stage]) -> None:
        """Note who gave no result.

        A node that leaves two frames in a row unanswered without a word is gone from now on.

        ``awaited`` are the stages that were waited for until the end.
        """
        timed_out = {stage.node for stage in awaited if stage.name not in answers.data}
        for node in NODES:
            if node == "tracker_node" and "segmentation" not in answers.data:
                continue  # it got nothing to work on
            missing = [
                stage.name
                for stage in self.available()
                if stage.node == node and stage.name not in answers.data
            ]
            if missing:
                self._tell_missing(node, missing, frame)
            self._timeouts[node] = self._timeouts[node] + 1 if missing and node in timed_out else 0
            if self._timeouts[node] == _TIMEOUTS_TO_BE_GONE:
                self._lose(
                    node,
                    f"gave no result for {_TIMEOUTS_TO_BE_GONE} frames in a row, although its"
                    " process is running",
                )

    def wait_for_diagnostics(self) -> None:
        """Return when each running node has published its diagnostics anew, at most after 5
        seconds.
        """
        self.diagnostics.clear()
        end_s = monotonic() + _DIAGNOSTICS_S
        while monotonic() < end_s and {*NODES} - {*self.gone} - {*self.diagnostics}:
            self._player.executor.spin_once(0.2)

    def dropped(self) -> dict[str, dict[str, int]]:
        """Frames that each node says it dropped because it was busy or an input was missing, and
        messages lost on the way to it.
        """
        counters = ("frames_dropped", "frames_lost_in_transport")
        return {
            node: {name: int(values.get(name, 0)) for name in counters}
            for node, values in self.reported_values().items()
        }

    def reported_values(self) -> dict[str, dict[str, str]]:
        """The newest values of each node's diagnostics: rates, latencies as the node sees them,
        counters, device, models.
        """
        return {
            node: {pair.key: pair.value for pair in status.values}
            for node, status in sorted(self.diagnostics.items())
        }

    def _tell_missing(self, node: str, missing: list[str], frame: CameraFrame) -> None:
        self.unanswered[node] += 1
        status = self.diagnostics[node]
        why = f": {status.message}" if status.level != DiagnosticStatus.OK else ""
        if node == "pose6d_node":
            lacks = [
                name
                for name, part in (
                    ("depth image", frame.depth),
                    ("camera information", frame.camera_info),
                )
                if part is None
            ]
            why = f": the bag has no {' and no '.join(lacks)} near its stamp" if lacks else why
        self.first_reason.setdefault(node, why)
        if self.unanswered[node] <= _TOLD_PROBLEMS:
            self._say(
                f"frame {self._frame_number}: {node} gave no result of {' and '.join(missing)}{why}"
            )

    def _waiting(self) -> dict[str, str]:
        """What each node that is neither ready nor gone still lacks."""
        self._check_processes()
        waiting = {}
        for node in [node for node in NODES if node not in self.gone]:
            status = self.diagnostics.get(node)
            state = "starting" if status is None else _value(status, "state")
            links = self._player.missing_links([stage for stage in STAGES if stage.node == node])
            if state == "unconfigured" and status.level == DiagnosticStatus.ERROR:
                self._lose(node, f"stays {status.message.splitlines()[0]}")  # its log has the rest
            elif state != "active":
                waiting[node] = f"is {state}"
            elif links:
                waiting[node] = f"is active, but {'; '.join(links)}"
        return waiting

    def _check_processes(self) -> None:
        for node, code in self._group.poll().items():
            if code is not None and node not in self.gone:
                self._lose(
                    node,
                    f"ended by signal {-code}" if code < 0 else f"ended with return code {code}",
                )

    def _lose(self, node: str, reason: str) -> None:
        self.gone[node] = reason
        when = (
            f"at frame {self._frame_number}"
            if self._frame_number is not None
            else "before the first frame"
        )
        self._say(
            f"{node} is gone {when}: {reason}. Its log: {self._group.log_path(node)}. The others"
            " go on."
        )

    def _losses(self) -> dict[tuple[str, str], int]:
        """Frames that each node says it gave no result for, as far as known, by node and counter."""
        known = {
            (node, counter): _value(self.diagnostics[node], counter)
            for node in self.diagnostics
            for counter in _LOSSES
        }
        return {
            (node, counter): int(known.get((node, counter)) or 0)
            for node in NODES
            for counter in _LOSSES
        }

    def _receive(self, message: DiagnosticArray) -> None:
        for status in message.status:
            node = status.name.partition(":")[0].strip("/")
            if node in NODES:
                self.diagnostics[node] = status


def _value(status: DiagnosticStatus, key: str) -> str:
    return next((pair.value for pair in status.values if pair.key == key), "")
