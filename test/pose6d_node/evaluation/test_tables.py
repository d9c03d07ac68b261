# SPDX-License-Identifier: Apache-2.0
"""Tables on the terminal: names stay apart, whatever the width."""

from __future__ import annotations

from typing import Any

import pytest

from pose6d_node.evaluation.tables import LONG_NAME, print_tables

LONG = "a_very_long_name_of_an_object_that_goes_on"


def metrics_of(*names: str) -> dict[str, Any]:
    values: dict[str, Any] = {"segmentation": None, "instances": None, "pose": None}
    per_class = {name: {**values, "pose": {"count": 1}} for name in names}
    return {**values, "frames": 1, "poses": {}, "per_scene": {}, "per_class": per_class}


def test_class_names_are_whole(capsys: pytest.CaptureFixture[str]) -> None:
    print_tables(metrics_of("obj_000001", "obj_000012", LONG), "refined", [])
    shown = capsys.readouterr().out
    for whole in ("obj_000001", "obj_000012", LONG[:LONG_NAME], LONG[LONG_NAME:], "ADD(-S)"):
        assert whole in shown
    assert "…" not in shown
    assert "By class, over 1 frame\n" in shown
