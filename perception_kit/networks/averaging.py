# SPDX-License-Identifier: Apache-2.0
"""The mean of the weights of several models."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from perception_kit.networks.model_file import read_model
from perception_kit.networks.model_metadata import ModelFileError, model_kind

# Metadata in which the models of a mean may differ. All else says how the network is to be used.
INDIVIDUAL_KEYS = ("kind", "input_size", "training")


def average(paths: Sequence[Path]) -> tuple[str, dict[str, torch.Tensor], dict[str, Any]]:
    """Kind, mean tensors and metadata of the model files ``paths``.

    Integer tensors and metadata are those of the first model. Raises ModelFileError where the
    models are not of one kind, network and table of classes.
    """
    kind = model_kind(paths[0])
    tensors, metadata = read_model(paths[0], kind)
    total = dict(tensors)
    for path in paths[1:]:
        path_tensors, path_metadata = read_model(path, kind)
        _check_metadata(paths[0], metadata, path, path_metadata)
        if _shapes(tensors) != _shapes(path_tensors):
            raise ModelFileError(
                f"the tensors of '{paths[0]}' and '{path}' differ in name or shape:"
                " no mean of these"
            )
        for name, tensor in path_tensors.items():
            if tensors[name].is_floating_point():
                total[name] = total[name] + tensor

    mean = {
        name: tensor / len(paths) if tensor.is_floating_point() else tensor
        for name, tensor in total.items()
    }
    return kind, mean, {key: value for key, value in metadata.items() if key != "kind"}


def _check_metadata(
    first: Path, metadata: dict[str, Any], path: Path, path_metadata: dict[str, Any]
) -> None:
    """Raises ModelFileError where two models are not to be used in the same way."""
    for key in sorted((metadata.keys() | path_metadata.keys()) - set(INDIVIDUAL_KEYS)):
        value, path_value = metadata.get(key), path_metadata.get(key)
        if value != path_value:
            raise ModelFileError(
                f"'{first}' has {key} {value!s:.80}, but '{path}' has {path_value!s:.80}:"
                " no mean of these"
            )


def _shapes(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in tensors.items()}
