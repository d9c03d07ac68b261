# SPDX-License-Identifier: Apache-2.0
"""A trained action network together with what it takes to run it: classes, clip length and rate, input size, normalisation."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from actionrec_node.resnext3d import ResNeXt3d, build
from perception_kit.model_file import ModelFileError, load_model, load_weights, save_model

KIND = "action"


@dataclass(frozen=True)
class ActionModelSpec:
    """Metadata of an action model file.

    ``clip_length`` frames at ``clip_fps`` per second, each stretched to ``input_size`` = (width, height) pixels; ``mean`` and ``std``
    per RGB channel of values 0 to 1.
    """

    architecture: str
    class_names: tuple[str, ...]
    clip_length: int = 16
    clip_fps: float = 15.0
    input_size: tuple[int, int] = (112, 112)
    mean: tuple[float, float, float] = (0.45, 0.45, 0.45)
    std: tuple[float, float, float] = (0.25, 0.25, 0.25)
    resize: str = "stretch"


class ActionModel(nn.Module):
    """uint8 clips (N, T, H, W, 3) of ``spec.input_size`` to class logits (N, C)."""

    def __init__(self, spec: ActionModelSpec) -> None:
        super().__init__()
        self.spec = spec
        self.network: ResNeXt3d = build(spec.architecture, len(spec.class_names)).to(memory_format=torch.channels_last_3d)
        self.register_buffer("mean", torch.tensor(spec.mean).view(1, 3, 1, 1, 1) * 255, persistent=False)
        self.register_buffer("std", torch.tensor(spec.std).view(1, 3, 1, 1, 1) * 255, persistent=False)

    def forward(self, clips: Tensor) -> Tensor:
        # Colour last in memory is already the layout of channels_last_3d, which the CPU's 3D convolutions prefer.
        return self.network((clips.permute(0, 4, 1, 2, 3) - self.mean) / self.std)

    @torch.inference_mode()
    def probabilities(self, clips: np.ndarray) -> np.ndarray:
        """(N, T, H, W, 3) uint8 to class probabilities (N, C) float32, in evaluation mode."""
        return self(torch.from_numpy(clips).to(self.mean.device)).float().softmax(dim=1).cpu().numpy()


def save_action_model(path: str | Path, model: ActionModel) -> None:
    """Write one self-describing ``.safetensors`` file."""
    save_model(path, KIND, model.network.state_dict(), asdict(model.spec))


def load_action_model(path: str | Path, device: str = "cpu") -> ActionModel:
    """The model in evaluation mode on ``device``. Raises ModelFileError for a file that is not a usable action model."""
    tensors, metadata = load_model(path, KIND)
    fields = {name: tuple(value) if isinstance(value, list) else value for name, value in metadata.items() if name != "kind"}
    try:
        model = ActionModel(ActionModelSpec(**fields))
    except (TypeError, ValueError) as error:
        raise ModelFileError(f"'{path}' does not describe a network of this version: {error}") from error
    load_weights(model.network, tensors, path)
    if model.spec.resize != "stretch":
        raise ModelFileError(f"'{path}' asks for resize '{model.spec.resize}', only 'stretch' is known")
    return model.to(device).eval()
