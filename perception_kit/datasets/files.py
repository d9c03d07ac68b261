# SPDX-License-Identifier: Apache-2.0
"""Reads the files of a dataset; errors name what is missing or damaged."""

from __future__ import annotations

import json
from collections.abc import Mapping
from operator import itemgetter
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import yaml

from perception_kit.budgets import BudgetError, parse_json, parse_yaml, regular
from perception_kit.picture_files import read_pixels


class DatasetError(ValueError):
    """A dataset folder lacks a file or a key, a file is damaged, or two of them disagree.

    The message names the file.
    """


def read_json(path: Path) -> dict[str, Any]:
    """Entries of a JSON file. Raises DatasetError."""
    try:
        return _entries(parse_json(_read_text(path)), path)
    except json.JSONDecodeError as error:
        raise DatasetError(f"'{path}' is not valid JSON ({error})") from error


def read_yaml(path: Path) -> dict[Any, Any]:
    """Entries of a YAML file. Raises DatasetError."""
    try:
        return _entries(parse_yaml(_read_text(path)), path)
    except yaml.YAMLError as error:
        raise DatasetError(f"'{path}' is not valid YAML ({error})") from error


def by_number(entries: Mapping[Any, Any], path: Path) -> list[tuple[int, Any]]:
    """Number and content of the ``entries`` of a file, in ascending order.

    Raises DatasetError for a key that is no number.
    """
    try:
        return sorted(((int(key), content) for key, content in entries.items()), key=itemgetter(0))
    except (TypeError, ValueError, OverflowError) as error:
        raise DatasetError(
            f"'{path}' holds entries by number, but one of them has none ({error})"
        ) from error


def required(entry: Any, key: Any, path: Path) -> Any:
    """``entry[key]``. Raises DatasetError naming the file where it is missing."""
    if not isinstance(entry, Mapping):
        raise DatasetError(f"'{path}' holds {entry!r:.60} where the key '{key}' is expected")
    if key not in entry:
        raise DatasetError(f"'{path}' lacks the key '{key}' (it has {sorted(entry, key=str)[:12]})")
    return entry[key]


def required_list(entry: Any, key: Any, path: Path) -> list[Any]:
    """``entry[key]``. Raises DatasetError where it is missing or no list."""
    values = required(entry, key, path)
    if not isinstance(values, list):
        raise DatasetError(f"'{path}': '{key}' is {values!r:.60}, expected a list")
    return values


def numbers(entry: Any, key: Any, count: int, path: Path) -> np.ndarray:
    """``entry[key]`` as (count,) float64.

    Raises DatasetError unless it holds exactly ``count`` finite numbers.
    """
    content = required(entry, key, path)
    try:
        values = np.array(content, float).reshape(-1)
    except (TypeError, ValueError, OverflowError):
        values = np.zeros(0)

    if values.size != count or not np.isfinite(values).all():
        plural = "s" if count > 1 else ""
        raise DatasetError(
            f"'{path}': '{key}' is {content!s:.200}, expected {count} finite number{plural}"
        )
    return values


def positive(entry: Any, key: Any, path: Path) -> float:
    """``entry[key]``. Raises DatasetError where it is not a finite number above 0."""
    value = float(numbers(entry, key, 1, path)[0])
    if value <= 0:
        raise DatasetError(f"'{path}': '{key}' is {value}, expected a number above 0")
    return value


def fraction(entry: Any, key: Any, path: Path) -> float:
    """``entry[key]``. Raises DatasetError where it is not a number from 0 to 1."""
    value = float(numbers(entry, key, 1, path)[0])
    if not 0 <= value <= 1 + 1e-6:  # a quotient may be rounded up
        raise DatasetError(f"'{path}': '{key}' is {value:g}, expected a fraction from 0 to 1")
    return min(value, 1.0)


def whole(entry: Any, key: Any, path: Path) -> int:
    """``entry[key]``. Raises DatasetError where it is not a whole number."""
    value = float(numbers(entry, key, 1, path)[0])
    if not value.is_integer() or abs(value) >= 2**53:
        raise DatasetError(f"'{path}': '{key}' is {value:g}, expected a whole number")
    return int(value)


def read_image(path: Path, flags: int) -> np.ndarray:
    """Pixels of an image file, read by OpenCV with ``flags``. Raises DatasetError."""
    try:
        image = read_pixels(path, flags)
    except (FileNotFoundError, IsADirectoryError):
        image = None
    except (BudgetError, OSError) as error:
        raise DatasetError(f"image '{path}': {error}") from error
    if image is None:
        raise DatasetError(f"image '{path}' is missing or cannot be decoded")
    return image


def read_color(path: Path) -> np.ndarray:
    """(H, W, 3) uint8 RGB image; an alpha channel is dropped. Raises DatasetError."""
    return cv2.cvtColor(read_image(path, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def read_depth(path: Path, meters_per_unit: float) -> np.ndarray:
    """(H, W) float32 metres of a 16-bit depth image, 0 unknown.

    Raises DatasetError, also for an image of another kind.
    """
    raw = read_image(path, cv2.IMREAD_UNCHANGED)
    if raw.ndim != 2 or raw.dtype != np.uint16:
        raise DatasetError(
            f"'{path}' has shape {raw.shape} of {raw.dtype}, expected one channel of 16-bit depth"
        )
    return raw.astype(np.float32) * np.float32(meters_per_unit)


def _entries(content: Any, path: Path) -> dict[Any, Any]:
    if not isinstance(content, dict):
        raise DatasetError(f"'{path}' holds {type(content).__name__}, expected entries by number")
    return content


def _read_text(path: Path) -> str:
    try:
        return regular(path).read_text()
    except (OSError, UnicodeDecodeError) as error:
        kind = "does not exist" if not path.exists() else f"cannot be read ({error})"
        raise DatasetError(f"'{path}' {kind}: the dataset needs it") from error
