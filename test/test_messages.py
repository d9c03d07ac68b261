# SPDX-License-Identifier: Apache-2.0
"""Every message field says what it is; the enumerations agree with the Python ones."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from perception_kit.types import TrackState

MESSAGES = sorted((Path(__file__).parents[1] / "msg").glob("*.msg"))


@pytest.mark.parametrize("path", MESSAGES, ids=lambda path: path.stem)
def test_every_field_has_a_comment(path: Path) -> None:
    lines = path.read_text().splitlines()
    fields = [line for line in lines if line.strip() and not line.startswith("#")]
    assert fields
    assert [line for line in fields if not re.search(r"#\s*\w", line)] == []


def test_track_states_are_those_of_the_message() -> None:
    text = (MESSAGES[0].parent / "Track.msg").read_text()
    constants = dict(re.findall(r"^uint8 (\w+)=(\d+)", text, re.MULTILINE))
    assert {name: int(value) for name, value in constants.items()} == {
        state.name: state.value for state in TrackState
    }


def test_every_message_is_built() -> None:
    built = re.findall(r"msg/(\w+)\.msg", (MESSAGES[0].parents[1] / "CMakeLists.txt").read_text())
    assert sorted(built) == [path.stem for path in MESSAGES]
