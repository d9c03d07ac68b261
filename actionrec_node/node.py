# SPDX-License-Identifier: Apache-2.0
"""ROS 2 node: colour images in, the action of the person in view out."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from assistant_perception.msg import ActionArray
from sensor_msgs.msg import Image

from perception_kit.resources import choose_device, resolve_path
from perception_kit.ros.convert import actions_to_message
from perception_kit.ros.image import color_image
from perception_kit.ros.inputs import Frame, Input
from perception_kit.ros.lifecycle import PerceptionNode
from perception_kit.ros.parameters import parameter
from perception_kit.ros.run_node import run_node

_QUEUE_LENGTH = 10  # a clip needs the images that come while the one before is classified


@dataclass(frozen=True)
class ActionConfig:
    """Parameters of the node."""

    model: str = parameter("", "action model file (.safetensors, or package://PACKAGE/PATH); required", fixed=True)
    device: str = parameter("auto", "cpu, cuda, cuda:N, or auto: the GPU where there is one", fixed=True)
    stride: int = parameter(4, "a clip is classified every so many frames at the clip rate of the model", 1, 1000, fixed=True)
    max_gap: float = parameter(0.5, "a longer gap between two images starts a new clip, s", 0.01, 60.0, fixed=True)


class ActionrecNode(PerceptionNode):
    """Publishes ``~/actions`` for every received image: empty before the first full clip, the newest action afterwards."""

    def __init__(self) -> None:
        super().__init__("actionrec_node", ActionConfig, leader="color", queue_length=_QUEUE_LENGTH)
        self._recognizer = None
        self._device = ""

    def load(self) -> None:
        """Load the model that the parameters name. Raises ValueError where there is none."""
        from actionrec_node.recognizer import ActionRecognizer  # PyTorch takes seconds to import

        if not self.config.model:
            raise ValueError(
                "no model is set: set the parameter 'model' to a .safetensors file, for example "
                "package://assistant_perception/models/demo/action.safetensors"
            )
        self._device = choose_device(self.config.device)
        self._recognizer = ActionRecognizer(resolve_path(self.config.model), self._device, self.config.stride, self.config.max_gap)
        self.results.add(ActionArray, "actions")

    def unload(self) -> None:
        """Free the model."""
        self._recognizer = None

    def inputs(self) -> Sequence[Input]:
        """Colour images."""
        return [Input("color", Image, "color/image_raw")]

    def process(self, frame: Frame) -> None:
        """Add the image to the clip and publish the newest action. Raises ImageError for an image that cannot be used."""
        color = frame.messages["color"]
        with self.statistics.stage("action"):
            actions = self._recognizer.push(color_image(color), frame.stamp_ns)
        self.results.publish("actions", actions_to_message(actions, self._recognizer.class_names, color.header))

    def reset(self) -> None:
        """Start a new clip."""
        self._recognizer.reset()

    def diagnostic_values(self) -> dict[str, str]:
        """Device and model."""
        return {"device": self._device, "model": self.config.model}


def main() -> None:
    """Run the node; the process ends with its exit code."""
    sys.exit(run_node(ActionrecNode))


if __name__ == "__main__":
    main()
