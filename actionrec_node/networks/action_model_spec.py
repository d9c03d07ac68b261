# SPDX-License-Identifier: Apache-2.0
"""What it takes to run a trained action network, read without PyTorch.

That is its classes, clip length and rate, input size and normalization.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from actionrec_node.networks.architectures import find_architecture
from actionrec_node.networks.resizing import RESIZE_FRACTIONS
from perception_kit.alarm_classes import (
    check_alarm_classes,
    check_lying_classes,
    default_alarm_classes,
    default_lying_classes,
)
from perception_kit.networks.metadata_schema import metadata_fault
from perception_kit.networks.model_metadata import ModelFileError, read_metadata

KIND = "action"


@dataclass(frozen=True)
class ActionModelSpec:
    """Metadata of an action model file.

    A clip has ``clip_length`` frames at ``clip_fps`` per second, each brought to ``input_size`` =
    (width, height) pixels by the method ``resize`` of ``resize_frame``; ``mean`` and ``std`` are
    per RGB channel of values 0 to 1. The fall alarm is raised by the classes ``alarm_classes``,
    which are by default the class "falling" where there is one, and confirmed by the
    ``lying_classes``, by default "lying". Of what is around a person's box, clips show the fraction
    ``surroundings`` of the contrast. Raises ValueError for values that no model has.
    """

    architecture: str
    class_names: tuple[str, ...]
    clip_length: int = 16
    clip_fps: float = 15.0
    input_size: tuple[int, int] = (112, 112)
    mean: tuple[float, float, float] = (0.45, 0.45, 0.45)
    std: tuple[float, float, float] = (0.25, 0.25, 0.25)
    resize: str = "stretch"
    alarm_classes: tuple[str, ...] | None = None
    lying_classes: tuple[str, ...] | None = None
    surroundings: float = 1.0

    def __post_init__(self) -> None:
        if self.alarm_classes is None:
            object.__setattr__(self, "alarm_classes", default_alarm_classes(self.class_names))
        check_alarm_classes(self.class_names, self.alarms)
        if self.lying_classes is None:
            object.__setattr__(self, "lying_classes", default_lying_classes(self.class_names))
        check_lying_classes(self.class_names, self.confirmations, self.alarms)
        find_architecture(self.architecture)
        if self.resize not in RESIZE_FRACTIONS:
            raise ValueError(
                f"unknown resize '{self.resize}', expected one of {', '.join(RESIZE_FRACTIONS)}"
            )
        if self.input_size[0] != self.input_size[1]:
            raise ValueError(f"input_size must be square, got {self.input_size}")
        # Else a file could be written that nothing reads.
        if fault := metadata_fault(asdict(self)):
            raise ValueError(fault)

    @property
    def alarms(self) -> tuple[str, ...]:
        """``alarm_classes``, which are never None in a specification that was made."""
        return self.alarm_classes or ()

    @property
    def confirmations(self) -> tuple[str, ...]:
        """``lying_classes``, which are never None in a specification that was made."""
        return self.lying_classes or ()

    @property
    def alarm_indices(self) -> list[int]:
        """Index of each alarm class among the classes."""
        return [self.class_names.index(name) for name in self.alarms]

    @property
    def size(self) -> int:
        """Side of the input in pixels."""
        return self.input_size[0]


def new_spec(architecture: str, class_names: Sequence[str], **changes: Any) -> ActionModelSpec:
    """The specification that the architecture's published checkpoints were trained with.

    ``changes`` that are not None replace its fields.
    """
    published = find_architecture(architecture)
    fields = {
        name: getattr(published, name)
        for name in ("clip_length", "clip_fps", "input_size", "mean", "std")
    }
    fields |= {name: value for name, value in changes.items() if value is not None}
    return ActionModelSpec(architecture, tuple(class_names), **fields)


def read_spec(path: str | Path) -> ActionModelSpec:
    """The specification of a model file.

    Raises ModelFileError for a file that does not describe an action model.
    """
    fields: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in read_metadata(path, KIND).items()
        if name != "kind"
    }
    try:
        return ActionModelSpec(**fields)
    except (TypeError, ValueError) as error:
        raise ModelFileError(
            f"'{path}' does not describe a network of this version: {error}"
        ) from error
