# SPDX-License-Identifier: Apache-2.0
"""Parameters of the recognizer and of its node.

The ROS node declares its parameters from these fields and their metadata.
"""

from __future__ import annotations

from dataclasses import dataclass

from actionrec_node.data.crops import CONTEXT
from perception_kit.camera_config import color_encoding_parameter, image_transport_parameter
from perception_kit.parameters import check_parameters, parameter
from perception_kit.resources import INT8_RUNTIME, RUNTIMES, check_device_name


@dataclass(frozen=True)
class RecognizerConfig:
    """Parameters of ``ActionRecognizer``: when a clip is classified, and what follows from it.

    Each field's metadata has ``description``, ``min`` and ``max``. Raises ValueError for a value
    outside its range and for values that contradict each other, TypeError for a value of another
    type than the default's.
    """

    # Clips.
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
    context: float = parameter(
        CONTEXT, "side of a person's crop, as a multiple of their box", 1.0, 10.0
    )

    max_people: int = parameter(
        16,
        "at most so many people are classified: those who fall, then the largest in the image",
        1,
        1000,
    )

    person_score: float = parameter(
        0.7,
        "somebody is classified once a detection of their track has scored so high",
        0.0,
        1.0,
    )

    keep_watching: float = parameter(
        3.0,
        "somebody who is not found any more is watched where they were for so long, s; with the"
        " fall alarm on, until it ends",
        0.0,
        3600.0,
    )

    # Decisions.
    smoothing: float = parameter(
        0.2, "time constant of the moving average over class scores, s; 0: none", 0.0, 10.0
    )
    score_threshold: float = parameter(
        0.3, "below this score of the best class the label is empty: none of these", 0.0, 1.0
    )

    # The fall alarm.
    fall_on: float = parameter(
        0.75,
        "the fall alarm goes on, and the label is falling, from this score of falling",
        0.0,
        1.0,
    )
    fall_off: float = parameter(
        0.3,
        "the fall alarm goes off below this score of falling, or after the fall of falling and"
        " lying together",
        0.0,
        1.0,
    )
    fall_hold: float = parameter(
        2.0,
        "an alarm that lying confirmed goes off once the score was below fall_off for so long, s",
        0.0,
        60.0,
    )

    def __post_init__(self) -> None:
        check_parameters(self)
        if self.fall_off > self.fall_on:
            raise ValueError(
                f"fall_off must not be above fall_on, got {self.fall_off} and {self.fall_on}:"
                " the alarm would end at once"
            )


@dataclass(frozen=True)
class ActionConfig(RecognizerConfig):
    """Parameters of the recognizer and of the node."""

    # The model, and what runs it.
    model: str = parameter(
        "", "action model file (.safetensors, or package://PACKAGE/PATH); required", fixed=True
    )
    device: str = parameter(
        "auto", "cpu, cuda, cuda:N, or auto: the GPU where there is one", fixed=True
    )
    runtime: str = parameter(
        "auto",
        "what runs the network on a CPU; auto is openvino, which is faster, where it is installed"
        " and works; openvino_int8 (after actionrec_node.quantize) is faster still and less exact",
        choices=(*RUNTIMES, INT8_RUNTIME),
        fixed=True,
    )
    threads: int = parameter(
        0, "CPU threads of each network, 0: one for each core", 0, 256, fixed=True
    )

    state_file: str = parameter(
        "",
        "file with the alarms that are on, which a node that was restarted goes on with; empty:"
        " none",
        fixed=True,
    )
    alarm_deadline: float = parameter(
        3.0,
        "without an image or a finished prediction for so long ~/alarm_health says that the fall"
        " alarm is lost, s",
        0.1,
        600.0,
    )

    color_encoding: str = color_encoding_parameter()
    image_transport: str = image_transport_parameter()

    # Tracks of people.
    per_person: bool = parameter(
        True,
        "with tracks of people, classify each of them, and nothing where nobody is tracked; else"
        " the whole image",
        fixed=True,
    )
    person_class: str = parameter("person", "class name of the tracks that are people", fixed=True)
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

    def __post_init__(self) -> None:
        super().__post_init__()
        check_device_name(self.device)
