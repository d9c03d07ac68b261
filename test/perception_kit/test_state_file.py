# SPDX-License-Identifier: Apache-2.0
"""State files come back, and anything else is refused by name."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from perception_kit.state_file import StateFileError, read_state, write_state


def test_a_state_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "tracker.json"
    assert read_state(path, "tracker") is None
    write_state(path, "tracker", {"next_id": 3})
    assert read_state(path, "tracker") == {"next_id": 3}
    with pytest.raises(StateFileError, match="is not of a actions"):
        read_state(path, "actions")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200) | st.sampled_from([b"[" * 100_000, b"{}", b'{"kind": "tracker"}']))
def test_any_file_is_read_or_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "state.json"
    path.write_bytes(content)
    with pytest.raises(StateFileError, match="remove it"):
        read_state(path, "tracker")


def test_what_is_no_regular_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path):
        with pytest.raises(StateFileError, match="is no file of at most"):
            read_state(path, "tracker")


def test_a_path_that_cannot_be_looked_at_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StateFileError, match="File name too long"):
        read_state(tmp_path / ("x" * 300), "tracker")
