# SPDX-License-Identifier: Apache-2.0
"""Published weights of 3D-ResNets-PyTorch and of I3D for PyTorch, read for the networks here."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from actionrec_node.networks.action_model import KIND
from actionrec_node.networks.stages import stages_of
from perception_kit.networks.model_file import misfit, read_model
from perception_kit.networks.model_metadata import ModelFileError, read_metadata

_I3D_STEM = "Conv3d_1a_7x7.conv3d.weight"
_I3D_STREAMS = {3: "rgb", 2: "flow"}  # by input channels
# The second public layout of I3D (model_rgb.pth, model_flow.pth) differs in names only.
_I3D_RENAMED = (
    (r"\.batch3d\.", ".bn."),
    (r"^conv3d_0c_1x1\.", "logits."),
    (r"^conv3d_", "Conv3d_"),
    (r"^mixed_", "Mixed_"),
    (r"\.branch_0\.", ".b0."),
    (r"\.branch_([12])\.0\.", r".b\1a."),
    (r"\.branch_([12])\.1\.", r".b\1b."),
    (r"\.branch_3\.1\.", ".b3b."),
)


def read_tensors(path: str | Path) -> dict[str, Tensor]:
    """Tensors of one file, with the names that the networks here have.

    It is a model file of this project or a published checkpoint. The checkpoint is read without
    running any code from it; it may hold the tensors under ``state_dict``, and DataParallel's
    ``module.`` in front of their names. The tensors of an I3D stream get ``rgb.`` or ``flow.`` in
    front of theirs, by its input channels. Raises ModelFileError naming the file where it holds
    nothing of the kind.
    """
    path = Path(path)
    if path.suffix == ".safetensors":
        return read_model(path, KIND)[0]

    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    # What the unpickler raises for a file that is no checkpoint depends on the file; what it says
    # proposes to run the code of the file.
    except Exception as error:
        raise ModelFileError(
            f"'{path}' cannot be read as a PyTorch checkpoint of tensors alone"
            f" ({type(error).__name__}): save its state_dict"
        ) from error

    tensors = content.get("state_dict", content) if isinstance(content, dict) else None
    if not tensors or not all(isinstance(tensor, Tensor) for tensor in tensors.values()):
        raise ModelFileError(
            f"'{path}' holds no tensors by name, neither at its top nor under 'state_dict'"
        )
    tensors = {name.removeprefix("module."): tensor for name, tensor in tensors.items()}
    return _i3d_names(tensors, path)


def _i3d_names(tensors: dict[str, Tensor], path: Path) -> dict[str, Tensor]:
    """The tensors of an I3D stream under this project's names; those of any other network stay."""
    renamed = {}
    for name, tensor in tensors.items():
        for pattern, replacement in _I3D_RENAMED:
            name = re.sub(pattern, replacement, name)
        renamed[name] = tensor
    if _I3D_STEM not in renamed:
        return tensors

    # The stem's input channels tell which stream it is.
    channels = renamed[_I3D_STEM].shape[1]
    if channels not in _I3D_STREAMS:
        raise ModelFileError(
            f"'{path}' is an I3D stream of {channels} input channels, expected 3 (RGB) or 2 (flow)"
        )
    return {f"{_I3D_STREAMS[channels]}.{name}": tensor for name, tensor in renamed.items()}


def are_of_classes(paths: Sequence[str | Path], class_names: Sequence[str]) -> bool:
    """Whether the files are one model file of this project with these classes, in this order.

    Then its classifier means the same here. Raises ModelFileError where it is a file of another
    kind.
    """
    path = Path(paths[0])
    return (
        len(paths) == 1
        and path.suffix == ".safetensors"
        and read_metadata(path, KIND).get("class_names") == list(class_names)
    )


def load_pretrained(network: nn.Module, paths: Sequence[str | Path], keep_classifier: bool) -> None:
    """Copy the tensors of the files into ``network``, which has stages.

    There is one file for each stream of I3D, else one. Without ``keep_classifier`` the last stage
    keeps its own fresh weights, whatever classes the files were trained on. Raises ModelFileError
    naming the files and the network unless all other tensors are there in the right shape.
    """
    tensors = {name: tensor for path in paths for name, tensor in read_tensors(path).items()}
    own = network.state_dict()

    if not keep_classifier:
        classifier = list(stages_of(network).values())[-1]
        kept = {name: tensor for name, tensor in own.items() if name.startswith(classifier)}
        body = {name: tensor for name, tensor in tensors.items() if not name.startswith(classifier)}
        tensors = body | kept

    # Checkpoints older than PyTorch 0.4.1 have no batch counters; nothing here reads them.
    counters = {
        name: tensor for name, tensor in own.items() if name.endswith("num_batches_tracked")
    }
    tensors = counters | tensors

    if found := misfit(network, tensors):
        raise ModelFileError(
            f"the tensors in {', '.join(map(repr, map(str, paths)))} do not fit the network that"
            f" --architecture names: {found}; name the one that they were trained with, its classes"
            " where they are kept, and for the two streams of I3D both files"
        )
    network.load_state_dict(tensors)
