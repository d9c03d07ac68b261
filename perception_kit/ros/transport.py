# SPDX-License-Identifier: Apache-2.0
"""Size of the shared memory through which Fast DDS passes messages."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree

from perception_kit.budgets import regular

PROFILE_VARIABLES = ("FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE")
DEFAULT_SEGMENT_BYTES = 512 * 1024  # of Fast DDS without a profile


class ProfileError(ValueError):
    """The file with the profiles of Fast DDS cannot be used; the message says why."""


def profile_path(environment: Mapping[str, str]) -> Path | None:
    """The file of profiles that the environment names; None where it names none."""
    named = [environment[name] for name in PROFILE_VARIABLES if environment.get(name)]
    return Path(named[0]) if named else None


def segment_bytes(environment: Mapping[str, str]) -> int:
    """Size of the shared memory segment of a process with this environment.

    Raises ProfileError for a named file that does not exist or is not XML, which Fast DDS ignores,
    and for a size that is no number.
    """
    path = profile_path(environment)
    if path is None:
        return DEFAULT_SEGMENT_BYTES

    try:
        root = ElementTree.parse(regular(path)).getroot()
    except (OSError, ElementTree.ParseError) as error:
        raise ProfileError(f"the Fast DDS profile '{path}' cannot be read: {error}") from error

    # Tags come with their namespace: {http://…}segment_size
    for element in root.iter():
        if element.tag.rpartition("}")[2] == "segment_size" and element.text is not None:
            return _size(path, element.text)
    return DEFAULT_SEGMENT_BYTES


def _size(path: Path, text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise ProfileError(
            f"the Fast DDS profile '{path}' has the segment_size {text[:80]!r}, expected bytes"
        ) from error
