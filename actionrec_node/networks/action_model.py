# SPDX-License-Identifier: Apache-2.0
"""A trained action network together with what it takes to run it.

That is its classes, clip length and rate, input size and normalization.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from actionrec_node.networks.architectures import find_architecture
from actionrec_node.networks.optical_flow import clip_flow
from actionrec_node.networks.resizing import RESIZE_FRACTIONS
from perception_kit.alarm_classes import (
    check_alarm_classes,
    check_lying_classes,
    default_alarm_classes,
    default_lying_classes,
)
from perception_kit.networks.model_file import load_weights, read_model, save_model
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
        if self.clip_length < 2 or not self.clip_fps > 0:
            raise ValueError(
                "expected clip_length >= 2 and clip_fps > 0,"
                f" got {self.clip_length} and {self.clip_fps}"
            )

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


def prepare_clip(clip: np.ndarray, spec: ActionModelSpec) -> tuple[Tensor, ...]:
    """What the model's ``forward`` takes, for one clip (T, H, W, 3) uint8.

    That is the clip, and its optical flow where the network sees flow.
    """
    frames = torch.from_numpy(np.ascontiguousarray(clip))
    if "flow" not in find_architecture(spec.architecture).inputs:
        return (frames,)
    return frames, torch.from_numpy(clip_flow(clip))


class ActionModel(nn.Module):
    """uint8 clips (N, T, H, W, 3) of ``spec.input_size`` to class logits (N, C).

    Where the network sees flow, the clips' flow (N, T, H, W, 2) is a second input.
    """

    network: nn.Module
    mean: Tensor
    std: Tensor

    def __init__(self, spec: ActionModelSpec) -> None:
        super().__init__()
        self.spec = spec
        architecture = find_architecture(spec.architecture)
        self.inputs = architecture.inputs

        self.network = architecture.build(len(spec.class_names))
        for module in self.network.modules():
            if isinstance(module, nn.Conv3d):  # images' convolutions have no such layout
                module.to(
                    memory_format=torch.channels_last_3d  # type: ignore[call-overload] # stubs lack it
                )

        # Of pixel values from 0 to 255.
        mean, std = (
            torch.tensor(values).view(1, 3, 1, 1, 1) * 255 for values in (spec.mean, spec.std)
        )
        self.register_buffer("mean", mean, persistent=False)
        self.register_buffer("std", std, persistent=False)

    def forward(self, clips: Tensor, flow: Tensor | None = None) -> Tensor:
        return self.network(**self.network_inputs(clips, flow))

    def network_inputs(self, clips: Tensor, flow: Tensor | None = None) -> dict[str, Tensor]:
        """What ``network`` takes, by name: (N, channels, T, H, W) float32."""
        # Color last in memory is already the layout of channels_last_3d, which the CPU's 3D
        # convolutions prefer.
        seen = {}
        if "rgb" in self.inputs:
            seen["rgb"] = (clips.permute(0, 4, 1, 2, 3) - self.mean) / self.std
        if flow is not None:
            seen["flow"] = flow.permute(0, 4, 1, 2, 3)
        return seen

    @torch.inference_mode()
    def classify(self, prepared: Sequence[tuple[Tensor, ...]]) -> np.ndarray:
        """Class probabilities (N, C) float32 of N prepared clips, in evaluation mode."""
        inputs = zip(*prepared, strict=True)
        batch = [torch.stack(clips).to(self.mean.device) for clips in inputs]
        return self(*batch).float().softmax(dim=1).cpu().numpy()

    def probabilities(self, clips: Sequence[np.ndarray] | np.ndarray) -> np.ndarray:
        """N clips (T, H, W, 3) uint8 to class probabilities (N, C) float32, in evaluation mode."""
        return self.classify([prepare_clip(clip, self.spec) for clip in clips])


def refuse_nonsense(model: ActionModel, path: str | Path) -> None:
    """Classify a clip of noise by the ``model`` of the file ``path``.

    Raises ModelFileError where the scores are not finite.
    """
    shape = (model.spec.clip_length, model.spec.size, model.spec.size, 3)
    noise = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    if not np.isfinite(model.probabilities([noise])).all():
        raise ModelFileError(
            f"'{path}' is of no use: its network gave scores that are not finite; train it again"
        )


def save_action_model(path: str | Path, model: ActionModel) -> None:
    """Write one self-describing ``.safetensors`` file."""
    metadata = asdict(model.spec)
    # The default goes without saying: such files are averaged with those of earlier versions.
    if model.spec.alarms == default_alarm_classes(model.spec.class_names):
        del metadata["alarm_classes"]
    if model.spec.confirmations == default_lying_classes(model.spec.class_names):
        del metadata["lying_classes"]
    save_model(path, KIND, model.network.state_dict(), metadata)


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


def load_action_model(path: str | Path, device: str = "cpu") -> ActionModel:
    """The model in evaluation mode on ``device``.

    Raises ModelFileError for a file that is not a usable action model.
    """
    model = ActionModel(read_spec(path))
    load_weights(model.network, read_model(path, KIND)[0], path)
    return model.to(device).eval()
