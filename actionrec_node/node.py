# SPDX-License-Identifier: Apache-2.0
"""ROS 2 node: color images and tracks of people in, what each of them does out."""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence
from time import monotonic
from typing import TYPE_CHECKING

from assistant_perception.msg import ActionArray, AlarmHealth, FallAlarmArray, TrackArray
from rclpy.clock import Clock, ClockType
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from actionrec_node.config import ActionConfig
from actionrec_node.recognition.alarm_health import AlarmFacts, alarm_health
from actionrec_node.recognition.track_join import JoinedImage, TrackJoin
from perception_kit.alarm_classes import alarm_warning
from perception_kit.resources import choose_device
from perception_kit.ros.deadline import ResultDeadline
from perception_kit.ros.diagnostics import describe_error
from perception_kit.ros.from_messages import Rejected, tracks_from_message
from perception_kit.ros.heartbeat import publish_heartbeat
from perception_kit.ros.image import color_image
from perception_kit.ros.inputs import Input, SynchronizedFrame
from perception_kit.ros.kept_state import KeptState
from perception_kit.ros.lifecycle import PerceptionNode
from perception_kit.ros.model_notes import log_model
from perception_kit.ros.qos import heartbeat_qos
from perception_kit.ros.run_node import run_in_namespaces
from perception_kit.ros.to_messages import actions_to_message, fall_alarms_to_message
from perception_kit.ros.worker import FrameWorker
from perception_kit.short_text import listed

if TYPE_CHECKING:
    from actionrec_node.recognition.clip_requests import ClipRequest, NewestClips
    from actionrec_node.recognition.recognizer import ActionRecognizer

# Images and tracks share the queue, and adding either to the clips takes no time.
_QUEUE_LENGTH = 10
# Timeout (s) after which images stop waiting for tracks, because the camera or the tracker has
# stopped. A replay sends the next image when all results of this one are in: there, a slow machine
# must not count as stopped.
_SILENCE_S = {"best_effort": 0.5, "reliable": 10.0}
_WATCH_PERIOD_S = 0.25
# ~/alarm_health comes twice as often as its deadline asks for.
_HEALTH_PERIOD_S, _HEALTH_DEADLINE_S = 0.5, 1.0
_NAMED_PEOPLE = 10


def listed_people(track_ids: Sequence[int]) -> str:
    """How many people, and who they are, for people to read."""
    if not track_ids:
        return "0"
    return f"{len(track_ids)} (tracks {listed(map(str, track_ids), _NAMED_PEOPLE, ', ')})"


