# SPDX-License-Identifier: Apache-2.0
"""What a finished replay left in its folder."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from perception_kit.evaluation.frame_records import FrameRecord, read_frame_records
from perception_kit.evaluation.run_folder import CONFIG, DETAILS, FRAMES, METRICS, VIDEO


class RunError(ValueError):
    """A folder does not hold a finished replay; the message says what was found and what to do."""


@dataclass(frozen=True)
class ReplayRun:
    """A replay: ``metrics`` and ``details`` as in its JSON files, ``config`` as in
    ``effective_config.yaml``, one record a frame.
    """

    folder: Path
    metrics: dict[str, Any]
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
        metrics, details = (json.loads((folder / name).read_text()) for name in (METRICS, DETAILS))
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
