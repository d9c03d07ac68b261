# SPDX-License-Identifier: Apache-2.0
"""ROS 2 node: colour images and tracks of people in, what each of them does out."""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass, fields
from time import monotonic
from typing import TYPE_CHECKING

from assistant_perception.msg import ActionArray, TrackArray
from rclpy.clock import Clock, ClockType
from sensor_msgs.msg import Image

from actionrec_node.recognition.decision import RecognizerConfig
from actionrec_node.recognition.track_join import JoinedImage, TrackJoin
from perception_kit.resources import (
    INT8_RUNTIME,
    RUNTIMES,
    check_device_name,
    choose_device,
    resolve_path,
)
from perception_kit.ros.diagnostics import describe_error
from perception_kit.ros.from_messages import tracks_from_message
from perception_kit.ros.image import color_image
from perception_kit.ros.inputs import Frame, Input
from perception_kit.ros.lifecycle import PerceptionNode
from perception_kit.ros.parameters import parameter
from perception_kit.ros.run_node import run_node
from perception_kit.ros.to_messages import actions_to_message
from perception_kit.ros.worker import FrameWorker

if TYPE_CHECKING:
    from actionrec_node.recognition.recognizer import ClipRequest, NewestClips

_QUEUE_LENGTH = (
    10  # images and tracks share the queue, and adding either to the clips takes no time
)
# Seconds without a message after which no image waits for tracks any more: the camera stands still,
# or who makes the tracks is gone. In a replay, which sends the next image when all results of this
# one are in, a slow machine must not count as gone.
# not count as gone.
_SILENCE_S = {"best_effort": 0.5, "reliable": 10.0}
_WATCH_PERIOD_S = 0.25


@dataclass(frozen=True)
class ActionConfig:
    """Parameters of the node."""

    model: str = parameter(
        "", "action model file (.safetensors, or package://PACKAGE/PATH); required", fixed=True
    )
    device: str = parameter(
        "auto", "cpu, cuda, cuda:N, or auto: the GPU where there is one", fixed=True
    )
    runtime: str = parameter(
        "pytorch",
        "what runs the network on a CPU; openvino is faster, openvino_int8 (after"
        " actionrec_node.quantize) faster still and less exact",
        choices=(*RUNTIMES, INT8_RUNTIME),
        fixed=True,
    )
    stride: int = parameter(
        4,
        "a clip is classified every so many frames at the clip rate of the model",
        1,
        1000,
        fixed=True,
    )
    max_gap: float = parameter(
        0.5, "a longer gap between two images starts a new clip, s", 0.01, 60.0, fixed=True
    )
    per_person: bool = parameter(
        True, "with tracks of people, classify each of them; else the whole image", fixed=True
    )
    person_class: str = parameter("person", "class name of the tracks that are people", fixed=True)
    context: float = parameter(
        1.5, "side of a person's crop, as a multiple of their box", 1.0, 10.0
    )
    tracks_wait: float = parameter(
        0.1,
        "an image waits for its tracks until one comes that is this much newer, s",
        0.0,
        10.0,
        fixed=True,
    )
    tracks_max_age: float = parameter(
        1.0,
        "after this long without tracks the whole image is classified, s",
        0.0,
        60.0,
        fixed=True,
    )
    smoothing: float = parameter(
        0.15, "time constant of the moving average over class scores, s; 0: none", 0.0, 10.0
    )
    score_threshold: float = parameter(
        0.3, "below this score of the best class the label is empty: none of these", 0.0, 1.0
    )
    fall_on: float = parameter(
        0.75,
        "the fall alarm goes on, and the label is falling, from this score of falling",
        0.0,
        1.0,
    )
    fall_off: float = parameter(
        0.3, "the fall alarm goes off below this score of falling", 0.0, 1.0
    )

    def __post_init__(self) -> None:
        check_device_name(self.device)
        self.recognizer_config()

    def recognizer_config(self) -> RecognizerConfig:
        """The part that the recognizer needs.

        Raises ValueError for values that make no sense together.
        """
        return RecognizerConfig(
            **{entry.name: getattr(self, entry.name) for entry in fields(RecognizerConfig)}
        )


