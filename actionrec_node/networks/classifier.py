# SPDX-License-Identifier: Apache-2.0
"""Classifies clips by the network of a model file, without PyTorch where that can be.

PyTorch sees a network first, and its graph is kept only then. A kept one needs no PyTorch, which
takes longer to start and more memory than all else in a node.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from actionrec_node.networks.action_model_spec import ActionModelSpec, read_spec
from actionrec_node.networks.architectures import find_architecture
from actionrec_node.networks.optical_flow import clip_flow
from perception_kit.networks.graph_cache import kept_graph, model_file_key
from perception_kit.networks.model_metadata import ModelFileError
from perception_kit.networks.openvino_runtime import CompiledGraph, Runtime, choose_runtime
from perception_kit.resources import AUTO_RUNTIME, loaded_threads, use_threads

if TYPE_CHECKING:
    import openvino


class ClipClassifier(Protocol):
    """What classifies clips: an ``ActionModel`` or a ``GraphClassifier``."""

    spec: ActionModelSpec

    def probabilities(self, clips: Sequence[np.ndarray]) -> np.ndarray:
        """N clips (T, H, W, 3) uint8 to class probabilities (N, C) float32."""
        ...


class GraphClassifier:
    """A graph of OpenVINO, which is given what ``ActionModel`` gives its network."""

    def __init__(self, spec: ActionModelSpec, graph: openvino.Model, threads: int) -> None:
        self.spec = spec
        self._compiled = CompiledGraph(graph, threads=threads)
        self._inputs = find_architecture(spec.architecture).inputs
        self._mean, self._std = (
            np.array(values, np.float32) * np.float32(255) for values in (spec.mean, spec.std)
        )

    def probabilities(self, clips: Sequence[np.ndarray]) -> np.ndarray:
        """N clips (T, H, W, 3) uint8 to class probabilities (N, C) float32."""
        stacked = np.stack(clips)
        seen = {
            "rgb": lambda: (stacked - self._mean) / self._std,
            "flow": lambda: np.stack([clip_flow(clip) for clip in clips]),
        }
        inputs = [np.ascontiguousarray(np.moveaxis(seen[name](), -1, 1)) for name in self._inputs]
        (logits,) = self._compiled(inputs)
        return softmax(logits)


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities (N, C) float32 of logits (N, C), rounded once."""
    exponentials = np.exp((logits - logits.max(axis=1, keepdims=True)).astype(np.float64))
    return (exponentials / exponentials.sum(axis=1, keepdims=True)).astype(np.float32)


@dataclass(frozen=True)
class LoadedClassifier:
    """A ``model`` that classifies clips, which several recognizers may share, and what runs it."""

    model: ClipClassifier
    runtime: Runtime


def load_classifier(
    path: Path, device: str = "cpu", runtime: str = AUTO_RUNTIME, threads: int = 0
) -> LoadedClassifier:
    """What classifies clips by the network of a model file, and what runs that.

    It runs in so many CPU ``threads``; 0: as many as PyTorch has, where that is loaded, else the
    runtime's own choice. See ``load_runtime_model`` for ``runtime`` and what is raised.
    """
    chosen = choose_runtime(runtime, device)
    if chosen.name == "openvino" and (kept := _kept_classifier(path, threads)) is not None:
        return LoadedClassifier(kept, chosen)

    from actionrec_node.networks.openvino import load_runtime_model

    use_threads(threads)
    loaded = load_runtime_model(path, device, runtime)
    if loaded.runtime.name == "openvino" and (kept := _kept_classifier(path, threads)) is not None:
        # Now as at every later start, so that these give the same.
        return LoadedClassifier(kept, loaded.runtime)
    return LoadedClassifier(loaded.model, loaded.runtime)


def _kept_classifier(path: Path, threads: int) -> GraphClassifier | None:
    """A classifier without PyTorch; None where no graph of the model file is kept or runs."""
    spec = read_spec(path)
    graph = kept_graph(action_graph_key(path))
    if graph is None:
        return None
    try:
        return GraphClassifier(spec, graph, threads or loaded_threads())
    except RuntimeError:  # of OpenVINO, which ``load_runtime_model`` meets and reports, too
        return None


def refuse_nonsense(model: ClipClassifier, path: str | Path) -> None:
    """Classify a clip of noise by the ``model`` of the file ``path``.

    Raises ModelFileError where the scores are not finite.
    """
    shape = (model.spec.clip_length, model.spec.size, model.spec.size, 3)
    noise = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    if not np.isfinite(model.probabilities([noise])).all():
        raise ModelFileError(
            f"'{path}' is of no use: its network gave scores that are not finite; train it again"
        )


def action_graph_key(path: Path) -> str:
    """Name by which the graph of a model file is kept."""
    return model_file_key(path, Path(__file__).parent)


def int8_path(model_path: Path) -> Path:
    """Where ``write_int8`` puts the graph of a model file."""
    return model_path.with_suffix(".int8.xml")
