# SPDX-License-Identifier: Apache-2.0
"""What a replay replaces in its folder, and what it must not touch."""

from __future__ import annotations

from pathlib import Path

import pytest

from perception_kit.evaluation.run_folder import MARKER, METRICS, RESULTS, OutputError, clear_output


def test_results_of_an_earlier_replay_are_replaced(tmp_path: Path) -> None:
    clear_output(tmp_path)
    (tmp_path / RESULTS).mkdir()
    (tmp_path / METRICS).touch()
    clear_output(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [MARKER]


@pytest.mark.parametrize("name", [RESULTS, METRICS, MARKER])
def test_links_are_not_followed(name: str, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("of somebody else")
    out = tmp_path / "out"
    clear_output(out)
    (out / name).unlink(missing_ok=True)
    (out / name).symlink_to(precious)
    with pytest.raises(OutputError, match=f"holds links .{name}"):
        clear_output(out)
    assert precious.read_text() == "of somebody else"
