# SPDX-License-Identifier: Apache-2.0
"""Metadata of model files, read without PyTorch and without the tensors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from perception_kit.budgets import parse_json
from perception_kit.networks.metadata_schema import metadata_fault

# Key of the JSON text among the safetensors metadata.
METADATA_KEY = "assistant_perception"


class ModelFileError(ValueError):
    """The file is missing, is not a model file of this project, or holds another kind of model."""


def read_metadata(path: str | Path, kind: str | None = None) -> dict[str, Any]:
    """Metadata of a model file, of ``kind`` ("segmentation", "pose", "action") where given.

    Raises ModelFileError with what to do.
    """
    metadata = _read(Path(path))
    if kind is not None and metadata.get("kind") != kind:
        raise ModelFileError(
            f"'{path}' holds a '{metadata.get('kind')}' model, expected a '{kind}' model"
        )
    return metadata


def model_kind(path: str | Path) -> str:
    """Kind of a model file ("segmentation", "pose", "action"). Raises ModelFileError."""
    return read_metadata(path).get("kind", "")


def _read(path: Path) -> dict[str, Any]:
    """Metadata of a model file of any kind. Raises ModelFileError."""
    if path.is_dir():
        raise ModelFileError(
            f"'{path}' is a folder, expected a model file: name one of the .safetensors files in it"
        )
    if not path.is_file():
        raise ModelFileError(
            f"model file '{path}' does not exist: check its path, or train a model (see README)"
        )

    try:
        with safe_open(str(path), framework="numpy") as file:
            raw = (file.metadata() or {}).get(METADATA_KEY)
    except (SafetensorError, OSError) as error:
        raise ModelFileError(f"'{path}' is not a safetensors model file ({error})") from error

    if raw is None:
        raise ModelFileError(
            f"'{path}' is a safetensors file without '{METADATA_KEY}' metadata:"
            " it was not written by this project's training or conversion commands"
        )
    try:
        metadata = parse_json(raw)
    except ValueError as error:
        raise ModelFileError(f"'{path}' has metadata that cannot be read ({error})") from error
    if fault := metadata_fault(metadata):
        raise ModelFileError(f"'{path}' describes no model: {fault}; train or convert it again")
    return metadata
