# SPDX-License-Identifier: Apache-2.0
"""Matchers look for something in single frames; plug-ins bring their own by an entry point."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import Protocol

from video_search.frames import Frame
from video_search.sightings import Sighting

ENTRY_POINT_GROUP = "video_search.matchers"


class Matcher(Protocol):
    """What is asked of every frame of a source.

    A plug-in's entry point is a callable that takes the folder of ``--matcher NAME=FOLDER`` (None
    without one) and returns a matcher. Each process makes its own.
    """

    @property
    def name(self) -> str:
        """Producer of the tags."""

    @property
    def settings(self) -> str:
        """Changes whenever the same frame could give other sightings: sources are read again."""

    def __call__(self, frame: Frame) -> Sequence[Sighting]:
        """What is seen in one frame."""


class MatcherError(ValueError):
    """A matcher cannot be used; the message names it."""


def load_plugin(name: str, folder: Path | None) -> Matcher:
    """The matcher of an installed plug-in. Raises MatcherError."""
    found = {entry.name: entry for entry in entry_points(group=ENTRY_POINT_GROUP)}
    if name not in found:
        raise MatcherError(
            f"no matcher is called '{name}': installed are {', '.join(sorted(found)) or 'none'};"
            f" a plug-in has an entry point in the group {ENTRY_POINT_GROUP}"
        )
    try:
        matcher: Matcher = found[name].load()(folder)
    except Exception as error:  # whatever a plug-in raises is its fault, and named so
        raise MatcherError(
            f"matcher '{name}' ({found[name].value}) cannot be made:"
            f" {type(error).__name__}: {error}"
        ) from error
    for attribute in ("name", "settings"):
        if not isinstance(getattr(matcher, attribute, None), str):
            raise MatcherError(f"matcher '{name}' has no text '{attribute}'")
    return matcher
