# SPDX-License-Identifier: Apache-2.0
"""Reads the folder of a finished replay."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import yaml

from perception_kit.budgets import parse_json, parse_yaml
from perception_kit.evaluation.frame_records import FrameRecord, read_frame_records
from perception_kit.evaluation.metrics_schema import (
    PoseScores,
    ReplayMetrics,
    SegmentationScores,
    from_json,
)
from perception_kit.evaluation.run_folder import CONFIG, DETAILS, FRAMES, METRICS, VIDEO

Contents = TypeVar("Contents")


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
    """Read what ``perception_kit.replay`` wrote into ``folder``.

    Raises RunError, which names the file that is missing or damaged.
    """
    return ReplayRun(
        folder,
        _read(folder / METRICS, _read_metrics),
        _read(folder / DETAILS, _read_details),
        _read(folder / CONFIG, _read_config),
        _read(folder / FRAMES, read_frame_records),
    )


def _read(path: Path, read: Callable[[Path], Contents]) -> Contents:
    """What ``read`` reads from a file of the folder. Raises RunError."""
    try:
        return read(path)
    except FileNotFoundError as error:
        raise RunError(
            f"'{path.parent}' holds no finished replay: '{path.name}' is missing; give the --out"
            " folder of a replay that ended"
        ) from error
    except (OSError, ValueError, TypeError, yaml.YAMLError) as error:
        raise RunError(
            f"'{path}' cannot be read ({error}): it is damaged, or of another version; replay the"
            " bag again"
        ) from error


def _read_metrics(path: Path) -> ReplayMetrics:
    return from_json(ReplayMetrics, parse_json(path.read_text()))


@dataclass(frozen=True)
class _SegmentationDetails:
    per_class: dict[str, SegmentationScores] = field(default_factory=dict)


@dataclass(frozen=True)
class _PoseDetails:
    per_class: dict[str, PoseScores] = field(default_factory=dict)


@dataclass(frozen=True)
class _ActionDetails:
    falls_missed: float | None = None
    false_fall_alarms: float | None = None


@dataclass(frozen=True)
class _Details:
    """What of ``details.json`` the scores are taken from."""

    segmentation: _SegmentationDetails = field(default_factory=_SegmentationDetails)
    pose: _PoseDetails = field(default_factory=_PoseDetails)
    actions: _ActionDetails | None = None


def _read_details(path: Path) -> dict[str, Any]:
    details: dict[str, Any] = parse_json(path.read_text())
    from_json(_Details, details)
    return details


@dataclass(frozen=True)
class _Settings:
    bag: str


@dataclass(frozen=True)
class _Config:
    """What every ``effective_config.yaml`` has."""

    settings: _Settings


def _read_config(path: Path) -> dict[str, Any]:
    config: dict[str, Any] = parse_yaml(path.read_text())
    from_json(_Config, config)
    return config
