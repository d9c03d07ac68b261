# SPDX-License-Identifier: Apache-2.0
"""Action networks run by OpenVINO, as they are or with 8-bit integers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from actionrec_node.networks.action_model import (
    ActionModel,
    load_action_model,
    prepare_clip,
)
from actionrec_node.networks.classifier import action_graph_key, int8_path, refuse_nonsense
from perception_kit.networks.graph_cache import keep_graph, kept_graph
from perception_kit.networks.model_file import file_sha256
from perception_kit.networks.openvino_module import OpenVINOModule, to_graph
from perception_kit.networks.openvino_runtime import (
    DYNAMIC,
    Runtime,
    RuntimeUnavailableError,
    choose_runtime,
    import_package,
    read_graph,
    save_graph,
)
from perception_kit.resources import AUTO_RUNTIME, INT8_RUNTIME

if TYPE_CHECKING:
    import openvino

# Where a graph says of which model file it was made.
_MODEL_HASH = ("assistant_perception", "model_sha256")


class Positional(nn.Module):
    """A network that takes its inputs, which have names, in the order of ``names``."""

    def __init__(self, network: nn.Module, names: Sequence[str]) -> None:
        super().__init__()
        self.network, self.names = network, tuple(names)

    def forward(self, *clips: Tensor) -> Tensor:
        return self.network(**dict(zip(self.names, clips, strict=True)))


class OpenVINONetwork(nn.Module):
    """A compiled network that takes its inputs by name."""

    def __init__(self, graph: openvino.Model, names: Sequence[str]) -> None:
        super().__init__()
        self.names = tuple(names)
        self.compiled = OpenVINOModule(graph)

    def forward(self, **clips: Tensor) -> Tensor:
        """Logits (N, C)."""
        return self.compiled(*(clips[name] for name in self.names))


@dataclass(frozen=True)
class RuntimeModel:
    """A model in evaluation mode, and what runs its network."""

    model: ActionModel
    runtime: Runtime


def load_runtime_model(
    path: str | Path, device: str = "cpu", runtime: str = AUTO_RUNTIME
) -> RuntimeModel:
    """The model of a file.

    ``runtime`` is one of ``RUNTIMES``, or ``INT8_RUNTIME``. Raises ModelFileError for a file that
    is not a usable action model, RuntimeUnavailableError where the runtime is not installed or not
    for ``device``, and where ``write_int8`` has not been run for the file.
    """
    chosen = choose_runtime(runtime, device)
    model = load_action_model(path, chosen.device)
    if chosen.name != "pytorch":
        # OpenVINO's activations make 0 of what is not a number.
        refuse_nonsense(model, path)

    def compile_network() -> None:
        graph = _read_int8(Path(path)) if runtime == INT8_RUNTIME else _kept_graph(model, path)
        model.network = OpenVINONetwork(graph, model.inputs)

    chosen.compile(compile_network)
    return RuntimeModel(model, chosen)


def _kept_graph(model: ActionModel, path: str | Path) -> openvino.Model:
    """The graph of the network of a model file, which PyTorch has seen; kept for the next time."""
    key = action_graph_key(Path(path))
    return kept_graph(key) or keep_graph(key, network_graph(model))


def network_graph(model: ActionModel) -> openvino.Model:
    """OpenVINO graph of the network, for any number of clips of the model's length and size."""
    shape = (model.spec.clip_length, model.spec.size, model.spec.size, 3)
    noise = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    examples = list(network_inputs(model, noise).values())
    return to_graph(
        Positional(model.network, model.inputs),
        examples,
        [(DYNAMIC, *example.shape[1:]) for example in examples],
    )


@torch.inference_mode()
def network_inputs(model: ActionModel, clip: np.ndarray) -> dict[str, Tensor]:
    """What the network of ``model`` is given, by name, for one clip (T, H, W, 3) uint8."""
    return model.network_inputs(*(value.unsqueeze(0) for value in prepare_clip(clip, model.spec)))


def write_int8(model: ActionModel, model_path: Path, clips: Sequence[np.ndarray]) -> Path:
    """Quantize the network of a model file to 8-bit integers and write it beside the file.

    The ranges of the values are those that they have on the ``clips`` (T, H, W, 3) uint8. Returns
    the path of the graph. Raises RuntimeUnavailableError where nncf or OpenVINO is missing.
    """
    nncf = import_package("nncf")
    samples = nncf.Dataset(
        clips, lambda clip: [value.numpy() for value in network_inputs(model, clip).values()]
    )
    graph = nncf.quantize(network_graph(model), samples, subset_size=len(clips))
    graph.set_rt_info(file_sha256(model_path), list(_MODEL_HASH))
    save_graph(graph, int8_path(model_path))
    return int8_path(model_path)


def _read_int8(model_path: Path) -> openvino.Model:
    path = int8_path(model_path)
    advice = (
        f"run 'python -m actionrec_node.quantize --model {model_path} --data DIR'"
        " with clips like those that it will see"
    )
    if not path.is_file():
        raise RuntimeUnavailableError(
            f"runtime '{INT8_RUNTIME}' needs '{path}', which does not exist: {advice}"
        )

    graph = read_graph(path)
    model_hash = list(_MODEL_HASH)
    made_of = graph.get_rt_info(model_hash).astype(str) if graph.has_rt_info(model_hash) else ""
    if made_of != file_sha256(model_path):
        raise RuntimeUnavailableError(
            f"'{path}' was not made of '{model_path}' as it is now: {advice}"
        )
    return graph
