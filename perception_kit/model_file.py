# SPDX-License-Identifier: Apache-2.0
"""One trained model is one ``.safetensors`` file whose metadata says all that is needed to run it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from perception_kit.model_metadata import METADATA_KEY, ModelFileError, read_metadata


def save_model(path: str | Path, kind: str, tensors: dict[str, torch.Tensor], metadata: dict[str, Any]) -> None:
    """Write ``tensors`` and JSON-serialisable ``metadata`` as one model file of ``kind`` ("segmentation", "pose", "action")."""
    text = json.dumps({"kind": kind, **metadata}, sort_keys=True)
    contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).touch()
    mode = Path(path).stat().st_mode
    save_file(contiguous, str(path), metadata={METADATA_KEY: text})
    Path(path).chmod(mode)  # safetensors leaves a file that only its owner can read


def load_model(path: str | Path, kind: str) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Tensors (on the CPU) and metadata of a model file of ``kind``. Raises ModelFileError with what to do."""
    metadata = read_metadata(path, kind)
    tensors = load_file(path)
    broken = [name for name, tensor in tensors.items() if not tensor.isfinite().all()]
    if broken:
        raise ModelFileError(f"'{path}' holds values that are not finite (in '{broken[0]}'): its training went wrong; train it again")
    return tensors, metadata


def misfit(module: nn.Module, tensors: dict[str, torch.Tensor]) -> str:
    """In what names and shapes of ``tensors`` differ from those of ``module``; empty where they fit."""
    own = module.state_dict()
    shapes = {name for name in own.keys() & tensors.keys() if own[name].shape != tensors[name].shape}
    faults = {"missing": own.keys() - tensors.keys(), "unknown": tensors.keys() - own.keys(), "of another shape": shapes}
    return ", ".join(f"{len(names)} {fault} (such as '{min(names)}')" for fault, names in faults.items() if names)


def load_weights(module: nn.Module, tensors: dict[str, torch.Tensor], path: str | Path) -> None:
    """Copy the ``tensors`` of the model file ``path`` into ``module``. Raises ModelFileError unless names and shapes match."""
    if found := misfit(module, tensors):
        raise ModelFileError(f"the tensors in '{path}' do not fit the network that its metadata names: {found}; train or convert it again")
    module.load_state_dict(tensors)


def file_sha256(path: str | Path) -> str:
    """Hex SHA-256 of a file, as recorded in results."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()
