# SPDX-License-Identifier: Apache-2.0
"""Folders of pictures of what is to be known, each called by the name of its file."""

from __future__ import annotations

from pathlib import Path

from perception_kit.videos.pictures import IMAGE_SUFFIXES
from video_search.names import is_text
from video_search.pictures import PictureError

# Who puts one of these beside the pictures that are read means it to be looked for, too.
_UNREAD_SUFFIXES = (
    ".gif", ".tga", ".svg", ".heic", ".heif", ".avif", ".jp2", ".jxl", ".jfif", ".ico", ".psd",
    ".eps", ".pdf", ".exr", ".hdr",
)  # fmt: skip


def named_pictures(folder: Path) -> list[Path]:
    """The pictures of a folder by name, each with a stem of its own.

    Raises PictureError for pictures that would be passed over or be called like another.
    """
    files = sorted(folder.glob("*"))
    unread = [path.name for path in files if path.suffix.lower() in _UNREAD_SUFFIXES]
    if unread:
        raise PictureError(
            f"'{folder}' holds pictures of kinds that are not read ({_some(unread)}): convert them"
            " to PNG, or move them elsewhere"
        )
    found: dict[str, Path] = {}
    for path in files:
        if path.suffix.lower() not in IMAGE_SUFFIXES:
            continue
        if not is_text(path.name):
            raise PictureError(f"the name of the picture '{path}' is not UTF-8: rename it")
        if path.stem in found:
            raise PictureError(
                f"'{found[path.stem]}' and '{path.name}' would both be called '{path.stem}': rename"
                " one of them"
            )
        found[path.stem] = path
    return list(found.values())


def _some(names: list[str]) -> str:
    """The first few names."""
    return ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
