# SPDX-License-Identifier: Apache-2.0
"""Published weights of 3D-ResNets-PyTorch and of I3D for PyTorch, read for the networks here."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from torch import Tensor, nn

from actionrec_node.networks.action_model_spec import KIND
from actionrec_node.networks.resnext3d_lite0 import ResNeXt3dLite0
from actionrec_node.networks.stages import stages_of
from perception_kit.networks.model_file import misfit, read_model, read_state_dict
from perception_kit.networks.model_metadata import ModelFileError, read_metadata

_I3D_STEM = "Conv3d_1a_7x7.conv3d.weight"
_I3D_STREAMS = {3: "rgb", 2: "flow"}  # by input channels
SUPPORTED = (
    "resnet3d_50, resnet3d_101, resnet3d_152 and resnet3d_200 (r3d50 to r3d200 of"
    " 3D-ResNets-PyTorch), resnext3d_50, resnext3d_101, those with _stem64, and I3D"
)
# Other video networks, by what their tensors are called.
OTHER_NETWORKS = {
    r"^conv1_[st]\.|conv1\.0\.[03]\.": "R(2+1)D",
    r"^stem\.0\.": "a video ResNet of torchvision",
    r"pathway\d": "SlowFast",
    r"^blocks\.\d+\.(norm|attn)|temporal_embed": "a video transformer",
    r"^cls_head\.": "a model of MMAction2",
    r"^encoder_q\.": "MoCo",
}
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

    It is a model file of this project or a published checkpoint (``read_state_dict``). The tensors
    of an I3D stream get ``rgb.`` or ``flow.`` in front of theirs, by its input channels. Raises
    ModelFileError naming the file where it holds nothing of the kind.
    """
    path = Path(path)
    if path.suffix == ".safetensors":
        return read_model(path, KIND)[0]

    return _i3d_names(read_state_dict(path), path)


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


def _advice(tensors: dict[str, Tensor]) -> str:
    """What to do with tensors that do not fit: for networks that are not built here, what is."""
    for name, other in OTHER_NETWORKS.items():
        if any(re.search(name, tensor) for tensor in tensors):
            return f"they are those of {other}, which is not supported; supported are {SUPPORTED}"
    block = {name for name in tensors if name.startswith("layer1.0.conv")}
    if block and "layer1.0.conv3.weight" not in block:
        return (
            "they are those of a 3D ResNet-18 or -34, which is not supported; supported are"
            f" {SUPPORTED}"
        )
    return (
        "name the one that they were trained with, its classes where they are kept, and for the"
        " two streams of I3D both files"
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

    # The weights of a fast path alone leave the slow path as it is.
    added = ResNeXt3dLite0.ADDED if isinstance(network, ResNeXt3dLite0) else ()
    if added and not any(name.startswith(added) for name in tensors):
        tensors |= {name: tensor for name, tensor in own.items() if name.startswith(added)}

    # Checkpoints older than PyTorch 0.4.1 have no batch counters; nothing here reads them.
    counters = {
        name: tensor for name, tensor in own.items() if name.endswith("num_batches_tracked")
    }
    tensors = counters | tensors

    if found := misfit(network, tensors):
        raise ModelFileError(
            f"the tensors in {', '.join(map(repr, map(str, paths)))} do not fit the network that"
            f" --architecture names: {found}; {_advice(tensors)}"
        )
    network.load_state_dict(tensors)
