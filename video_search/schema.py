# SPDX-License-Identifier: Apache-2.0
"""Tags and sources as rows of Arrow tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields
from typing import Any

import numpy as np
import pyarrow as pa

from video_search.tag import Source, Tag

FORMAT_VERSION = "1"
"""Of the tables; another version is refused by name."""
VERSION_KEY = b"video_search_format"
REWRITTEN_KEY = b"video_search_rewritten"
"""Of a table that was written anew, whose row ids mean other rows than before: a random value."""
DESCRIPTOR_SIZE = 128
"""Values of a stored descriptor; shorter ones are filled up with zeros, which changes no angle."""

_METADATA = {VERSION_KEY: FORMAT_VERSION.encode()}
TAGS = pa.schema(
    [
        ("id", pa.string()),
        ("source", pa.string()),
        ("start_ns", pa.int64()),
        ("end_ns", pa.int64()),
        ("kind", pa.string()),
        ("label", pa.string()),
        ("confidence", pa.float32()),
        ("best_ns", pa.int64()),
        ("box", pa.list_(pa.float32(), 4)),
        ("position", pa.list_(pa.float32(), 3)),
        ("frame_id", pa.string()),
        ("track_id", pa.int64()),
        ("text", pa.string()),
        ("color", pa.string()),
        ("descriptor", pa.list_(pa.float32(), DESCRIPTOR_SIZE)),
        ("descriptor_size", pa.int32()),
        ("space", pa.string()),
        ("thumbnail", pa.binary()),
        ("producer", pa.string()),
        ("number", pa.int64()),
    ],
    metadata=_METADATA,
)
SOURCES = pa.schema(
    [(entry.name, pa.int64() if entry.type == "int" else pa.string()) for entry in fields(Source)],
    metadata=_METADATA,
)
_VECTORS = ("box", "position")


def tags_to_table(tags: Iterable[Tag]) -> pa.Table:
    """Rows of the ``TAGS`` schema; of tags with one id, the last counts.

    Raises ValueError for a descriptor of more than ``DESCRIPTOR_SIZE`` values.
    """
    return pa.Table.from_pylist(
        [_tag_row(tag) for tag in {tag.id: tag for tag in tags}.values()], schema=TAGS
    )


def _tag_row(tag: Tag) -> dict[str, Any]:
    row = {entry.name: getattr(tag, entry.name) for entry in fields(Tag)}
    for name in _VECTORS:
        row[name] = None if row[name] is None else row[name].tolist()
    row["descriptor_size"] = 0
    if tag.descriptor is not None:
        row["descriptor_size"] = len(tag.descriptor)
        row["descriptor"] = padded(tag.descriptor).tolist()
    return row


def padded(descriptor: np.ndarray) -> np.ndarray:
    """(DESCRIPTOR_SIZE,) float32 of a descriptor that may be shorter.

    Raises ValueError for a longer one.
    """
    if len(descriptor) > DESCRIPTOR_SIZE:
        raise ValueError(
            f"a descriptor has at most {DESCRIPTOR_SIZE} values, got {len(descriptor)}:"
            " project it to fewer, for example by PCA"
        )
    filled = np.zeros(DESCRIPTOR_SIZE, np.float32)
    filled[: len(descriptor)] = descriptor
    return filled


def tag_from_row(row: Mapping[str, Any]) -> Tag:
    """The tag of a row, whose thumbnail and descriptor may be left out."""
    values = {
        entry.name: row[entry.name] for entry in fields(Tag) if entry.init and entry.name in row
    }
    for name in _VECTORS:
        if values.get(name) is not None:
            values[name] = np.array(values[name], np.float32)
    if values.get("descriptor") is not None:
        size = row["descriptor_size"]
        values["descriptor"] = np.array(values["descriptor"][:size], np.float32)
    return Tag(**values)


def sources_to_table(sources: Iterable[Source]) -> pa.Table:
    """Rows of the ``SOURCES`` schema."""
    return pa.Table.from_pylist([asdict(source) for source in sources], schema=SOURCES)


def quoted(text: str) -> str:
    """A string of SQL."""
    return "'" + text.replace("'", "''") + "'"
