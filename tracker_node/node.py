# SPDX-License-Identifier: Apache-2.0
"""ROS 2 node: detections and poses in, tracks out."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from time import monotonic

import numpy as np
from assistant_perception.msg import InstanceDetectionArray, ObjectPoseArray, TrackArray
from std_msgs.msg import Header
from visualization_msgs.msg import MarkerArray

from perception_kit.resources import resolve_path
from perception_kit.ros.camera_motion import CameraMotion
from perception_kit.ros.diagnostics import describe_rejected
from perception_kit.ros.from_messages import detections_from_message, poses_from_message
from perception_kit.ros.inputs import Input, SynchronizedFrame
from perception_kit.ros.kept_state import KeptState
from perception_kit.ros.lifecycle import PerceptionNode
from perception_kit.ros.markers import Trails, delete_all, track_markers
from perception_kit.ros.run_node import run_node
from perception_kit.ros.standard import tf_message_type, track_frames
from perception_kit.ros.to_messages import tracks_to_message
from perception_kit.types import PoseEstimate
from tracker_node.config import TrackerNodeConfig
from tracker_node.deep_sort import DeepSort
from tracker_node.symmetries import symmetries_of_model

# Both inputs share the queue, and detections are small: work on every one of them.
_QUEUE_LENGTH = 10
# What a node that is killed loses of its tracks at most.
_KEEP_PERIOD_S = 1.0


@dataclass(frozen=True)
class EarlyPoses:
    """Poses that came before the detections they belong to."""

    stamp_ns: int
    poses: list[PoseEstimate]


class TrackerNode(PerceptionNode[TrackerNodeConfig]):
    """Publishes ``~/tracks`` as soon as the detections of a frame are there.

    Poses of the frame are used if they are there too. Those that come later are used for the frame
    they belong to, and show in the tracks of the next one.

    ``~/markers`` are made only while somebody subscribes, TF frames with ``publish_tf``.
    """

    def __init__(self) -> None:
        super().__init__(
            "tracker_node",
            TrackerNodeConfig,
            leader="detections",
            queue_length=_QUEUE_LENGTH,
            input_reliability="reliable",
        )
        self._tracker = DeepSort(self.config)
        self._kept = KeptState("", "tracker", self.problems)
        self._kept_s = 0.0
        self._early: EarlyPoses | None = None
        self._trails = Trails()
        self._camera_motion = CameraMotion(self, "fixed_frame", lost="no 3D tracking")

    def load(self) -> None:
        """Start without tracks."""
        if self.config.fixed_frame:
            self._camera_motion.check()
        symmetries = {}
        if self.config.pose_model:
            symmetries = symmetries_of_model(resolve_path(self.config.pose_model))
        self._tracker = DeepSort(self.config, symmetries)
        self._kept = KeptState(self.config.state_file, "tracker", self.problems)
        self._kept.restore(self._tracker.restore)

        self.results.add(TrackArray, "tracks")
        self.results.add(MarkerArray, "markers")
        if self.config.publish_tf:
            self.results.add(tf_message_type(), "tf", "/tf")

    def unload(self) -> None:
        """Forget all tracks."""
        self._tracker.reset()

    def inputs(self) -> Sequence[Input]:
        """Detections make the frames; poses may be missing.

        Of messages that wait together the executor takes those of the first input first: poses of
        the last frame come before the detections of the next, also on a busy machine.
        """
        return [
            Input("poses", ObjectPoseArray, "poses", required=False),
            Input("detections", InstanceDetectionArray, "detections"),
        ]

    def process(self, frame: SynchronizedFrame) -> None:
        """Track the detections, or add poses to the frame they belong to."""
        if self.config != self._tracker.config and self._tracker.configure(self.config):
            self._clear_markers()
        if "detections" in frame.messages:
            self._track(frame)
        else:
            self._receive_poses(frame)

    def _receive_poses(self, frame: SynchronizedFrame) -> None:
        """Keep poses that come before their detections, or give them to the tracker."""
        message = frame.messages["poses"]
        # The tracker names a damaged pose and uses the others.
        poses = poses_from_message(message, damaged_as_nan=True)
        if self._last_stamp_ns is None or frame.stamp_ns > self._last_stamp_ns:
            self._early = EarlyPoses(frame.stamp_ns, poses)
        else:
            self._tracker.add_poses(frame.stamp_ns, poses, self._camera(message.header))

    def _camera(self, header: Header) -> np.ndarray | None:
        """Camera to ``fixed_frame``, None where it is not known or there is no such frame.

        Where it jumps there, it is not known.
        """
        if not self.config.fixed_frame:
            return None
        config = self.config
        return self._camera_motion.steady_camera_in(config.fixed_frame, header, config)

    def _track(self, frame: SynchronizedFrame) -> None:
        """Track the detections of a frame, and publish the tracks and what shows them."""
        message = frame.messages["detections"]
        instances = detections_from_message(message, with_masks=False)

        # Poses that came before their detections; older ones will not be needed any more.
        early: list[PoseEstimate] = []
        if self._early is not None and self._early.stamp_ns <= frame.stamp_ns:
            if self._early.stamp_ns == frame.stamp_ns:
                early = self._early.poses
            self._early = None
        poses = early if self.config.early_poses else []

        with self.statistics.stage("tracking"):
            camera = self._camera(message.header)
            tracks = self._tracker.update(instances, frame.stamp_ns, poses, camera)
        broken = [track.id for track in tracks if not track.is_finite]
        self.report_rejected("track", [(number, "it is not finite") for number in broken])
        tracks = [track for track in tracks if track.is_finite]

        self.results.publish("tracks", tracks_to_message(tracks, message.header))
        if self.config.publish_tf:
            frames = track_frames(tracks, message.header, self.config.tf_prefix)
            self.results.publish("tf", frames)
        if self.results.has_subscribers("markers"):
            markers = track_markers(tracks, message.header)
            markers.markers += self._trails.update(tracks, message.header)
            self.results.publish("markers", markers)

        self.report_rejected("detection", self._tracker.rejected)
        if early and not self.config.early_poses:
            self._tracker.add_poses(frame.stamp_ns, early, camera)

        if monotonic() - self._kept_s >= _KEEP_PERIOD_S:
            self._kept.keep(self._tracker.state())
            self._kept_s = monotonic()

    def reset(self) -> None:
        """Forget all tracks and remove what RViz still shows."""
        self._tracker.reset()
        self._camera_motion.reset()
        self._early = None
        self._clear_markers()

    def _clear_markers(self) -> None:
        """The ids of tracks start from 1 again: what RViz shows of the old ones must go."""
        self._trails.reset()
        self.results.publish("markers", delete_all(Header()))

    def diagnostic_values(self) -> dict[str, str]:
        """Which poses of the last array were of no use, and why."""
        rejected = describe_rejected("pose", self._tracker.rejected_poses)
        return {"device": "cpu", "poses_not_used": rejected}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the node and return the exit code of its process."""
    return run_node(TrackerNode, arguments)


if __name__ == "__main__":
    sys.exit(main())
