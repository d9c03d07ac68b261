# SPDX-License-Identifier: Apache-2.0
"""One trained model is one ``.safetensors`` file whose metadata says all that is needed to run it."""

from __future__ import annotations

import hashlib
import json
import pickle
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from perception_kit.networks.model_metadata import METADATA_KEY, ModelFileError, read_metadata

STATE_KEYS = (
    "state_dict",
    "model_state_dict",
    "model",
)  # under which training scripts file the weights


def save_model(
    path: str | Path, kind: str, tensors: dict[str, torch.Tensor], metadata: dict[str, Any]
) -> None:
    """Write ``tensors`` and JSON-serialisable ``metadata`` as one model file of ``kind``
    ("segmentation", "pose", "action").
    """
    text = json.dumps({"kind": kind, **metadata}, sort_keys=True)
    contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).touch()
    mode = Path(path).stat().st_mode
    save_file(contiguous, str(path), metadata={METADATA_KEY: text})
    Path(path).chmod(mode)  # safetensors leaves a file that only its owner can read


def load_model(path: str | Path, kind: str) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Tensors (on the CPU) and metadata of a model file of ``kind``.

    Raises ModelFileError with what to do.
    """
    metadata = read_metadata(path, kind)
    tensors = load_file(path)
    _check_finite(path, tensors)
    return tensors, metadata


def _check_finite(path: str | Path, tensors: dict[str, torch.Tensor]) -> None:
    broken = [name for name, tensor in tensors.items() if not tensor.isfinite().all()]
    if broken:
        raise ModelFileError(
            f"'{path}' holds values that are not finite (in '{broken[0]}'): its training went"
            " wrong; train it again"
        )


def misfit(module: nn.Module, tensors: dict[str, torch.Tensor]) -> str:
    """In what names and shapes of ``tensors`` differ from those of ``module``; empty where they
    fit.
    """
    own = module.state_dict()
    shapes = {
        name for name in own.keys() & tensors.keys() if own[name].shape != tensors[name].shape
    }
    faults = {
        "missing": own.keys() - tensors.keys(),
        "unknown": tensors.keys() - own.keys(),
        "of another shape": shapes,
    }
    return ", ".join(
        f"{len(names)} {fault} (such as '{min(names)}')" for fault, names in faults.items() if names
    )


def load_weights(module: nn.Module, tensors: dict[str, torch.Tensor], path: str | Path) -> None:
    """Copy the ``tensors`` of the model file ``path`` into ``module``.

    Raises ModelFileError unless names and shapes match.
    """
    if found := misfit(module, tensors):
        raise ModelFileError(
            f"the tensors in '{path}' do not fit the network that its metadata names: {found};"
            " train or convert it again"
        )
    module.load_state_dict(tensors)


def check_architecture(path: str | Path, metadata: dict[str, Any], architecture: str) -> None:
    """Raises ModelFileError unless the model file ``path`` is of ``architecture``: its weights
    would be no start for that network.
    """
    if (found := metadata.get("architecture")) != architecture:
        raise ModelFileError(
            f"'{path}' has the architecture '{found}', but '{architecture}' is to be trained: give"
            f" --architecture {found}"
        )


def read_state_dict(path: str | Path) -> dict[str, torch.Tensor]:
    """Tensors by name of a PyTorch checkpoint, at its top or under one of ``STATE_KEYS``, without
    parallel training's ``module.``.

    Code in it is not run. Raises ModelFileError naming the file where it holds nothing of the kind.
    """
    if not Path(path).is_file():
        raise ModelFileError(f"checkpoint '{path}' does not exist")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise ModelFileError(
            f"'{path}' is not a checkpoint of tensors alone, and code in it is not run: save the"
            f" network's state_dict() ({error})"
        ) from error
    content = next(
        (content[key] for key in STATE_KEYS if isinstance(content, dict) and key in content),
        content,
    )
    if not isinstance(content, dict) or not all(
        isinstance(k, str) and isinstance(v, torch.Tensor) for k, v in content.items()
    ):
        raise ModelFileError(
            f"'{path}' holds no state dict: expected tensors by name, at the top or under one of"
            f" {STATE_KEYS}"
        )
    state = {name.removeprefix("module."): tensor for name, tensor in content.items()}
    _check_finite(path, state)
    return state


def file_sha256(path: str | Path) -> str:
    """Hex SHA-256 of a file, as recorded in results."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()
