# SPDX-License-Identifier: Apache-2.0
"""ROS 2 node: the tracks of several cameras in, one identity for what several see out."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from time import monotonic_ns
from typing import Any

import numpy as np
from assistant_perception.msg import FusedTrackArray
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rcl_interfaces.msg import ParameterDescriptor, SetParametersResult
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.parameter import Parameter
from std_msgs.msg import Header

from perception_kit.camera_config import (
    CameraConfig,
    depth_scale_parameter,
    image_transport_parameter,
    intrinsics_parameter,
)
from perception_kit.fusion.camera_checks import ClockCheck, JumpCheck
from perception_kit.fusion.config import FusionConfig
from perception_kit.fusion.track_fusion import TrackFusion
from perception_kit.parameters import parameter
from perception_kit.ros.camera_motion import CameraMotion
from perception_kit.ros.diagnostics import ProblemLog, describe_error, diagnostic_array
from perception_kit.ros.fusion_inputs import CameraInput, TrackFrame
from perception_kit.ros.heartbeat import publish_heartbeat
from perception_kit.ros.parameters import (
    declare_parameters,
    updated_config,
    warn_of_unknown_parameters,
)
from perception_kit.ros.qos import result_qos
from perception_kit.ros.run_node import run_node
from perception_kit.ros.supervision import HEARTBEAT_S, status_name
from perception_kit.ros.to_messages import fused_tracks_to_message

_RETRY_S = 0.02  # while TF is waited for
_SILENT_NS = 2_000_000_000
# Stamps of one camera that go back by more are another run, as of a bag that loops.
_RESTART_NS = 1_000_000_000
_NO_OVERLAP_NS = 30_000_000_000


@dataclass(frozen=True)
class FusionNodeConfig(FusionConfig):
    """Parameters of the fusion and of the node."""

    fixed_frame: str = parameter(
        "odom",
        "TF frame in which the positions of all cameras are compared: one that stands still, such"
        " as odom or map; base_link where the robot does",
        fixed=True,
    )
    tf_wait: float = parameter(
        0.2, "tracks wait for TF of their stamp for so long; then their camera is alone, s", 0.0, 5
    )
    depth_scale: float = depth_scale_parameter()
    intrinsics: str = intrinsics_parameter()
    image_transport: str = image_transport_parameter()

    @property
    def camera(self) -> CameraConfig:
        """How the messages of the cameras are read."""
        return CameraConfig(depth_scale=self.depth_scale, intrinsics=self.intrinsics)


class FusionNode(Node):
    """Publishes ``~/tracks`` after each frame of each of the parameter ``cameras``.

    These are namespaces, in each of which the nodes of one camera run. A camera whose place or
    clock cannot be trusted goes on alone: its tracks keep identities of their own.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__("fusion_node", **options)
        description = ParameterDescriptor(
            description="namespaces of the cameras, below that of this node", read_only=True
        )
        self.cameras = list(self.declare_parameter("cameras", [""], description).value or [])
        if len(set(self.cameras)) < 2 or "" in self.cameras:
            raise ValueError(f"'cameras' is {self.cameras}, expected two names or more")
        self.config = declare_parameters(self, FusionNodeConfig)
        warn_of_unknown_parameters(self)
        self.add_on_set_parameters_callback(self._check_parameters)
        self.add_post_set_parameters_callback(self._apply_parameters)

        # A steady clock goes on while simulated time stands still.
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.problems = ProblemLog(lambda text: self.get_logger().warning(text))
        self._motion = CameraMotion(self, "fixed_frame", lost="no fusion")
        try:
            self._motion.check()
        except RuntimeError as error:
            raise ValueError(str(error)) from error  # the process ends with it
        self._fusion = TrackFusion(self.config)
        self._clocks, self._jumps = ClockCheck(self.cameras), JumpCheck()
        self._waiting: list[TrackFrame] = []
        self._newest_ns: dict[str, int] = {}
        self._alone: dict[str, str] = {}
        self._shared_ns = monotonic_ns()

        self._tracks = self.create_publisher(FusedTrackArray, "~/tracks", result_qos())
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", result_qos())
        self.inputs = {
            camera: CameraInput(
                self, camera, self.config.image_transport, self.problems, self._receive
            )
            for camera in self.cameras
        }
        self.create_timer(_RETRY_S, self._work, clock=steady)
        self.create_timer(HEARTBEAT_S, self._diagnose, clock=steady)

    def _check_parameters(self, parameters: list[Parameter]) -> SetParametersResult:
        try:
            updated_config(self.config, parameters, configured=True)
        except ValueError as error:
            return SetParametersResult(successful=False, reason=str(error))
        return SetParametersResult(successful=True)

    def _apply_parameters(self, parameters: list[Parameter]) -> None:
        self.config = updated_config(self.config, parameters, configured=True)
        self._fusion.configure(self.config)

    def _receive(self, frame: TrackFrame) -> None:
        """Queue a frame in the order of arrival; its TF may still come."""
        newest_ns = self._newest_ns.get(frame.camera, frame.stamp_ns)
        if newest_ns - frame.stamp_ns > _RESTART_NS:
            back_s = (newest_ns - frame.stamp_ns) * 1e-9
            text = f"the stamps of '{frame.camera}' went back by {back_s:.1f} s: all starts over"
            self.problems.report("stamps", text)
            self._reset()
        elif frame.stamp_ns < newest_ns:
            return  # overtaken on its way
        self._newest_ns[frame.camera] = frame.stamp_ns
        self._waiting.append(frame)
        self._work()

    def _reset(self) -> None:
        self._fusion.reset()
        self._clocks, self._jumps = ClockCheck(self.cameras), JumpCheck()
        self._waiting.clear()
        self._newest_ns.clear()

    def _work(self) -> None:
        """Fuse the frames whose TF is there, or does not come; later ones of a camera wait, too."""
        late_ns = monotonic_ns() - round(self.config.tf_wait * 1e9)
        held: set[str] = set()
        for frame in list(self._waiting):
            if frame.camera in held:
                continue
            pose, reason = self._camera_pose(frame)
            if pose is None and frame.arrival_ns > late_ns:
                held.add(frame.camera)
                continue
            self._waiting.remove(frame)
            try:
                self._fuse(frame, pose, reason)
            except Exception as error:  # one bad frame must not end the node
                self.problems.report("frame", f"a frame is not fused: {describe_error(error)}")

    def _camera_pose(self, frame: TrackFrame) -> tuple[np.ndarray | None, str]:
        """(4, 4) camera to the common frame, or the reason why TF does not know it."""
        try:
            return self._motion.known_camera_in(self.config.fixed_frame, frame.message.header), ""
        except ValueError as error:
            return None, f"TF: {error}"

    def _fuse(self, frame: TrackFrame, pose: np.ndarray | None, reason: str) -> None:
        """Fuse one frame and publish the identities."""
        camera, stamp_ns = frame.camera, frame.stamp_ns
        clock = self._clocks.problem(camera, stamp_ns, frame.arrival_ns, self.config)
        jump = None if pose is None else self._jumps.problem(camera, stamp_ns, pose, self.config)
        # TF is of the robot's clock, and not known at the stamps of another one.
        reason = clock or reason or jump or ""
        if reason:
            self._alone[camera] = reason
            self.problems.report(f"alone {camera}", f"'{camera}' goes on alone: {reason}")
        else:
            self._alone.pop(camera, None)

        place = None if reason else pose
        tracks = self.inputs[camera].tracks(frame, self.config.camera, place)
        # By the clock of the others, who would else forget what they have just seen.
        fused = self._fusion.update(camera, stamp_ns - self._clocks.ahead_ns[camera], tracks)
        header = Header(stamp=frame.message.header.stamp, frame_id=self.config.fixed_frame)
        self._tracks.publish(fused_tracks_to_message(fused, header, camera, self._alone))
        if self._fusion.shared_by(self.cameras):
            self._shared_ns = monotonic_ns()

    def _diagnose(self) -> None:
        """Publish one status on ``/diagnostics``: who is alone, who is silent, what is shared."""
        now_ns, values = monotonic_ns(), {}
        for camera, source in self.inputs.items():
            values[camera] = self._alone.get(camera, "fused")
            if source.last_arrival_ns is None:
                values[camera] = f"nothing received on '{source.topic}'"
            elif now_ns - source.last_arrival_ns > _SILENT_NS:
                silent_s = (now_ns - source.last_arrival_ns) * 1e-9
                values[camera] = f"silent for {silent_s:.0f} s; the others go on"
        silent = [
            f"'{camera}': {text}"
            for camera, text in values.items()
            if text.startswith(("silent", "nothing received"))
        ]
        values["seen_by_two"] = str(self._fusion.shared_by(self.cameras))
        apart = ""
        if (apart_ns := now_ns - self._shared_ns) > _NO_OVERLAP_NS:
            values["seen_by_two"] = (
                f"nothing for {apart_ns * 1e-9:.0f} s: the views do not overlap, or TF between the"
                " cameras is wrong"
            )
            apart = f"; seen by two cameras: {values['seen_by_two']}"

        problems = [*silent, *self.problems.current()]
        level = DiagnosticStatus.WARN if problems else DiagnosticStatus.OK
        header = Header(stamp=self.get_clock().now().to_msg())
        name = status_name(self.get_fully_qualified_name())
        message = "; ".join(problems) or f"active{apart}"
        array = diagnostic_array(header, name, "cpu", level, message, values)
        publish_heartbeat(self, self._diagnostics, array)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the node; returns the exit code."""
    return run_node(FusionNode, arguments)


if __name__ == "__main__":
    sys.exit(main())
