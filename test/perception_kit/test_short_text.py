# SPDX-License-Identifier: Apache-2.0
"""Text of others stays short and cannot write lines of its own."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perception_kit.short_text import MAX_CHARACTERS, counted, listed, short_text


@given(st.text(max_size=1000))
def test_any_text_becomes_short_and_printable(text: str) -> None:
    shown = short_text(text)
    assert len(shown) <= MAX_CHARACTERS
    assert shown.isprintable()
    if text.isprintable() and len(text) <= MAX_CHARACTERS:
        assert shown == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\nb", "a\\nb"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("right\u202eleft", "right\\u202eleft"),
        ("größer ≥ 3 °", "größer ≥ 3 °"),
    ],
)
def test_control_characters_are_shown(text: str, shown: str) -> None:
    assert short_text(text) == shown


def test_what_is_left_out_is_counted() -> None:
    assert short_text("x" * 10**6).endswith("xx… (1000000 characters)")
    assert listed(map(str, range(100))) == "0; 1; 2; 3; 4 and 95 more"
    assert listed(["a", "b"]) == "a; b"
    assert len(listed(["x" * 10**6] * 10)) < 600


def test_one_thing_is_not_called_several() -> None:
    assert [counted(count, "frame") for count in (0, 1, 2)] == ["0 frames", "1 frame", "2 frames"]