class ActionrecNode(PerceptionNode):
    """Publishes ``~/actions`` for every received image: empty before the first full clip, the
    newest actions afterwards.

    With best-effort input a second thread runs the network, always on everybody's newest clip;
    ``clips_skipped`` counts those it had no time for. With reliable input, the one of a replay,
    each image waits for its own prediction.
    """

    def __init__(self) -> None:
        super().__init__("actionrec_node", ActionConfig, leader="color", queue_length=_QUEUE_LENGTH)
        self._recognizer = None
        self._waiting: NewestClips | None = None
        self._predictor: FrameWorker | None = None
        self._join = TrackJoin(self.config.person_class)
        self._device = ""
        self._joining = threading.Lock()
        self._last_message_s = monotonic()
        self.create_timer(
            _WATCH_PERIOD_S, self._end_silence, clock=Clock(clock_type=ClockType.STEADY_TIME)
        )
        self._falls = {"fall_alarms": "0", "fall_delay_s": ""}

    def load(self) -> None:
        """Load the model that the parameters name. Raises ValueError where there is none."""
        from actionrec_node.recognition.recognizer import (  # PyTorch takes seconds to import
            ActionRecognizer,
            NewestClips,
        )

        if not self.config.model:
            raise ValueError(
                "no model is set: set the parameter 'model' to a .safetensors file, for example "
                "package://assistant_perception/models/demo/action.safetensors"
            )
        self._device = choose_device(self.config.device)
        config = self.config
        self._recognizer = ActionRecognizer(
            resolve_path(config.model), self._device, config.recognizer_config(), config.runtime
        )
        self._join = TrackJoin(
            self.config.person_class, self.config.tracks_wait, self.config.tracks_max_age
        )
        if self.node_config.input_reliability == "best_effort":
            self._waiting = NewestClips()
            self._predictor = FrameWorker(self._predict_newest)
        self.results.add(ActionArray, "actions")

    def unload(self) -> None:
        """Free the model."""
        if self._predictor is not None:
            self._predictor.stop()
            self._predictor = self._waiting = None
        self._recognizer = None

    def inputs(self) -> Sequence[Input]:
        """Colour images; tracks may be missing."""
        color = Input("color", Image, "color/image_raw")
        return (
            [color, Input("tracks", TrackArray, "tracks", required=False)]
            if self.config.per_person
            else [color]
        )

    def process(self, frame: Frame) -> None:
        """Join image or tracks with what came before.

        Raises ImageError for an image that cannot be used.
        """
        with self._joining:
            self._last_message_s = monotonic()
            if "tracks" in frame.messages:
                ready = self._join.add_tracks(
                    frame.stamp_ns, tracks_from_message(frame.messages["tracks"])
                )
            else:
                color = frame.messages["color"]
                ready = self._join.add_image(frame.stamp_ns, (color.header, color_image(color)))
            self._recognizer.config = self.config.recognizer_config()
            for image in ready:
                self._recognize(image)

    def _end_silence(self) -> None:
        """Let waiting images go on when no message comes any more that could."""
        if not self._joining.acquire(blocking=False):  # a message is being worked on
            return
        try:
            if (
                self._join.waiting
                and monotonic() - self._last_message_s
                > _SILENCE_S[self.node_config.input_reliability]
            ):
                for image in self._join.give_up():
                    self._recognize(image)
        finally:
            self._joining.release()

    def _recognize(self, image: JoinedImage) -> None:
        header, rgb = image.message
        with self.statistics.stage("clip"):
            requests = self._recognizer.add(rgb, image.stamp_ns, image.people)
        if requests and self._predictor is not None:
            self._waiting.put(requests)
            self._predictor.submit(self._waiting)
        elif requests:
            self._predict(requests)
        self.results.publish(
            "actions",
            actions_to_message(self._recognizer.actions(), self._recognizer.class_names, header),
        )

    def _predict_newest(self, waiting: NewestClips) -> None:
        """Classify what waits; nothing where the batch before took it along."""
        if requests := waiting.take():
            self._predict(requests)

    def _predict(self, requests: Sequence[ClipRequest]) -> None:
        """Classify clips and report the falls; what goes wrong is reported, too: it must not end
        the thread.
        """
        try:
            with self.statistics.stage("action"):
                falls = self._recognizer.predict(requests)
        except Exception as error:
            self.statistics.count("failed")
            self.problems.report(
                f"clip {type(error).__name__}",
                f"a clip could not be classified: {describe_error(error)}",
            )
            return
        for fall in falls:
            delay_s = (fall.alarm_ns - fall.first_sign_ns) * 1e-9
            now_s = self.get_clock().now().nanoseconds * 1e-9
            self.statistics.stamp_latency("fall_alarm", now_s - fall.first_sign_ns * 1e-9)
            self._falls = {
                "fall_alarms": str(int(self._falls["fall_alarms"]) + 1),
                "fall_delay_s": f"{delay_s:.3f}",
            }
            self.problems.report(
                "fall", f"fall of {'somebody' if fall.track_id < 0 else f'person {fall.track_id}'}"
            )

    def reset(self) -> None:
        """Start new clips."""
        with self._joining:
            self._recognizer.reset()
            self._join.reset()

    def diagnostic_values(self) -> dict[str, str]:
        """Device, model, clips without a prediction, images without tracks in time, boxes of people
        outside of it, and the last fall alarm.

        ``fall_delay_s`` is the time from the end of the first clip that spoke for the fall to the
        end of the one that raised the alarm; the latency ``stamp_to_fall_alarm`` ends when the
        alarm was raised by the clock.
        """
        skipped = self._waiting.skipped if self._waiting is not None else 0
        unusable = self._recognizer.boxes_unusable if self._recognizer is not None else 0
        counts = {
            "clips_skipped": str(skipped),
            "images_without_tracks": str(self._join.late),
            "boxes_unusable": str(unusable),
        }
        return {"device": self._device, "model": self.config.model, **counts, **self._falls}


def main() -> None:
    """Run the node; the process ends with its exit code."""
    sys.exit(run_node(ActionrecNode))


if __name__ == "__main__":
    main()
