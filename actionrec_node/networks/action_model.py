# SPDX-License-Identifier: Apache-2.0
"""A trained action network together with its specification."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from actionrec_node.networks.action_model_spec import KIND, ActionModelSpec, read_spec
from actionrec_node.networks.architectures import find_architecture
from actionrec_node.networks.optical_flow import clip_flow
from perception_kit.alarm_classes import default_alarm_classes, default_lying_classes
from perception_kit.networks.model_file import load_weights, read_model, save_model


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


def save_action_model(path: str | Path, model: ActionModel) -> None:
    """Write one self-describing ``.safetensors`` file."""
    metadata = asdict(model.spec)
    # The default goes without saying: such files are averaged with those of earlier versions.
    if model.spec.alarms == default_alarm_classes(model.spec.class_names):
        del metadata["alarm_classes"]
    if model.spec.confirmations == default_lying_classes(model.spec.class_names):
        del metadata["lying_classes"]
    save_model(path, KIND, model.network.state_dict(), metadata)


def load_action_model(path: str | Path, device: str = "cpu") -> ActionModel:
    """The model in evaluation mode on ``device``.

    Raises ModelFileError for a file that is not a usable action model.
    """
    model = ActionModel(read_spec(path))
    load_weights(model.network, read_model(path, KIND)[0], path)
    return model.to(device).eval()
