# SPDX-License-Identifier: Apache-2.0
"""Types of command line options, which say what they expect."""

from __future__ import annotations

import argparse
import math
import os
from collections.abc import Callable
from pathlib import Path

from perception_kit.resources import choose_device


def bounded_int(least: int) -> Callable[[str], int]:
    """Type of whole numbers that are at least this large."""

    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = least - 1
        if value < least:
            raise argparse.ArgumentTypeError(
                f"must be a whole number of at least {least}, got '{text}'"
            )
        return value

    return parse


def bounded_float(least: float, below: float = math.inf) -> Callable[[str], float]:
    """Type of numbers from ``least`` on and below ``below``."""

    def parse(text: str) -> float:
        value = _number(text)
        if not least <= value < below:
            limit = "" if below == math.inf else f" and below {below:g}"
            raise argparse.ArgumentTypeError(
                f"must be a number of at least {least:g}{limit}, got '{text}'"
            )
        return value

    return parse


def positive_float(text: str) -> float:
    """Type of finite numbers above 0."""
    value = _number(text)
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"must be a positive number, got '{text}'")
    return value


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def model_file(text: str) -> Path:
    """Type of the path of a model file to write, in a folder that may not exist yet: refused before
    hours of work, not after them.
    """
    path = Path(text)
    if path.suffix != ".safetensors" or path.is_dir():
        raise argparse.ArgumentTypeError(
            f"must be a file whose name ends in .safetensors, got '{text}'"
        )
    above = next(parent for parent in path.absolute().parents if parent.exists())
    if not (above.is_dir() and os.access(above, os.W_OK)):
        raise argparse.ArgumentTypeError(
            f"'{text}' cannot be written: '{above}' is no folder that you may write to"
        )
    return path


def device(text: str) -> str:
    """Type of PyTorch devices; see ``choose_device``."""
    try:
        return choose_device(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
