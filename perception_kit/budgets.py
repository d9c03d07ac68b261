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
_RADIANCE = b"#?"  # a few MB expand to gigabytes, and Pillow does not know the size
MAX_DEPTH = 100  # of nested lists and maps
# Values that aliases stand for: repeated in itself, one of a few lines grows to billions of values
# where it is written out.
_MAX_REPEATED = 100_000
# Line breaks of YAML beside those of ``splitlines``, and what is in UTF-16: their indents are not
# seen byte by byte.
_UNSEEN_BREAKS = ("\x85".encode(), "\u2028".encode(), "\u2029".encode(), b"\0")
_OPENING, _CLOSING = np.frombuffer(b"[{", np.uint8), np.frombuffer(b"]}", np.uint8)


class BudgetError(ValueError):
    """A file asks for more than anything that is meant; the message says for what."""


class IrregularFileError(BudgetError, OSError):
    """What stands where a file is expected might never end."""


def regular(path: Path) -> Path:
    """``path``, unless it is a device, a pipe or a socket. Raises IrregularFileError."""
    if path.exists() and not (path.is_dir() or stat.S_ISREG(path.stat().st_mode)):
        raise IrregularFileError(f"'{path}' is a device, a pipe or a socket, expected a file")
    return path


def check_picture(picture: Path | bytes | memoryview | np.ndarray) -> None:
    """Raise BudgetError for a picture, a file or its bytes, that declares too many pixels.

    What is no picture is left to whoever decodes it.
    """
    if isinstance(picture, Path):
        regular(picture)
    source = picture if isinstance(picture, Path) else io.BytesIO(bytes(picture))
    if _begins_with(source, _RADIANCE):
        raise BudgetError("a picture of Radiance (HDR), which is not read")
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


def _begins_with(source: Path | io.BytesIO, magic: bytes) -> bool:
    """Whether a file, if it is one, or bytes begin so."""
    if isinstance(source, io.BytesIO):
        return source.getbuffer()[: len(magic)] == magic
    try:
        with source.open("rb") as file:
            return file.read(len(magic)) == magic
    except OSError:
        return False


def parse_json(text: str | bytes) -> Any:
    """``json.loads``, which also raises JSONDecodeError for values that are nested too deeply."""
    try:
        return json.loads(text)
    except RecursionError as error:
        shown = text if isinstance(text, str) else text.decode(errors="replace")
        raise json.JSONDecodeError("values are nested too deeply", shown, 0) from error


def parse_yaml(text: str | bytes) -> Any:
    """The content of a YAML text, without any objects but plain values.

    Raises YAMLError of one line, also for values that are nested too deeply, which would end the
    process, and for a date that there is not.
    """
    # The C loader is 8 times faster, which saves a minute for a large file; a PyYAML built without
    # libyaml lacks it.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    content = text.encode() if isinstance(text, str) else text
    try:
        if _may_be_deep(content) or b"*" in content:
            _check_events(content, loader)
        return yaml.load(content, Loader=loader)
    except (yaml.YAMLError, ValueError, OverflowError) as error:  # the latter of dates and numbers
        # PyYAML says what and where on lines of their own.
        raise yaml.YAMLError(" ".join(str(error).split())) from error


def _may_be_deep(content: bytes) -> bool:
    """Whether a text might be nested too deeply; a bound that is fast to find."""
    if any(found in content for found in _UNSEEN_BREAKS):
        return True
    letters = np.frombuffer(content, np.uint8)
    steps = np.isin(letters, _OPENING).astype(np.int32) - np.isin(letters, _CLOSING)
    if len(steps) and np.cumsum(steps).max() > MAX_DEPTH // 2:
        return True
    # In blocks, each level begins further to the right.
    indents = (len(line) - len(line.lstrip(b" -?:\t")) for line in content.splitlines())
    return max(indents, default=0) > MAX_DEPTH // 2


def _check_events(content: bytes, loader: Any) -> None:
    """Raise YAMLError for too many levels or repetitions; the parser itself keeps no stack."""
    values = repeated = 0
    opened: list[tuple[str | None, int]] = []  # anchors, and the values before their collections
    sizes: dict[str | None, int] = {}  # values that an anchor stands for, written out
    for event in yaml.parse(content, Loader=loader):
        if isinstance(event, yaml.AliasEvent):
            # The anchor of a collection around it is not known yet: that has no end.
            repeated += sizes.get(event.anchor, _MAX_REPEATED + 1)
            values += sizes.get(event.anchor, 0)
        elif isinstance(event, yaml.NodeEvent):
            values += 1
            if event.anchor is not None and isinstance(event, yaml.ScalarEvent):
                sizes[event.anchor] = 1
        if isinstance(event, yaml.CollectionStartEvent):
            sizes.pop(event.anchor, None)
            opened.append((event.anchor, values - 1))
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = opened.pop()
            if anchor is not None:
                sizes[anchor] = values - before

        if len(opened) > MAX_DEPTH:
            raise yaml.YAMLError(f"values are nested more than {MAX_DEPTH} levels deep")
        if repeated > _MAX_REPEATED:
            raise yaml.YAMLError(f"its aliases stand for more than {_MAX_REPEATED} values")
