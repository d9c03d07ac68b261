# SPDX-License-Identifier: Apache-2.0
"""Every message field says what it is; the enumerations agree with the Python ones."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from perception_kit.types import TrackState

ROOT = Path(__file__).parents[1]
MESSAGES = sorted((ROOT / "msg").glob("*.msg"))
SERVICES = sorted((ROOT / "srv").glob("*.srv"))


@pytest.mark.parametrize("path", [*MESSAGES, *SERVICES], ids=lambda path: path.stem)
def test_every_field_has_a_comment(path: Path) -> None:
    lines = path.read_text().splitlines()
    fields = [line for line in lines if line.strip() and not line.startswith(("#", "---"))]
    assert fields
    assert [line for line in fields if not re.search(r"#\s*\w", line)] == []


def test_track_states_are_those_of_the_message() -> None:
    text = (MESSAGES[0].parent / "Track.msg").read_text()
    constants = dict(re.findall(r"^uint8 (\w+)=(\d+)", text, re.MULTILINE))
    assert {name: int(value) for name, value in constants.items()} == {
        state.name: state.value for state in TrackState
    }


def test_every_message_and_service_is_built() -> None:
    text = (ROOT / "CMakeLists.txt").read_text()
    assert sorted(re.findall(r"msg/(\w+)\.msg", text)) == [path.stem for path in MESSAGES]
    assert sorted(re.findall(r"srv/(\w+)\.srv", text)) == [path.stem for path in SERVICES]
