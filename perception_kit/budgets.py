# SPDX-License-Identifier: Apache-2.0
"""Limits on what a file may ask for, checked before memory is taken for it.

A few bytes can declare terabytes of pixels or hundred thousand nested lists.
"""

from __future__ import annotations

import io
import json
import stat
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from PIL import Image, UnidentifiedImageError

MAX_PIXELS = 200_000_000  # of one picture; the largest cameras have about 150 million
MAX_DEPTH = 100  # of nested lists and maps
_MAX_ALIASES = 100  # a value that is repeated in itself grows without end where it is written out
_OPENING, _CLOSING = np.frombuffer(b"[{", np.uint8), np.frombuffer(b"]}", np.uint8)


class BudgetError(ValueError):
    """A file asks for more than anything that is meant; the message says for what."""


def check_regular(path: Path) -> None:
    """Raise BudgetError for a device, a pipe or a socket, which might never end."""
    if path.exists() and not (path.is_dir() or stat.S_ISREG(path.stat().st_mode)):
        raise BudgetError(f"'{path}' is a device, a pipe or a socket, expected a file")


def check_picture(picture: Path | bytes | memoryview | np.ndarray) -> None:
    """Raise BudgetError for a picture, a file or its bytes, that declares too many pixels.

    What is no picture is left to whoever decodes it.
    """
    if isinstance(picture, Path):
        check_regular(picture)
    source = picture if isinstance(picture, Path) else io.BytesIO(bytes(picture))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(source) as opened:  # reads the header alone
                width, height = opened.size
    except Image.DecompressionBombError as error:
        raise BudgetError(f"a picture is refused: {error}") from error
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError):
        return
    if width * height > MAX_PIXELS:
        raise BudgetError(
            f"a picture declares {width}x{height} pixels, expected at most {MAX_PIXELS}"
        )


def parse_json(text: str | bytes) -> Any:
    """``json.loads``, which also raises JSONDecodeError for values that are nested too deeply."""
    try:
        return json.loads(text)
    except RecursionError as error:
        shown = text if isinstance(text, str) else text.decode(errors="replace")
        raise json.JSONDecodeError("values are nested too deeply", shown, 0) from error


def parse_yaml(text: str | bytes) -> Any:
    """The content of a YAML text, without any objects but plain values.

    Raises YAMLError, also for values that are nested too deeply, which would end the process, and
    for a date that there is not.
    """
    # The C loader is 8 times faster, which saves a minute for a large file; a PyYAML built without
    # libyaml lacks it.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    content = text.encode() if isinstance(text, str) else text
    if _may_be_deep(content) or b"*" in content:
        _check_events(content, loader)
    try:
        return yaml.load(content, Loader=loader)
    except (ValueError, OverflowError) as error:  # of dates and numbers
        raise yaml.YAMLError(str(error)) from error


def _may_be_deep(content: bytes) -> bool:
    """Whether a text might be nested too deeply; a bound that is fast to find."""
    letters = np.frombuffer(content, np.uint8)
    steps = np.isin(letters, _OPENING).astype(np.int32) - np.isin(letters, _CLOSING)
    if len(steps) and np.cumsum(steps).max() > MAX_DEPTH // 2:
        return True
    # In blocks, each level begins further to the right.
    indents = (len(line) - len(line.lstrip(b" -?:\t")) for line in content.splitlines())
    return max(indents, default=0) > MAX_DEPTH // 2


def _check_events(content: bytes, loader: Any) -> None:
    """Raise YAMLError for too many levels or repetitions; the parser itself keeps no stack."""
    depth = aliases = 0
    for event in yaml.parse(content, Loader=loader):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        aliases += isinstance(event, yaml.AliasEvent)
        if depth > MAX_DEPTH:
            raise yaml.YAMLError(f"values are nested more than {MAX_DEPTH} levels deep")
        if aliases > _MAX_ALIASES:
            raise yaml.YAMLError(f"more than {_MAX_ALIASES} aliases")
