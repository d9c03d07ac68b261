# SPDX-License-Identifier: Apache-2.0
"""Writes networks as ONNX files, and checks that these compute what PyTorch does."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from perception_kit.json_output import write_json
from perception_kit.partial_file import replacing

OPSET = 17  # TensorRT 8.6, OpenVINO and ONNX Runtime read it
TOLERANCE = 1e-3  # of the largest absolute output


class ExportError(ValueError):
    """A network cannot be written as ONNX; the message says why, and what to do."""


@dataclass(frozen=True)
class Part:
    """A network to write as ``NAME.onnx``: ``module`` called with ``examples``, in their order.

    ``inputs`` and ``outputs`` are their names; ``dynamic`` gives the sizes that may differ from
    call to call: {input: {dimension: name}}.
    """

    name: str
    module: nn.Module
    examples: tuple[Tensor, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    dynamic: Mapping[str, Mapping[int, str]] = field(default_factory=dict)


def export_parts(folder: Path, parts: Sequence[Part], about: Mapping[str, Any]) -> dict[str, float]:
    """Write each part as ``NAME.onnx`` in ``folder``, and ``model.json`` with what it is ``about``.

    Returns the largest difference of each part's outputs to PyTorch's, as a fraction of the largest
    output. Raises ExportError where the packages are missing, or a difference is above
    ``TOLERANCE``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    differences = {}
    for part in parts:
        path = folder / f"{part.name}.onnx"
        with replacing(path) as partial:
            _write(partial, part)
            differences[part.name] = difference = _difference(partial, part)
            if not difference <= TOLERANCE:
                raise ExportError(
                    f"'{path.name}' computes something else than PyTorch: outputs differ by"
                    f" {difference:.2g} of the largest, expected at most {TOLERANCE:g}"
                )

    signatures = {
        part.name: {"inputs": list(part.inputs), "outputs": list(part.outputs)} for part in parts
    }
    write_json(folder / "model.json", {**json.loads(json.dumps(about)), "parts": signatures})
    return differences


def _write(path: Path, part: Part) -> None:
    _import("onnx")  # PyTorch's own error would not say what to install
    axes = {name: dict(sizes) for name, sizes in part.dynamic.items()}
    with torch.no_grad(), warnings.catch_warnings():
        # The tracer warns of sizes that become constants, and those are the fixed ones.
        warnings.simplefilter("ignore", torch.jit.TracerWarning)
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", UserWarning)
        torch.onnx.export(
            part.module.eval(),
            part.examples,
            str(path),
            input_names=list(part.inputs),
            output_names=list(part.outputs),
            dynamic_axes=axes,
            opset_version=OPSET,
            dynamo=False,
        )


@torch.no_grad()
def _difference(path: Path, part: Part) -> float:
    """The largest difference for the examples, and for a larger batch of them where it may vary."""
    runtime = _import("onnxruntime")
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    batches = [part.examples]
    if all(0 in part.dynamic.get(name, {}) for name in part.inputs):
        batches.append(tuple(torch.cat([value, value.flip(0)]) for value in part.examples))

    differences = []
    for batch in batches:
        arrays = dict(zip(part.inputs, (value.numpy() for value in batch), strict=True))
        expected = part.module(*batch)
        expected = expected if isinstance(expected, tuple) else (expected,)
        differences += [
            float(np.abs(value - wanted.numpy()).max() / max(float(wanted.abs().max()), 1e-6))
            for value, wanted in zip(session.run(None, arrays), expected, strict=True)
        ]
    return max(differences)


def _import(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        raise ExportError(
            f'ONNX files need the package {name}: pip install "assistant-perception[onnx]"'
        ) from error
