# SPDX-License-Identifier: Apache-2.0
"""Folders of finished replays with known contents."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from replay_runs import details, metrics

from perception_kit.evaluation.frame_records import FrameRecord, write_frame_records
from perception_kit.evaluation.metrics_schema import ReplayMetrics, to_json
from perception_kit.replay.video import VideoWriter


@pytest.fixture
def write_run(tmp_path: Path) -> Callable[..., Path]:
    """``write_run(name, frames, scores, more)`` gives the folder of a replay.

    Its picture k is of brightness 40 k.
    """

    def write(
        name: str,
        frames: Sequence[FrameRecord],
        scores: ReplayMetrics | None = None,
        more: dict[str, Any] | None = None,
    ) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        (folder / "metrics.json").write_text(json.dumps(to_json(scores or metrics())))
        (folder / "details.json").write_text(json.dumps(more or details()))
        (folder / "effective_config.yaml").write_text(
            yaml.safe_dump({"settings": {"bag": "/data/kitchen"}, "topics": {"color": "/rgb"}})
        )
        write_frame_records(folder / "frames.json", frames)
        with VideoWriter(folder / "overlay.mp4") as video:
            for frame in frames:
                if frame.picture is not None:
                    picture = np.full((48, 64, 3), 40 * frame.picture, np.uint8)
                    video.write(picture, frame.stamp_ns)
        return folder

    return write
