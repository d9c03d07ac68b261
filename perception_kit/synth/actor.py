# SPDX-License-Identifier: Apache-2.0
"""A person who acts out a script."""

from __future__ import annotations

from dataclasses import dataclass

from perception_kit.datasets.mesh import TexturedMesh
from perception_kit.synth.motion import ActionScript
from perception_kit.synth.person import Person


@dataclass(frozen=True)
class Actor:
    """A body and what it does."""

    person: Person
    script: ActionScript

    def at(self, seconds: float) -> tuple[TexturedMesh, str]:
        """The body in the world frame and the label of its action at a time of the script."""
        pose, label = self.script.at(seconds)
        return self.person.mesh(pose), label