class ActionrecNode(PerceptionNode[ActionConfig]):
    """Publishes ``~/actions`` for every received image, the newest actions of everybody.

    It is empty before the first full clip. ``~/fall_alarms`` has the alarms that are on. With
    best-effort input a second thread runs the network, always on everybody's newest
    clip; ``clips_skipped`` counts those it had no time for. With reliable input, the one of a
    replay, each image waits for its own prediction.

    ``~/alarm_health`` says twice a second, in every state, whether a fall would be noticed.
    """

    config: ActionConfig

    def __init__(self, namespace: str = "") -> None:
        super().__init__(
            "actionrec_node",
            ActionConfig,
            leader="color",
            queue_length=_QUEUE_LENGTH,
            namespace=namespace,
        )
        self._recognizer: ActionRecognizer | None = None
        self._waiting: NewestClips | None = None
        self._predictor: FrameWorker | None = None
        self._device = ""
        self._kept = KeptState("", "actions", self.problems)
        self._boxes_rejected = 0
        self._person_seen = False
        self._people_left_out = self._people_doubtful = listed_people([])
        self._falls = {"fall_alarms": "0", "fall_delay_s": ""}

        self._join = TrackJoin(self.config.person_class)
        self._joining = threading.Lock()
        self._last_message_s = monotonic()
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(_WATCH_PERIOD_S, self._end_silence, clock=steady)

        # Also while the node is inactive: silence must mean that it is gone.
        self._predictions_due = ResultDeadline()
        self._health = self.create_publisher(
            AlarmHealth, "~/alarm_health", heartbeat_qos(_HEALTH_DEADLINE_S)
        )
        self.create_timer(_HEALTH_PERIOD_S, self._publish_health, clock=steady)

    def load(self) -> None:
        """Load the model that the parameters name. Raises ValueError where there is none."""
        # They take long to import, PyTorch, where no graph is kept, seconds.
        from actionrec_node.recognition.clip_requests import NewestClips
        from actionrec_node.recognition.recognizer import ActionRecognizer

        config = self.config
        if not config.model:
            raise ValueError(
                "no model is set: set the parameter 'model' to a .safetensors file, for example "
                "package://assistant_perception/models/people/action_permissive.safetensors"
            )
        self._device = choose_device(config.device)
        self._recognizer = ActionRecognizer(
            config.model, self._device, config, config.runtime, config.threads
        )
        spec = self._recognizer.spec
        log_model(self.get_logger(), "model", config.model, spec.class_names)
        if warning := alarm_warning(spec.class_names, spec.alarms):
            self.get_logger().warning(warning)
        self._kept = KeptState(config.state_file, "actions", self.problems)
        self._kept.restore(self._recognizer.restore)
        self._boxes_rejected = 0
        self._person_seen = False
        self._join = TrackJoin(config.person_class, config.tracks_wait, config.tracks_max_age)

        if self.node_config.input_reliability == "best_effort":
            self._waiting = NewestClips()
            self._predictor = FrameWorker(self._predict_newest)
        self.results.add(ActionArray, "actions")
        self.results.add(FallAlarmArray, "fall_alarms")

    def unload(self) -> None:
        """Free the model."""
        if self._predictor is not None:
            self._predictor.stop()
            self._predictor = self._waiting = None
        self._recognizer = None

    def inputs(self) -> Sequence[Input]:
        """Color images; tracks may be missing."""
        transport = self.config.image_transport
        color = Input("color", Image, "color/image_raw", transport=transport)
        tracks = Input("tracks", TrackArray, "tracks", required=False)
        return [color, tracks] if self.config.per_person else [color]

    def process(self, frame: SynchronizedFrame) -> None:
        """Join image or tracks with what came before.

        Raises ImageError for an image that cannot be used.
        """
        with self._joining:
            self._last_message_s = monotonic()
            if "tracks" in frame.messages:
                rejected: Rejected = []
                tracks = tracks_from_message(frame.messages["tracks"], rejected)
                self.report_rejected("track", rejected)
                names = {track.class_name for track in tracks}
                self._person_seen |= self.config.person_class in names
                ready = self._join.add_tracks(frame.stamp_ns, tracks)
            else:
                color = frame.messages["color"]
                rgb = color_image(color, self.config.color_encoding)
                ready = self._join.add_image(frame.stamp_ns, (color.header, rgb))

            self._loaded_recognizer.configure(self.config)
            for image in ready:
                self._recognize(image)

    @property
    def _loaded_recognizer(self) -> ActionRecognizer:
        """The recognizer; messages are only processed while there is one."""
        assert self._recognizer is not None
        return self._recognizer

    def _end_silence(self) -> None:
        """Let waiting images go on when no message comes any more that could."""
        if not self._joining.acquire(blocking=False):  # a message is being worked on
            return
        try:
            silence_s = monotonic() - self._last_message_s
            if self._join.waiting and silence_s > _SILENCE_S[self.node_config.input_reliability]:
                for image in self._join.give_up():
                    self._recognize(image)
        finally:
            self._joining.release()

    def _recognize(self, image: JoinedImage) -> None:
        """Add an image to the clips, have those classified that are due, publish the actions."""
        recognizer = self._loaded_recognizer
        header, rgb = image.message
        if image.people is not None:
            self.statistics.event("joined")
        with self.statistics.stage("clip"):
            requests = recognizer.add(rgb, image.stamp_ns, image.people)
        self._boxes_rejected += len(recognizer.rejected)
        self._people_left_out = listed_people(recognizer.left_out)
        self._people_doubtful = listed_people(recognizer.doubtful)
        if recognizer.left_out:
            self.problems.report(
                "max_people",
                f"not classified, because max_people is {self.config.max_people}:"
                f" {self._people_left_out}",
            )

        if recognizer.is_empty:
            self.statistics.event("empty")
        if requests:
            self._predictions_due.expect()
        if requests and self._predictor is not None and self._waiting is not None:
            self._waiting.put(requests)
            self._predictor.submit(self._waiting)
        elif requests:
            self._predict(requests)

        actions = actions_to_message(recognizer.actions(), recognizer.class_names, header)
        self.results.publish("actions", actions)
        alarms = fall_alarms_to_message(recognizer.alarms(), header)
        self.results.publish("fall_alarms", alarms)

    def _predict_newest(self, waiting: NewestClips) -> None:
        """Classify what waits; nothing where the batch before took it along."""
        if requests := waiting.take():
            self._predict(requests)

    def _predict(self, requests: Sequence[ClipRequest]) -> None:
        """Classify clips and report the falls.

        What goes wrong is reported, too: it must not end the thread.
        """
        try:
            with self.statistics.stage("action"):
                alarms = self._loaded_recognizer.predict(requests)
        except Exception as error:
            self.statistics.count("failed")
            self.problems.report(
                f"clip {type(error).__name__}",
                f"a clip could not be classified: {describe_error(error)}",
            )
            return
        self._predictions_due.met()
        self.statistics.event("prediction")
        self._kept.keep(self._loaded_recognizer.state())

        for alarm in alarms:
            # By the camera's clock from the first sign to the alarm, by ours until now.
            delay_s = (alarm.raised_ns - alarm.first_sign_ns) * 1e-9
            now_s = self.get_clock().now().nanoseconds * 1e-9
            self.statistics.stamp_latency("fall_alarm", now_s - alarm.first_sign_ns * 1e-9)
            self._falls = {
                "fall_alarms": str(int(self._falls["fall_alarms"]) + 1),
                "fall_delay_s": f"{delay_s:.3f}",
            }

            who = "somebody" if alarm.track_id < 0 else f"person {alarm.track_id}"
            self.problems.report("fall", f"fall of {who}")

    def _publish_health(self) -> None:
        """Say whether the fall alarm works."""
        since, recognizer = self.statistics.seconds_since, self._recognizer
        facts = AlarmFacts(
            state=self.state,
            alarm_classes=recognizer.spec.alarms if recognizer is not None else (),
            image_age_s=since("input/color"),
            tracks_age_s=since("joined"),
            prediction_age_s=since("prediction"),
            empty_age_s=since("empty"),
            prediction_wait_s=self._predictions_due.waiting_s(),
            per_person=self.config.per_person,
            person_seen=self._person_seen,
            left_out=len(recognizer.left_out) if recognizer is not None else 0,
            problems=self.problems.current(),
        )
        state, reason = alarm_health(facts, self.config.alarm_deadline)
        image_age_s, prediction_age_s = facts.image_age_s, facts.prediction_age_s
        message = AlarmHealth(
            header=Header(stamp=self.get_clock().now().to_msg()),
            state=int(state),
            reason=reason,
            image_age=-1.0 if image_age_s is None else image_age_s,
            prediction_age=-1.0 if prediction_age_s is None else prediction_age_s,
        )
        publish_heartbeat(self, self._health, message)

    def overdue(self) -> list[str]:
        """What has not come in time, predictions included."""
        waiting_s = self._predictions_due.waiting_s()
        if waiting_s < self.node_config.result_deadline:
            return super().overdue()
        return [*super().overdue(), f"no prediction for {waiting_s:.0f} s: falls are not noticed"]

    def reset(self) -> None:
        """Start new clips."""
        self._predictions_due.met()
        with self._joining:
            if self._recognizer is not None:
                self._recognizer.reset()
            self._join.reset()

    def diagnostic_values(self) -> dict[str, str]:
        """Device, runtime, model, what was left out, and the last fall alarm.

        ``alarm_classes`` raise the fall alarm; "none" is a model without one. Left out are clips
        without a prediction, tracks that came too late for their image, boxes of people that show
        no part of the image, and the people of the newest image beyond ``max_people``, or below
        ``person_score``.
        ``fall_delay_s`` is the time from the end of the first clip that spoke for the fall to the
        end of the one that raised the alarm; the latency ``stamp_to_fall_alarm`` ends when the
        alarm was raised by the clock.
        """
        clips_replaced = self._waiting.replaced if self._waiting is not None else 0
        boxes_rejected = self._boxes_rejected if self._recognizer is not None else 0
        alarms = self._recognizer.spec.alarms if self._recognizer is not None else ()
        return {
            "device": self._device,
            "runtime": str(self._recognizer.runtime) if self._recognizer is not None else "",
            "model": self.config.model,
            "alarm_classes": ", ".join(alarms) or "none",
            "clips_skipped": str(clips_replaced),
            "images_without_tracks": str(self._join.late),
            "boxes_unusable": str(boxes_rejected),
            "people_left_out": self._people_left_out,
            "people_doubtful": self._people_doubtful,
            **self._falls,
        }


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the node, for several cameras if asked to; returns the exit code of its process."""
    return run_in_namespaces(ActionrecNode, arguments)


if __name__ == "__main__":
    sys.exit(main())
