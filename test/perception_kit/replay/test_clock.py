# SPDX-License-Identifier: Apache-2.0
"""A replay by the clock through the real nodes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("assistant_perception", reason="the messages are not built: run 'make setup'")

from perception_kit.bags.bag import BagReader
from perception_kit.evaluation.results import NODES, STAGES
from perception_kit.replay.session import run_replay
from perception_kit.replay.settings import ReplaySettings

FRAMES = 6


@pytest.mark.ros
@pytest.mark.slow
def test_everything_is_answered_or_counted(settings: ReplaySettings, tmp_path: Path) -> None:
    """A fiftieth of the speed leaves seconds for each frame."""
    assert run_replay(replace(settings, out=tmp_path, realtime=0.02))
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    frames, clock = metrics["frames"], metrics["realtime"]
    assert frames["input"] == FRAMES == frames["processed"] + frames["dropped"]
    assert clock["rate"] == 0.02
    assert set(clock["dropped"]) == set(NODES)
    with BagReader(tmp_path / "results") as reader:
        responded = {stage.name: reader.topics[stage.topic].count for stage in STAGES}
    assert clock["unanswered"] == {name: FRAMES - count for name, count in responded.items()}
    notes = json.loads((tmp_path / "details.json").read_text())["notes"]
    assert any("not answered by all nodes" in note for note in notes) == (frames["dropped"] > 0)
    assert (tmp_path / "report.html").is_file()
