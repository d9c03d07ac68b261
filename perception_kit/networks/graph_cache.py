# SPDX-License-Identifier: Apache-2.0
"""Keeps OpenVINO graphs of networks on disk: to trace a network takes seconds, to read it does not.

They lie in ``$XDG_CACHE_HOME/assistant_perception/graphs``, else below ``~/.cache``, and may be
deleted at any time.
"""

from __future__ import annotations

import hashlib
import inspect
import os
import warnings
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor, nn

from perception_kit.networks.openvino_runtime import (
    OpenVINOModule,
    RuntimeUnavailableError,
    read_graph,
    save_graph,
    to_graph,
)
from perception_kit.resources import PACKAGE

if TYPE_CHECKING:
    import openvino

MAX_BYTES = 500_000_000  # of all graphs together; those that were not used for longest go first
_LIBRARIES = ("openvino", "torch", "torchvision")
_PLAIN = (bool, int, float, str, tuple, type(None))


def cached_graph(
    module: nn.Module, examples: Sequence[Tensor], shapes: Sequence[Sequence[int]]
) -> openvino.Model:
    """``to_graph`` of these arguments, or the graph that an earlier call has made of the same ones.

    A graph that cannot be kept is a RuntimeWarning.
    """
    path = graphs_folder() / f"{_key(module, examples, shapes)}.xml"
    if path.is_file():
        try:
            graph = read_graph(path)
            os.utime(path)
            return graph
        except (RuntimeUnavailableError, OSError):  # damaged, or deleted meanwhile
            pass

    graph = to_graph(module, examples, shapes)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_graph(graph, path)
        _delete_oldest(path.parent)
    except OSError as error:
        warnings.warn(
            f"a compiled network is not kept, so that each start takes longer: {error}",
            RuntimeWarning,
            2,
        )
    return graph


def compile_module(
    module: nn.Module,
    examples: Sequence[Tensor],
    shapes: Sequence[Sequence[int]],
    rounds: bool = False,
) -> OpenVINOModule:
    """``module`` compiled; see ``cached_graph`` and ``OpenVINOModule``."""
    return OpenVINOModule(cached_graph(module, examples, shapes), rounds)


def graphs_folder() -> Path:
    """Where the graphs lie."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / PACKAGE / "graphs"


def _key(module: nn.Module, examples: Sequence[Tensor], shapes: Sequence[Sequence[int]]) -> str:
    """Name of the graph: a hash of all that it is made of."""
    digest = hashlib.sha256()
    described = [f"{name} {version(name)}" for name in _LIBRARIES]
    described += [
        f"{example.dtype} {[*shape]}" for example, shape in zip(examples, shapes, strict=True)
    ]
    digest.update("\n".join([*described, repr(module)]).encode())

    # Hyperparameters, weights, and the code that uses them.
    sources: set[Path] = set()
    for name, part in module.named_modules():
        plain = {key: value for key, value in vars(part).items() if isinstance(value, _PLAIN)}
        digest.update(f"{name} {type(part)} {sorted(plain.items())}".encode())
        if type(part).__module__.partition(".")[0] not in _LIBRARIES:
            sources.add(Path(inspect.getfile(type(part))).parent)
    for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
        digest.update(f"{name} {tensor.dtype} {[*tensor.shape]}".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    for folder in sorted(sources):
        for path in sorted(folder.glob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()


def _delete_oldest(folder: Path) -> None:
    """Delete the graphs that were not used for longest until the others fit into ``MAX_BYTES``."""
    graphs = sorted(folder.glob("*.xml"), key=lambda path: path.stat().st_mtime, reverse=True)
    total = 0
    for path in graphs:
        weights = path.with_suffix(".bin")
        total += path.stat().st_size + (weights.stat().st_size if weights.is_file() else 0)
        if total > MAX_BYTES:
            path.unlink(missing_ok=True)
            weights.unlink(missing_ok=True)
