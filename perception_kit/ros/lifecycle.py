# SPDX-License-Identifier: Apache-2.0
"""Base class of the nodes: life cycle, parameters, frames in stamp order, diagnostics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from time import monotonic, monotonic_ns
from typing import Any, Generic

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from lifecycle_msgs.srv import ChangeState
from rcl_interfaces.msg import SetParametersResult
from rclpy.clock import Clock, ClockType
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter
from std_msgs.msg import Header

from perception_kit.camera_config import RELIABILITIES
from perception_kit.parameters import check_parameters, parameter
from perception_kit.ros.deadline import ResultDeadline
from perception_kit.ros.diagnostics import (
    ProblemLog,
    describe_error,
    describe_rejected,
    diagnostic_array,
)
from perception_kit.ros.heartbeat import publish_heartbeat
from perception_kit.ros.inputs import FrameInputs, Input, SynchronizedFrame
from perception_kit.ros.parameters import (
    Config,
    declare_parameters,
    updated_config,
    warn_of_unknown_parameters,
)
from perception_kit.ros.qos import result_qos
from perception_kit.ros.result_publishers import ResultPublishers
from perception_kit.ros.stamp_guard import StampGuard, Verdict
from perception_kit.ros.statistics import FrameStatistics
from perception_kit.ros.supervision import HEARTBEAT_S, status_name
from perception_kit.ros.sync import FrameJoiner

_RELIABLE_QUEUE_LENGTH = 10


@dataclass(frozen=True)
class NodeConfig:
    """Parameters that every node has."""

    autostart: bool = parameter(
        True, "configure and activate by itself after the start", fixed=True
    )
    input_reliability: str = parameter(
        "best_effort",
        "QoS of the inputs. best_effort: work on the newest message, drop older ones. "
        "reliable: work on every message in order, for a replay that waits for the results",
        choices=RELIABILITIES,
        fixed=True,
    )
    result_deadline: float = parameter(
        5.0,
        "frames that come without a result for so long are an error on /diagnostics, s",
        0.1,
        600.0,
    )

    def __post_init__(self) -> None:
        check_parameters(self)


class PerceptionNode(LifecycleNode, Generic[Config]):
    """Lifecycle node that receives frames in the executor and processes them in a worker thread.

    ``leader`` is the input whose stamps must grow; several in a row that go back, or far ahead,
    reset the node.
    ``self.config``, an instance of ``config_type``, is replaced as a whole when a parameter
    changes, so ``process`` reads it once a frame. An empty ``namespace`` is that which ROS gives.
    ``defaults`` are the node's own defaults for fields of NodeConfig.
    """

    def __init__(
        self,
        name: str,
        config_type: type[Config],
        leader: str,
        queue_length: int = 1,
        namespace: str = "",
        **defaults: Any,
    ) -> None:
        super().__init__(name, namespace=namespace)

        self.statistics = FrameStatistics()
        self.problems = ProblemLog(lambda message: self.get_logger().warning(message))
        self.results = ResultPublishers(self, self.statistics, self.problems)

        self.node_config = declare_parameters(self, NodeConfig, **defaults)
        self.config = declare_parameters(self, config_type)
        warn_of_unknown_parameters(self)
        self.add_on_set_parameters_callback(self._check_parameters)
        self.add_post_set_parameters_callback(self._apply_parameters)

        self._leader, self._queue_length = leader, queue_length
        self._inputs: FrameInputs | None = None
        self._last_stamp_ns: int | None = None
        self._stamps = self._new_stamp_guard()
        self._configure_error = ""
        self._results_due = ResultDeadline()
        self._survive_wrong_transitions()

        # A steady clock goes on while simulated time stands still.
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", result_qos())
        self.create_timer(HEARTBEAT_S, self._diagnose, clock=steady)
        self._start_timer = self.create_timer(0.0, self._start, clock=steady)

    def load(self) -> None:
        """Build the models and add the results that ``self.config`` asks for.

        An exception is logged and keeps the node unconfigured.
        """
        raise NotImplementedError

    def unload(self) -> None:
        """Release what ``load`` has built, which may be incomplete."""
        raise NotImplementedError

    def inputs(self) -> Sequence[Input]:
        """The topics to receive."""
        raise NotImplementedError

    def joiner(self) -> FrameJoiner | None:
        """How messages of several inputs make one frame; None where each message is one."""
        return None

    def process(self, frame: SynchronizedFrame) -> None:
        """Compute and publish the results of one frame, in the worker thread.

        An exception is logged and costs this frame only.
        """
        raise NotImplementedError

    def reset(self) -> None:
        """Forget earlier frames, because the node was deactivated or time has jumped back."""

    def report_rejected(self, what: str, rejected: Sequence[tuple[int, str]]) -> None:
        """Count and report (index, reason) of elements of a message that cannot be used."""
        if rejected:
            self.statistics.count(f"{what}s_rejected", len(rejected))
            text = f"{what}s not used: {describe_rejected(what, rejected)}"
            self.problems.report(f"{what}s", text)

    def overdue(self) -> list[str]:
        """What has not come within ``result_deadline``, in words."""
        waiting_s = self._results_due.waiting_s()
        if waiting_s < self.node_config.result_deadline:
            return []
        return [f"no result for {waiting_s:.0f} s although frames come"]

    def diagnostic_values(self) -> dict[str, str]:
        """Values of this node for the diagnostics; ``device`` also becomes the hardware id."""
        return {}

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load the models; FAILURE, which leaves the node unconfigured, where that fails."""
        try:
            self.load()
        except Exception as error:  # of a file, a device or a parameter: the node must live on
            self._configure_error = describe_error(error)
            self.get_logger().error(f"stays unconfigured: {self._configure_error}")
            self._release()
            return TransitionCallbackReturn.FAILURE
        self._configure_error = ""
        return super().on_configure(state)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Enable the results, then start receiving.

        FAILURE, which leaves the node inactive, where that fails.
        """
        result = super().on_activate(state)

        reliability, queue_length = self.node_config.input_reliability, self._queue_length
        if reliability == "reliable":
            queue_length = max(queue_length, _RELIABLE_QUEUE_LENGTH)
        try:
            self._inputs = FrameInputs(
                self,
                inputs=self.inputs(),
                process=self._process,
                submitted=self._results_due.expect,
                statistics=self.statistics,
                problems=self.problems,
                joiner=self.joiner(),
                reliability=reliability,
                queue_length=queue_length,
            )
        except Exception as error:  # rclpy would drop it silently
            self.get_logger().error(f"stays inactive: {describe_error(error)}")
            super().on_deactivate(state)
            return TransitionCallbackReturn.FAILURE

        self.get_logger().info(f"active, listening to {', '.join(self._inputs.topics)}")
        return result

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Finish the frame in progress and stop receiving."""
        self._stop()
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Release the models."""
        self._release()
        return super().on_cleanup(state)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop receiving and release the models, in any state."""
        self._stop()
        self._release()
        return super().on_shutdown(state)

    def destroy_node(self) -> None:
        """Finish the frame in progress, then close everything.

        A thread that is still inside PyTorch would abort the process at its end.
        """
        self._stop()
        self.unload()
        super().destroy_node()

    def _survive_wrong_transitions(self) -> None:
        """Answer a request for a transition that the current state does not have.

        rclpy raises out of ``spin`` there, which would end the node.
        """
        change_state = self._service_change_state.callback

        def guarded(
            request: ChangeState.Request, response: ChangeState.Response
        ) -> ChangeState.Response:
            try:
                return change_state(request, response)
            except rclpy_implementation.RCLError as error:
                self.get_logger().error(
                    f"transition {request.transition.label or request.transition.id} refused in"
                    f" state '{self.state}': {error}"
                )
                response.success = False
                return response

        self._service_change_state.callback = guarded

    def _start(self) -> None:
        self._start_timer.cancel()
        if not self.node_config.autostart:
            return
        if self.trigger_configure() == TransitionCallbackReturn.SUCCESS:
            self.trigger_activate()

    def _stop(self) -> None:
        if self._inputs is not None:
            self._inputs.close()
            self.statistics.count("dropped", self._inputs.dropped)
            self._inputs = None
            self._results_due.met()
            self._forget()

    def _release(self) -> None:
        self.results.clear()
        self.unload()

    def _forget(self) -> None:
        self._last_stamp_ns = None
        self._stamps = self._new_stamp_guard()
        self.reset()

    def _new_stamp_guard(self) -> StampGuard:
        is_live = self.node_config.input_reliability == "best_effort"
        return StampGuard(self._leader, is_live)

    def _process(self, frame: SynchronizedFrame) -> None:
        leads = self._leader in frame.messages
        try:
            if leads and not self._advance(frame.stamp_ns):
                return
            self.process(frame)
        except Exception as error:  # one bad frame must not end the node
            self.statistics.count("failed")
            message = f"the frame at {frame.stamp_ns * 1e-9:.3f} s failed: {describe_error(error)}"
            self.problems.report(f"frame {type(error).__name__}", message)
            return

        if leads:
            self._results_due.met()
            self.statistics.count("processed")
            self.statistics.latency("receive_to_done", monotonic() - frame.received_s)

    def _advance(self, stamp_ns: int) -> bool:
        """Keep stamps growing; returns False for a frame to drop."""
        clock_ns = self.get_clock().now().nanoseconds
        judgement = self._stamps.judge(stamp_ns, monotonic_ns(), clock_ns)
        if judgement.reason:
            self.problems.report("stamp", judgement.reason)

        if judgement.verdict is Verdict.DROP:
            self._results_due.met()  # there will be none of this frame
            self.statistics.count("dropped")
            return False
        if judgement.verdict is Verdict.RESET:
            self.reset()
        self._last_stamp_ns = stamp_ns
        return True

    def _check_parameters(self, parameters: list[Parameter]) -> SetParametersResult:
        try:
            for config in (self.config, self.node_config):
                updated_config(config, parameters, configured=self.state != "unconfigured")
        except ValueError as error:
            return SetParametersResult(successful=False, reason=str(error))
        return SetParametersResult(successful=True)

    def _apply_parameters(self, parameters: list[Parameter]) -> None:
        self.node_config = updated_config(self.node_config, parameters, configured=False)
        self.config = updated_config(self.config, parameters, configured=False)

    @property
    def _lacks_frames(self) -> bool:
        """Whether no frame has come for ``result_deadline``; the watchdog says why."""
        return self._inputs is not None and (
            self._inputs.quiet_s >= self.node_config.result_deadline
        )

    @property
    def state(self) -> str:
        """State of the life cycle."""
        return self._state_machine.current_state[1]

    def _diagnose(self) -> None:
        """Run the watchdog and publish one status on ``/diagnostics``."""
        if self._inputs is not None:
            self._inputs.check()

        # Level and message: what is overdue first, then why
        problems, overdue = self.problems.current(), self.overdue()
        level, message = DiagnosticStatus.OK, self.state
        if self._configure_error:
            level, message = DiagnosticStatus.ERROR, f"{self.state}: {self._configure_error}"
        elif overdue or self._lacks_frames:
            level, message = DiagnosticStatus.ERROR, "; ".join([*overdue, *problems])
        elif problems:
            level, message = DiagnosticStatus.WARN, "; ".join(problems)

        # Values, with the drops of the inputs that are open now
        values = {"state": self.state} | self.diagnostic_values() | self.statistics.values()
        values |= self.results.values()
        if self._inputs is not None:
            dropped = int(values.get("frames_dropped", 0)) + self._inputs.dropped
            values["frames_dropped"] = str(dropped)

        header = Header(stamp=self.get_clock().now().to_msg())
        full_name = self.get_fully_qualified_name()
        device = values.get("device", "")
        array = diagnostic_array(header, status_name(full_name), device, level, message, values)
        if self._inputs is not None:
            array.status = [*array.status, *self._inputs.statuses(full_name)]
        publish_heartbeat(self, self._diagnostics, array)
