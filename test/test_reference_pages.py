# SPDX-License-Identifier: Apache-2.0
"""The generated pages of docs/reference say what their sources say."""

from __future__ import annotations

import re

from python_imports import ROOT

from scripts.reference_pages import reference_pages


def test_the_pages_are_those_of_their_sources() -> None:
    remedy = "run: ./run python scripts/reference_pages.py"
    for page, text in reference_pages().items():
        assert page.read_text(encoding="utf-8") == text, remedy


def test_every_node_with_parameters_and_every_message_has_its_heading() -> None:
    headings = {
        page.name: set(re.findall(r"^## (\w+)$", text, flags=re.MULTILINE))
        for page, text in reference_pages().items()
    }
    assert headings["parameters.md"] == {
        path.stem for path in (ROOT / "config").glob("*_node.yaml")
    }
    interfaces = [*(ROOT / "msg").glob("*.msg"), *(ROOT / "srv").glob("*.srv")]
    assert headings["messages.md"] == {path.stem for path in interfaces}
