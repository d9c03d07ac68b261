# SPDX-License-Identifier: Apache-2.0
"""What a replay is asked to do is refused before anything starts where it cannot be done."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

pytest.importorskip("assistant_perception", reason="the messages are not built: run 'make setup'")

from perception_kit.replay.__main__ import EXIT_BAD_INPUT, main


@pytest.mark.parametrize("bags", [["one"], ["one", "two"]])
def test_a_device_that_no_machine_has_is_named_at_once(
    bags: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(
        sys, "argv", ["replay", *bags, "--out", str(tmp_path / "out"), "--device", "tpu"]
    )
    assert main() == EXIT_BAD_INPUT
    assert "replay: unknown device 'tpu': expected cpu, cuda" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
