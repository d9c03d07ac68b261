# SPDX-License-Identifier: Apache-2.0
"""Reads the folder of a finished replay."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from perception_kit.evaluation.frame_records import FrameRecord, read_frame_records
from perception_kit.evaluation.metrics_schema import ReplayMetrics, from_json
from perception_kit.evaluation.run_folder import CONFIG, DETAILS, FRAMES, METRICS, VIDEO


class RunError(ValueError):
    """A folder holds no finished replay; the message says what was found and what to do."""


@dataclass(frozen=True)
class ReplayRun:
    """A finished replay.

    ``details`` is the contents of ``details.json``, ``config`` of ``effective_config.yaml``;
    ``frames`` has one record a frame.
    """

    folder: Path
    metrics: ReplayMetrics
    details: dict[str, Any]
    config: dict[str, Any]
    frames: list[FrameRecord]

    @property
    def video(self) -> Path:
        """The annotated images."""
        return self.folder / VIDEO

    @property
    def bag_name(self) -> str:
        """Name of the bag that was played."""
        return Path(self.config["settings"]["bag"]).name

    @cached_property
    def seconds(self) -> list[float]:
        """Time of each frame since the first."""
        return [(frame.stamp_ns - self.frames[0].stamp_ns) * 1e-9 for frame in self.frames]


def read_run(folder: Path) -> ReplayRun:
    """Read what ``perception_kit.replay`` wrote into ``folder``. Raises RunError."""
    try:
        metrics = from_json(ReplayMetrics, json.loads((folder / METRICS).read_text()))
        details = json.loads((folder / DETAILS).read_text())
        config = yaml.safe_load((folder / CONFIG).read_text())
        frames = read_frame_records(folder / FRAMES)
    except FileNotFoundError as error:
        raise RunError(
            f"'{folder}' holds no finished replay: '{Path(error.filename).name}' is missing; give"
            " the --out folder of a replay that ended"
        ) from error
    except (OSError, ValueError, TypeError, KeyError, yaml.YAMLError) as error:
        raise RunError(
            f"'{folder}' cannot be read ({error}): it is damaged, or of another version; replay the"
            " bag again"
        ) from error

    return ReplayRun(folder, metrics, details, config, frames)
