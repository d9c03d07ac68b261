# SPDX-License-Identifier: Apache-2.0
"""ROS 2 node: results of the other nodes in, a memory that answers questions out."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Any

import numpy as np
from assistant_perception.msg import (
    ActionArray,
    InstanceDetectionArray,
    ObjectPoseArray,
    TrackArray,
)
from assistant_perception.msg import Moment as MomentMessage
from assistant_perception.srv import Find, Forget
from rclpy.clock import Clock, ClockType
from rclpy.service import Service
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from perception_kit.resources import resolve_path
from perception_kit.ros.camera_motion import CameraMotion
from perception_kit.ros.diagnostics import describe_error
from perception_kit.ros.from_messages import (
    actions_from_message,
    detections_from_message,
    poses_from_message,
    tracks_from_message,
)
from perception_kit.ros.image import ImageError, color_image
from perception_kit.ros.inputs import Input, SynchronizedFrame
from perception_kit.ros.lifecycle import PerceptionNode
from perception_kit.ros.run_node import run_node
from perception_kit.ros.to_messages import ns_to_stamp
from perception_kit.stamps import stamp_to_ns
from perception_kit.types import FrameResults
from video_search.config import SearchNodeConfig
from video_search.library import Library
from video_search.memory import Memory
from video_search.query import Moment, Query
from video_search.result_join import ResultJoin
from video_search.results import sightings_of
from video_search.sightings import Sighting

# Images and the results of all nodes share the queue, and are only kept there.
_QUEUE_LENGTH = 30
# Images that wait for their results, which come up to a second later.
_KEPT_IMAGES = 32
_WORK_PERIOD_S = 0.5
# Without any result for longer, those that wait for others go on alone.
_SILENCE_S = 1.0
_DEFAULT_LIMIT = 10

_READERS: dict[str, Callable[[Any], Any]] = {
    "instances": detections_from_message,
    "poses": lambda message: poses_from_message(message, damaged_as_nan=True),
    "tracks": tracks_from_message,
    "actions": actions_from_message,
}
_FIELDS = {"detections": "instances"}
_RESULTS = ("detections", "poses", "tracks", "actions")


class SearchNode(PerceptionNode[SearchNodeConfig]):
    """Remembers what the other nodes see, and answers ``~/find`` and ``~/forget``.

    Colors and thumbnails need the image of a result; both are left out where it does not come.
    """

    def __init__(self) -> None:
        super().__init__(
            "video_search_node",
            SearchNodeConfig,
            leader="detections",
            queue_length=_QUEUE_LENGTH,
        )
        self._memory: Memory | None = None
        self._memory_services: list[Service] = []
        self._join = ResultJoin(_RESULTS)
        self._joining = threading.Lock()
        self._last_result_s = monotonic()
        self._images: dict[int, Image] = {}
        self._camera_motion = CameraMotion(self, "fixed_frame", lost="no positions in the memory")
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(_WORK_PERIOD_S, self._work, clock=steady)

    def load(self) -> None:
        """Open the library. Raises LibraryError for a folder that is none."""
        if self.config.fixed_frame:
            self._camera_motion.check()
        library = Library.create(resolve_path(self.config.library))
        self._memory = Memory(library, self.get_fully_qualified_name(), self.config)
        self._memory_services = [
            self.create_service(Find, "~/find", self._find),
            self.create_service(Forget, "~/forget", self._forget_tags),
        ]

    def unload(self) -> None:
        """Write what is not written yet, and close the library."""
        for service in self._memory_services:
            self.destroy_service(service)
        self._memory_services = []
        if self._memory is not None:
            self._end_session()
        self._memory = None

    def inputs(self) -> Sequence[Input]:
        """Detections make the frames; what else is there is used."""
        return [
            Input("detections", InstanceDetectionArray, "detections"),
            Input("poses", ObjectPoseArray, "poses", required=False),
            Input("tracks", TrackArray, "tracks", required=False),
            Input("actions", ActionArray, "actions", required=False),
            Input("color", Image, "color/image_raw", False, self.config.image_transport),
        ]

    def process(self, frame: SynchronizedFrame) -> None:
        """Keep an image, or remember the results that are complete now."""
        ((name, message),) = frame.messages.items()
        if name == "color":
            self._images[frame.stamp_ns] = message
            while len(self._images) > _KEPT_IMAGES:
                del self._images[next(iter(self._images))]
            return
        with self._joining:
            self._last_result_s = monotonic()
            for stamp_ns, messages in self._join.add(name, frame.stamp_ns, message):
                self._remember(stamp_ns, messages)

    @property
    def _loaded_memory(self) -> Memory:
        """The memory; messages and requests only come while there is one."""
        assert self._memory is not None
        return self._memory

    def _remember(self, stamp_ns: int, messages: dict[str, Any]) -> None:
        """Remember the results for one image."""
        header = next(iter(messages.values())).header
        fields = {_FIELDS.get(name, name): message for name, message in messages.items()}
        results = FrameResults(
            **{name: _READERS[name](message) for name, message in fields.items()}
        )
        rgb = self._image(stamp_ns)
        sightings = sightings_of(results, header.frame_id, "", rgb)
        if self.config.fixed_frame:
            sightings = self._in_fixed_frame(sightings, header)

        memory = self._loaded_memory
        memory.config = self.config
        with self.statistics.stage("memory"):
            memory.see(stamp_ns, sightings, rgb)

    def _image(self, stamp_ns: int) -> np.ndarray | None:
        """The image of a stamp; None where it did not come, or cannot be read."""
        message = self._images.pop(stamp_ns, None)
        if message is None:
            self.statistics.count("without_image")
            return None
        try:
            return color_image(message, self.config.color_encoding)
        except ImageError as error:
            self.problems.report("color", f"no colors and thumbnails: {error}")
            return None

    def _in_fixed_frame(self, sightings: list[Sighting], header: Header) -> list[Sighting]:
        """Positions in ``fixed_frame``; those of the camera where TF does not know it."""
        camera = self._camera_motion.camera_in(self.config.fixed_frame, header)
        if camera is None:
            return sightings
        return [sighting.moved(camera, self.config.fixed_frame) for sighting in sightings]

    def _work(self) -> None:
        """Do what is due also while nothing comes."""
        if self._memory is None or not self._joining.acquire(blocking=False):
            return  # a frame is being worked on
        try:
            if monotonic() - self._last_result_s > _SILENCE_S:
                self._remember_rest()
            self._memory.work()
        except (ValueError, OSError) as error:
            self.problems.report("library", describe_error(error))
        finally:
            self._joining.release()

    def _remember_rest(self) -> None:
        """Remember what waits for results that will not come."""
        for stamp_ns, messages in self._join.rest():
            self._remember(stamp_ns, messages)

    def _find(self, request: Find.Request, response: Find.Response) -> Find.Response:
        """Answer a question, or say why not."""
        since_ns = stamp_to_ns(request.since)
        try:
            query = Query(
                text=request.query, since_ns=since_ns or None, limit=request.limit or _DEFAULT_LIMIT
            )
            result = self._loaded_memory.find(query)
        except (ValueError, OSError) as error:
            response.success, response.message = False, str(error)
            return response
        response.success, response.message = True, "; ".join(result.remarks)
        response.moments = [moment_to_message(moment) for moment in result]
        return response

    def _forget_tags(self, request: Forget.Request, response: Forget.Response) -> Forget.Response:
        """Delete from the library, or say why not."""
        try:
            with self._joining:  # what still waits is forgotten, too
                self._remember_rest()
                response.count = self._loaded_memory.forget(
                    source=request.source or None,
                    track_id=None if request.track_id < 0 else request.track_id,
                    since_ns=stamp_to_ns(request.since) or None,
                    until_ns=stamp_to_ns(request.until) or None,
                )
        except (ValueError, OSError) as error:
            response.success, response.message = False, str(error)
            return response
        response.success = True
        return response

    def reset(self) -> None:
        """End the session: what comes next may be of another time, with other tracks."""
        with self._joining:
            if self._memory is not None:
                self._end_session()
            self._join.reset()
            self._images.clear()

    def _end_session(self) -> None:
        """Write all that has come."""
        try:
            self._remember_rest()
            self._loaded_memory.end_session()
        except (ValueError, OSError) as error:
            self.problems.report("library", f"not all was written: {describe_error(error)}")

    def diagnostic_values(self) -> dict[str, str]:
        """Where the memory is, what it stores and how large it is, and what was left out.

        ``results_late`` came after newer ones and are not in it; ``tags_lost`` could not be written
        while the disk was full.
        """
        memory = self._memory
        return {
            "library": self.config.library,
            "stores": self.config.store,
            "size_mb": "" if memory is None else f"{memory.size() / 1e6:.1f}",
            "results_late": str(self._join.late),
            "tags_lost": "0" if memory is None else str(memory.lost),
        }


def moment_to_message(moment: Moment) -> MomentMessage:
    """The message of a moment: its place is that of the first tag."""
    tag = moment.tags[0]
    message = MomentMessage(
        header=Header(stamp=ns_to_stamp(moment.best_ns), frame_id=tag.frame_id),
        start=ns_to_stamp(moment.start_ns),
        end=ns_to_stamp(moment.end_ns),
        kind=tag.kind,
        label=tag.label,
        text=tag.text,
        score=moment.score,
        reasons=list(moment.reasons),
        track_id=tag.track_id,
        box=np.full(4, np.nan, np.float32) if tag.box is None else tag.box,
        source=moment.source.id,
        uri=moment.source.uri,
        thumbnail=moment.thumbnail,
    )
    if tag.position is not None:
        message.has_position = True
        message.position.x, message.position.y, message.position.z = map(float, tag.position)
    return message


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the node and return the exit code of its process."""
    return run_node(SearchNode, arguments)


if __name__ == "__main__":
    sys.exit(main())
