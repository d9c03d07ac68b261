# SPDX-License-Identifier: Apache-2.0
"""docs/inputs.md says what the readers' tables say."""

from __future__ import annotations

import pytest

pytest.importorskip("sensor_msgs", reason="ROS 2 is not there: run 'make setup'")

from scripts.inputs_page import PAGE, inputs_page


def test_the_page_is_that_of_the_tables() -> None:
    remedy = "run: ./run python scripts/inputs_page.py"
    assert PAGE.read_text(encoding="utf-8") == inputs_page(), remedy
