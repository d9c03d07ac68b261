# SPDX-License-Identifier: Apache-2.0
"""The size of the shared memory is that of the profile."""

from __future__ import annotations

from pathlib import Path

import pytest

from perception_kit.resources import package_folder
from perception_kit.ros.transport import (
    DEFAULT_SEGMENT_BYTES,
    PROFILE_VARIABLES,
    ProfileError,
    segment_bytes,
)


def test_segment_of_our_profile() -> None:
    path = package_folder() / "config" / "fastdds.xml"
    assert segment_bytes({PROFILE_VARIABLES[1]: str(path)}) == 32 * 2**20


def test_without_a_profile_it_is_the_default() -> None:
    assert segment_bytes({}) == DEFAULT_SEGMENT_BYTES


@pytest.mark.parametrize(
    ("text", "expected"),
    [("<profiles/>", DEFAULT_SEGMENT_BYTES), ("<a><segment_size>7</segment_size></a>", 7)],
    ids=["no size", "no namespace"],
)
def test_other_profiles(tmp_path: Path, text: str, expected: int) -> None:
    path = tmp_path / "own.xml"
    path.write_text(text)
    assert segment_bytes({PROFILE_VARIABLES[0]: str(path)}) == expected


@pytest.mark.parametrize("text", [None, "<profiles>"], ids=["missing", "not XML"])
def test_a_profile_that_cannot_be_read_is_named(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "own.xml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ProfileError, match=r"own\.xml' cannot be read"):
        segment_bytes({PROFILE_VARIABLES[0]: str(path)})
