# SPDX-License-Identifier: Apache-2.0
"""Watches the nodes of a replay, which may end or stop responding at any time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection
from time import monotonic

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus

from perception_kit.bags.camera_frames import CameraFrame
from perception_kit.evaluation.results import NODES, STAGES, Stage
from perception_kit.replay.player import Player, Responses
from perception_kit.ros.node_processes import LINKS, NodeGroup
from perception_kit.ros.supervision import status_name

# Loading the models takes seconds; a busy machine needs longer.
START_LIMIT_S = 300.0

# The nodes publish their diagnostics every second.
_DIAGNOSTICS_LIMIT_S = 5.0
_POLL_S = 0.2
_REPORT_EVERY_S = 15.0

# Frames in a row without a response after which a node counts as gone.
_TIMEOUTS_TO_BE_GONE = 2

# Frames without a response that are logged for each node; all are counted.
_LOGGED_FRAMES = 3

# Counters in a node's diagnostics, and the stages without a result for a frame counted there.
_LOSSES = {
    "frames_failed": ("segmentation", "pose", "tracking", "actions"),
    "frames_without_poses": ("pose",),
}


class NodeWatch:
    """Follows the processes of ``group`` and the diagnostics of their nodes.

    ``log`` reports when a node is gone. ``gone`` maps a node's name to the reason.
    ``missing_responses`` counts the frames that a running node gave no result for, and
    ``first_reason`` says why it gave none for the first of them, as far as known. ``diagnostics``
    holds each node's newest status.
    """

    def __init__(self, group: NodeGroup, player: Player, log: Callable[[str], None]) -> None:
        self.gone: dict[str, str] = {}
        self.missing_responses: Counter[str] = Counter()
        self.first_reason: dict[str, str] = {}
        self.diagnostics: dict[str, DiagnosticStatus] = {}
        self._group, self._player, self._log = group, player, log
        self._frame_number: int | None = None
        self._timeouts: Counter[str] = Counter()
        self._losses_before: dict[tuple[str, str], int] = {}
        player.client.subscribe(
            "diagnostic_msgs/msg/DiagnosticArray", "/diagnostics", self._receive
        )

    def wait_until_active(self) -> None:
        """Return when every node is active and connected, or gone.

        A node is gone if it ended, refused its configuration or is not active after 5 minutes.
        """
        start_s = reported_s = monotonic()
        while waiting := self._waiting():
            self._player.spin_once(_POLL_S)

            waited_s = monotonic() - start_s
            if waited_s > START_LIMIT_S:
                for node, reason in waiting.items():
                    self._mark_gone(
                        node,
                        f"not ready {START_LIMIT_S:.0f} s after its start ({reason}); where the"
                        " machine is busy with other work, replay again later",
                    )
            elif monotonic() - reported_s > _REPORT_EVERY_S:
                reported_s = monotonic()
                states = "; ".join(f"{node} {reason}" for node, reason in waiting.items())
                self._log(f"waiting for {waited_s:.0f} s (at most {START_LIMIT_S:.0f} s): {states}")

    def available(self) -> list[Stage]:
        """Stages whose nodes are all there."""
        self._check_processes()
        return [stage for stage in STAGES if not any(node in self.gone for node in stage.needs)]

    def start_frame(self, number: int) -> None:
        """The bag's frame ``number`` (from 0) is going to be published."""
        self._frame_number = number
        self._losses_before = self._losses()

    def awaited(self, frame: CameraFrame) -> list[Stage]:
        """Stages whose results of ``frame`` may still arrive.

        Their inputs are there, and no node has reported that it lost the frame.
        """
        stages = self.available()
        if frame.depth is None or frame.camera_info is None:
            stages = [stage for stage in stages if "pose6d_node" not in stage.needs]

        increased = [
            key for key, count in self._losses().items() if count > self._losses_before[key]
        ]
        return [
            stage
            for stage in stages
            if not any(
                node in stage.needs and stage.name in _LOSSES[counter]
                for node, counter in increased
            )
        ]

    def end_frame(
        self, frame: CameraFrame, responses: Responses, awaited: Collection[Stage]
    ) -> None:
        """Count the nodes that gave no result.

        ``awaited`` are the stages that were waited for until the end. A node that does not respond
        to two frames in a row, and reports no reason, is gone from now on.
        """
        timed_out = {stage.node for stage in awaited if stage.name not in responses.data}
        for node in NODES:
            # Without detections the tracker had no input.
            if node == "tracker_node" and "segmentation" not in responses.data:
                continue

            missing = [
                stage.name
                for stage in self.available()
                if stage.node == node and stage.name not in responses.data
            ]
            if missing:
                self._count_missing(node, missing, frame)

            self._timeouts[node] = self._timeouts[node] + 1 if missing and node in timed_out else 0
            if self._timeouts[node] == _TIMEOUTS_TO_BE_GONE:
                self._mark_gone(
                    node,
                    f"gave no result for {_TIMEOUTS_TO_BE_GONE} frames in a row,"
                    " although its process is running",
                )

    def wait_for_diagnostics(self) -> None:
        """Return when each running node has published new diagnostics, or after 5 seconds."""
        self.diagnostics.clear()
        end_s = monotonic() + _DIAGNOSTICS_LIMIT_S
        while monotonic() < end_s and {*NODES} - {*self.gone} - {*self.diagnostics}:
            self._player.spin_once(_POLL_S)

    def dropped(self) -> dict[str, dict[str, int]]:
        """Frames that each node reports as lost, by counter.

        It dropped them because it was busy or an input was missing, or they were lost on the way.
        """
        counters = ("frames_dropped", "frames_lost_in_transport")
        return {
            node: {name: int(values.get(name, 0)) for name in counters}
            for node, values in self.reported_values().items()
        }

    def reported_values(self) -> dict[str, dict[str, str]]:
        """The newest values of each node's diagnostics.

        They are rates, latencies as measured by the node, counters, device and models.
        """
        return {
            node: {pair.key: pair.value for pair in status.values}
            for node, status in sorted(self.diagnostics.items())
        }

    def _count_missing(self, node: str, missing: list[str], frame: CameraFrame) -> None:
        """Count a frame without a response, with the reason where it is known."""
        self.missing_responses[node] += 1
        status = self.diagnostics[node]
        reason = f": {status.message}" if status.level != DiagnosticStatus.OK else ""
        if node == "pose6d_node":
            inputs = {"depth image": frame.depth, "camera information": frame.camera_info}
            absent = [name for name, message in inputs.items() if message is None]
            if faults := [text for name, text in frame.faults.items() if name in absent]:
                reason = f": {'; '.join(faults)}"
            elif absent:
                reason = f": the bag has no {' and no '.join(absent)} near its stamp"

        self.first_reason.setdefault(node, reason)
        if self.missing_responses[node] <= _LOGGED_FRAMES:
            stages = " and ".join(missing)
            self._log(f"frame {self._frame_number}: {node} gave no result of {stages}{reason}")

    def _waiting(self) -> dict[str, str]:
        """The state of each node that is neither ready nor gone."""
        self._check_processes()
        waiting = {}
        for node in [node for node in NODES if node not in self.gone]:
            status = self.diagnostics.get(node)
            if status is None:
                waiting[node] = "is starting"
                continue

            state = _value(status, "state")
            stages = [stage for stage in STAGES if stage.node == node]
            links = self._player.missing_links(stages) + self._unmatched(stages, status)
            if state == "unconfigured" and status.level == DiagnosticStatus.ERROR:
                # The first line is enough: the node's log has all of them.
                self._mark_gone(node, f"stays {status.message.splitlines()[0]}")
            elif state != "active":
                waiting[node] = f"is {state}"
            elif links:
                waiting[node] = f"is active, but {'; '.join(links)}"
        return waiting

    def _unmatched(self, stages: Collection[Stage], status: DiagnosticStatus) -> list[str]:
        """Results whose publisher has not found all of its subscribers yet, in words.

        They would miss what is published first. The player may not know all of them yet, but
        itself and the tracker, which always takes what pose6d_node publishes.
        """
        tracked = {f"/{topic}" for topic in LINKS["tracker_node"].values()}
        if "tracker_node" in self.gone:
            tracked = set()
        unmatched = []
        for stage in stages:
            name = stage.topic.rpartition("/")[2]
            found = int(_value(status, f"subscribers/{name}") or 0)
            certain = 1 + (stage.topic in tracked)
            if found < max(certain, self._player.client.count_subscribers(stage.topic)):
                unmatched.append(f"not all subscribers of {stage.topic} are found")
        return unmatched

    def _check_processes(self) -> None:
        for node, code in self._group.poll().items():
            if code is not None and node not in self.gone:
                ending = f"by signal {-code}" if code < 0 else f"with return code {code}"
                self._mark_gone(node, f"ended {ending}")

    def _mark_gone(self, node: str, reason: str) -> None:
        self.gone[node] = reason
        when = "before the first frame"
        if self._frame_number is not None:
            when = f"at frame {self._frame_number}"
        self._log(
            f"{node} is gone {when}: {reason}."
            f" Its log: {self._group.log_path(node)}. The others go on."
        )

    def _losses(self) -> dict[tuple[str, str], int]:
        """Frames that each node reports to have given no result for, by node and counter."""
        losses = {}
        for node in NODES:
            status = self.diagnostics.get(node)
            for counter in _LOSSES:
                value = _value(status, counter) if status is not None else ""
                losses[node, counter] = int(value or 0)
        return losses

    def _receive(self, message: DiagnosticArray) -> None:
        for status in message.status:
            node = status.name.partition(":")[0].strip("/")
            if node in NODES and status.name == status_name(f"/{node}"):
                self.diagnostics[node] = status


def _value(status: DiagnosticStatus, key: str) -> str:
    """Value of a key; empty where the status lacks it."""
    return next((pair.value for pair in status.values if pair.key == key), "")
