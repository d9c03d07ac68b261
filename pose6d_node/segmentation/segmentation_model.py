# SPDX-License-Identifier: Apache-2.0
"""A segmentation model: the network with its classes and its input, as one file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torchvision.models.detection import MaskRCNN

from perception_kit.networks.model_file import load_weights, read_model, save_model
from perception_kit.networks.model_metadata import ModelFileError
from pose6d_node.segmentation.depth_input import ColorDepthBackbone
from pose6d_node.segmentation.descriptor import DESCRIPTOR_SIZE
from pose6d_node.segmentation.network import IMAGE_MEAN, IMAGE_STD, build_network

KIND = "segmentation"


@dataclass(frozen=True)
class SegmentationModelSpec:
    """Metadata of a segmentation model file.

    ``class_names`` belong to the labels 1, 2, …; images are fitted into ``input_size`` = (width,
    height) pixels; ``mean`` and ``std`` per RGB channel of values 0 to 1; with ``depth``, the
    network sees a fourth channel. ``bfloat16``: it was measured that the network finds as much in
    bfloat16. Raises ValueError for values that no model has.
    """

    architecture: str
    class_names: list[str]
    input_size: tuple[int, int]
    mean: Sequence[float] = IMAGE_MEAN
    std: Sequence[float] = IMAGE_STD
    descriptor_size: int = DESCRIPTOR_SIZE
    depth: bool = False
    bfloat16: bool = False

    def __post_init__(self) -> None:
        if min(self.input_size) < 1:
            raise ValueError(f"input_size is {self.input_size}")

    @classmethod
    def from_metadata(cls, metadata: dict[str, Any]) -> SegmentationModelSpec:
        """The specification that a model file states.

        The first files knew no depth. Raises KeyError, TypeError or ValueError where something is
        missing or is not what a model has.
        """
        return cls(
            architecture=metadata["architecture"],
            class_names=metadata["class_names"],
            input_size=tuple(metadata["input_size"]),
            mean=metadata["mean"],
            std=metadata["std"],
            descriptor_size=metadata.get("descriptor_size", DESCRIPTOR_SIZE),
            depth=metadata.get("depth", False),
            bfloat16=metadata.get("bfloat16", False),
        )


def save_segmentation(
    path: str | Path,
    network: MaskRCNN,
    architecture: str,
    class_names: list[str],
    input_size: Sequence[int],
) -> None:
    """Write a model file of a network of ``build_network`` with default normalisation.

    ``input_size`` is width and height in pixels.
    """
    width, height = input_size
    spec = SegmentationModelSpec(
        architecture,
        class_names,
        (width, height),
        descriptor_size=network.descriptor.size,
        depth=isinstance(network.backbone, ColorDepthBackbone),
    )
    save_model(path, KIND, network.state_dict(), asdict(spec))


def load_segmentation(path: str | Path) -> tuple[MaskRCNN, SegmentationModelSpec]:
    """Network, on the CPU, and specification of a model file.

    Raises ModelFileError where it is not a usable segmentation model.
    """
    tensors, metadata = read_model(path, KIND)
    try:
        spec = SegmentationModelSpec.from_metadata(metadata)
        network = build_network(
            spec.architecture, len(spec.class_names), spec.mean, spec.std, spec.depth
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ModelFileError(
            f"'{path}' is a segmentation model that this version cannot read ({error})"
        ) from error
    load_weights(network, tensors, path)
    return network, spec
