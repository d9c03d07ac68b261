# SPDX-License-Identifier: Apache-2.0
"""Reading the files of a dataset so that whatever is missing or damaged is named."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import yaml


class DatasetError(ValueError):
    """A dataset folder lacks a file or a key, a file is damaged, or two of them disagree. The message names the file."""


def read_json(path: Path) -> dict[str, Any]:
    """Content of a JSON file. Raises DatasetError."""
    try:
        return json.loads(_read_text(path))
    except json.JSONDecodeError as error:
        raise DatasetError(f"'{path}' is not valid JSON ({error})") from error


def read_yaml(path: Path) -> dict[Any, Any]:
    """Content of a YAML file. Raises DatasetError."""
    try:
        # The C loader is 8 times faster, which is a minute for a large gt.yml; a PyYAML without libyaml has only the other one.
        content = yaml.load(_read_text(path), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.YAMLError as error:
        raise DatasetError(f"'{path}' is not valid YAML ({error})") from error
    if not isinstance(content, dict):
        raise DatasetError(f"'{path}' holds {type(content).__name__}, expected entries by number")
    return content


def required(entry: Mapping[Any, Any], key: Any, path: Path) -> Any:
    """``entry[key]``. Raises DatasetError naming the file where it is missing."""
    if key not in entry:
        raise DatasetError(f"'{path}' lacks the key '{key}' (it has {sorted(entry, key=str)[:12]})")
    return entry[key]


def read_image(path: Path, flags: int) -> np.ndarray:
    """Pixels of an image file, read by OpenCV with ``flags``. Raises DatasetError."""
    image = cv2.imread(str(path), flags) if path.is_file() else None
    if image is None:
        raise DatasetError(f"image '{path}' is missing or cannot be decoded")
    return image


def read_colour(path: Path) -> np.ndarray:
    """(H, W, 3) uint8 RGB image; an alpha channel is dropped. Raises DatasetError."""
    return cv2.cvtColor(read_image(path, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def read_depth(path: Path, metres_per_unit: float) -> np.ndarray:
    """(H, W) float32 metres of a 16-bit depth image, 0 unknown. Raises DatasetError, also for an image of another kind."""
    raw = read_image(path, cv2.IMREAD_UNCHANGED)
    if raw.ndim != 2 or raw.dtype != np.uint16:
        raise DatasetError(f"'{path}' has shape {raw.shape} of {raw.dtype}, expected one channel of 16-bit depth")
    return raw.astype(np.float32) * np.float32(metres_per_unit)


def _read_text(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        kind = "does not exist" if not path.is_file() else f"cannot be read ({error})"
        raise DatasetError(f"'{path}' {kind}: the dataset needs it") from error
