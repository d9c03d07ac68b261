# SPDX-License-Identifier: Apache-2.0
"""Model files: one ``.safetensors`` file per model, whose metadata says how to run it."""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path
from typing import Any
from zipfile import is_zipfile

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from perception_kit.networks.model_metadata import METADATA_KEY, ModelFileError, read_metadata
from perception_kit.partial_file import replacing

# Keys under which training scripts store the weights in a checkpoint.
STATE_KEYS = (
    "state_dict",
    "model_state_dict",
    "model_state",
    "model",
    "net",
    "network",
    "weights",
    "params",
)
_PICKLES = tuple(bytes((0x80, protocol)) for protocol in range(2, 6))  # how they begin
# What torch.compile, Lightning modules and others put in front of the names of all tensors.
WRAPPERS = ("_orig_mod.", "model.", "network.", "net.")


def save_model(
    path: str | Path, kind: str, tensors: dict[str, torch.Tensor], metadata: dict[str, Any]
) -> None:
    """Write ``tensors`` and JSON-serialisable ``metadata`` as one model file.

    ``kind`` is "segmentation", "pose" or "action". Raises OSError with what to do where the file
    cannot be written; what was there before then stays.
    """
    text = json.dumps({"kind": kind, **metadata}, sort_keys=True)
    contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with replacing(Path(path), SafetensorError) as partial:
        save_file(contiguous, partial, metadata={METADATA_KEY: text})


def read_model(path: str | Path, kind: str) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Tensors (on the CPU) and metadata of a model file of ``kind``.

    What is stored as float16 comes as float32. Raises ModelFileError with what to do.
    """
    metadata = read_metadata(path, kind)
    tensors = load_file(path)
    _check_finite(path, tensors)
    halves = [name for name, tensor in tensors.items() if tensor.dtype == torch.float16]
    return tensors | {name: tensors[name].float() for name in halves}, metadata


def _check_finite(path: str | Path, tensors: dict[str, torch.Tensor]) -> None:
    broken = [name for name, tensor in tensors.items() if not tensor.isfinite().all()]
    if broken:
        raise ModelFileError(
            f"'{path}' holds values that are not finite (in '{broken[0]}'):"
            " its training went wrong; train it again"
        )


def misfit(module: nn.Module, tensors: dict[str, torch.Tensor]) -> str:
    """How names and shapes of ``tensors`` differ from those of ``module``; empty where they fit."""
    expected = module.state_dict()
    common = expected.keys() & tensors.keys()
    faults = {
        "missing": expected.keys() - tensors.keys(),
        "unknown": tensors.keys() - expected.keys(),
        "of another shape": {n for n in common if expected[n].shape != tensors[n].shape},
    }

    found = [(fault, names) for fault, names in faults.items() if names]
    return ", ".join(f"{len(names)} {fault} (such as '{min(names)}')" for fault, names in found)


def load_weights(module: nn.Module, tensors: dict[str, torch.Tensor], path: str | Path) -> None:
    """Copy the ``tensors`` of the model file ``path`` into ``module``.

    Raises ModelFileError unless names and shapes match.
    """
    if found := misfit(module, tensors):
        raise ModelFileError(
            f"the tensors in '{path}' do not fit the network that its metadata names:"
            f" {found}; train or convert it again"
        )
    module.load_state_dict(tensors)


def check_architecture(path: str | Path, metadata: dict[str, Any], architecture: str) -> None:
    """Raises ModelFileError unless the model file ``path`` is of ``architecture``.

    The weights of another architecture cannot initialise a training.
    """
    if (found := metadata.get("architecture")) != architecture:
        raise ModelFileError(
            f"'{path}' has the architecture '{found}', but '{architecture}' is to be trained:"
            f" give --architecture {found}"
        )


def read_state_dict(path: str | Path) -> dict[str, torch.Tensor]:
    """Tensors by name of a PyTorch checkpoint, without what wrappers put in front of the names.

    They are looked for at its top, under ``STATE_KEYS``, and where there is one alone under any
    name; numbers, NumPy's too, and options may stand beside them. Code in the checkpoint is not
    run. Raises ModelFileError where the file holds no state dict.
    """
    if not Path(path).is_file():
        raise ModelFileError(f"checkpoint '{path}' does not exist")
    if fault := _file_fault(Path(path)):
        raise ModelFileError(f"'{path}' {fault}")
    try:
        with torch.serialization.safe_globals(_harmless_globals()):
            content = torch.load(path, map_location="cpu", weights_only=True)
    # What the unpickler raises depends on the file; what it says proposes to run the code of it.
    except Exception as error:
        raise ModelFileError(
            f"'{path}' is not a checkpoint of tensors alone, and code in it is not run:"
            f" save the network's state_dict() ({type(error).__name__})"
        ) from error

    state = _find_state(content)
    if not state:
        found = f", found {sorted(map(str, content))}" if isinstance(content, dict) else ""
        raise ModelFileError(
            f"'{path}' holds no state dict:"
            f" expected tensors by name, at the top or under one of {STATE_KEYS}{found:.200}"
        )
    state = _without_wrappers(state)
    _check_finite(path, state)
    return state


def _file_fault(path: Path) -> str | None:
    """Why a file cannot be a checkpoint of PyTorch, by its first bytes; None else."""
    with path.open("rb") as file:
        head = file.read(64)
    faults = (
        (not head, "is empty: download or copy it again"),
        (head.startswith(b"version https://git-lfs"), "is a pointer of Git LFS: 'git lfs pull' it"),
        (head.lstrip()[:1] == b"<", "is a web page, so its download failed: open it in a browser"),
        (head.startswith(b"PK") and not is_zipfile(path), "was cut off: download or copy it again"),
        (
            not head.startswith((b"PK", *_PICKLES)),
            "is no checkpoint of PyTorch (.pt, .pth): ONNX, TensorFlow and others are not read",
        ),
    )
    return next((fault for is_so, fault in faults if is_so), None)


def _harmless_globals() -> list[Any]:
    """What training scripts store beside tensors and which runs no code: numbers and options."""
    scalar, array = np.float64(0).__reduce__()[0], np.zeros(1).__reduce__()[0]
    functions = {"scalar": scalar, "_reconstruct": array}
    return [
        argparse.Namespace,
        np.ndarray,
        np.dtype,
        *{type(np.dtype(code)) for code in np.typecodes["All"]},
        # NumPy 2 has moved them, and checkpoints of NumPy 1 have the old names.
        *(
            (function, f"numpy.{module}.multiarray.{name}")
            for name, function in functions.items()
            for module in ("core", "_core")
        ),
    ]


def _find_state(content: Any) -> dict[str, torch.Tensor]:
    """The state dict in what a checkpoint holds, empty where there is none."""
    if not isinstance(content, dict) or not all(isinstance(name, str) for name in content):
        return {}
    for key in STATE_KEYS:
        if state := _find_state(content.get(key)):
            return state

    nested = [state for value in content.values() if (state := _find_state(value))]
    if len(nested) == 1:
        return nested[0]
    return {name: value for name, value in content.items() if isinstance(value, torch.Tensor)}


def _without_wrappers(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The tensors without ``module.``, and without ``WRAPPERS`` that all names begin with."""
    state = {name.removeprefix("module."): tensor for name, tensor in state.items()}
    for wrapper in WRAPPERS:
        if all(name.startswith(wrapper) for name in state):
            state = {name.removeprefix(wrapper): tensor for name, tensor in state.items()}
            return _without_wrappers(state)
    return state


def file_sha256(path: str | Path) -> str:
    """Hex SHA-256 of a file, as recorded in results."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()
