# SPDX-License-Identifier: Apache-2.0
"""Networks of PyTorch as OpenVINO graphs, and such graphs as modules of PyTorch."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from perception_kit.networks.graph_cache import LIBRARIES, hash_libraries, keep_graph, kept_graph
from perception_kit.networks.openvino_runtime import CompiledGraph, import_package

if TYPE_CHECKING:
    import openvino

_PLAIN = (bool, int, float, str, tuple, type(None))


class OpenVINOModule(nn.Module):
    """An OpenVINO graph that is called like the module it was made of.

    It takes CPU tensors, returns a tensor or a tuple of tensors, and holds no parameters. It
    computes as ``CompiledGraph`` does, in as many threads as PyTorch has at its construction.
    """

    def __init__(self, graph: openvino.Model, rounds: bool = False) -> None:
        super().__init__()
        self._compiled = CompiledGraph(graph, rounds, torch.get_num_threads())

        # Dynamic sizes are 0 in the outputs of empty inputs.
        self._shapes = [
            [size.get_length() if size.is_static else 0 for size in output.partial_shape]
            for output in graph.outputs
        ]

    def forward(self, *inputs: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Outputs of the graph; empty ones for empty inputs."""
        if any(value.numel() == 0 for value in inputs):
            outputs = tuple(torch.zeros(shape) for shape in self._shapes)
        else:
            results = self._compiled([value.contiguous().numpy() for value in inputs])
            outputs = tuple(map(torch.from_numpy, results))
        return outputs[0] if len(outputs) == 1 else outputs


def to_graph(
    module: nn.Module, examples: Sequence[Tensor], shapes: Sequence[Sequence[int]]
) -> openvino.Model:
    """OpenVINO graph of ``module``, which must be in evaluation mode.

    ``examples`` are positional arguments to trace it with; their ``shapes`` are fixed except for
    sizes that are ``DYNAMIC``. Raises RuntimeUnavailableError without OpenVINO.
    """
    openvino = import_package("openvino")
    inputs = [openvino.PartialShape(list(shape)) for shape in shapes]
    with torch.no_grad(), warnings.catch_warnings():
        # The tracer warns of sizes that become constants, and those are the fixed ones.
        warnings.simplefilter("ignore", torch.jit.TracerWarning)

        # OpenVINO reads modules through torch.jit, which is deprecated.
        warnings.simplefilter("ignore", DeprecationWarning)
        return openvino.convert_model(module, example_input=tuple(examples), input=inputs)


def cached_graph(
    module: nn.Module, examples: Sequence[Tensor], shapes: Sequence[Sequence[int]]
) -> openvino.Model:
    """``to_graph`` of these arguments, or the graph that an earlier call has made of the same ones.

    A graph that cannot be kept is a RuntimeWarning.
    """
    key = _key(module, examples, shapes)
    return kept_graph(key) or keep_graph(key, to_graph(module, examples, shapes))


def compile_module(
    module: nn.Module,
    examples: Sequence[Tensor],
    shapes: Sequence[Sequence[int]],
    rounds: bool = False,
) -> OpenVINOModule:
    """``module`` compiled; see ``cached_graph`` and ``OpenVINOModule``."""
    return OpenVINOModule(cached_graph(module, examples, shapes), rounds)


def _key(module: nn.Module, examples: Sequence[Tensor], shapes: Sequence[Sequence[int]]) -> str:
    """Name of the graph: a hash of all that it is made of."""
    digest = hash_libraries()
    described = [
        f"{example.dtype} {[*shape]}" for example, shape in zip(examples, shapes, strict=True)
    ]
    digest.update("\n".join([*described, repr(module)]).encode())

    # Hyperparameters, weights, and the code that uses them.
    sources: set[Path] = set()
    for name, part in module.named_modules():
        plain = {key: value for key, value in vars(part).items() if isinstance(value, _PLAIN)}
        digest.update(f"{name} {type(part)} {sorted(plain.items())}".encode())
        if type(part).__module__.partition(".")[0] not in LIBRARIES:
            sources.add(Path(inspect.getfile(type(part))).parent)
    for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
        digest.update(f"{name} {tensor.dtype} {[*tensor.shape]}".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    for folder in sorted(sources):
        for path in sorted(folder.glob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()
