# SPDX-License-Identifier: Apache-2.0
"""Keeps what the nodes answered: a bag of the results, an annotated video, and the timing of each
frame.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from perception_kit.bags.bag import BagWriter, RawMessage
from perception_kit.bags.camera_frames import CameraFrame
from perception_kit.drawing import draw_overlay
from perception_kit.evaluation.ground_truth import FrameKey
from perception_kit.evaluation.results import STAGES, scene_from_messages
from perception_kit.evaluation.run_folder import RESULTS, VIDEO
from perception_kit.replay.live import count_live_drops
from perception_kit.replay.panels import PanelMessages
from perception_kit.replay.player import Responses
from perception_kit.replay.rerun_log import RerunLog
from perception_kit.replay.video import VideoWriter
from perception_kit.ros.image import ImageError, color_image, intrinsics_from_camera_info
from perception_kit.types import FrameResults

_LATENCIES = (*(stage.name for stage in STAGES), "total")


class Recorder:
    """Writes the bag of results and the video into the folder ``out`` and, where there is one, the
    Rerun log ``rerun``; ``frame_count`` is the number of colour images to come. ``model_points``
    are (N, 3) surface points in metres by class name: their outlines are drawn at the poses. Use as
    a context manager.

    ``frames`` are those that were played, ``pictures`` their numbers in the video (None: not in
    it); ``skipped`` counts the ones that could not be played. ``clock`` says how it was played by
    the clock, None in lock step.
    """

    def __init__(
        self,
        out: Path,
        frame_count: int,
        model_points: Mapping[str, np.ndarray],
        rerun: RerunLog | None = None,
    ) -> None:
        self._model_points = model_points
        self._rerun = rerun
        self.frame_count = frame_count
        self.skipped = 0
        self.frames: list[FrameKey] = []
        self.pictures: list[int | None] = []
        self.clock: dict[str, Any] | None = None
        self.processed = 0
        self.image_size: tuple[int, int] = (0, 0)
        self._latency_s: list[dict[str, float]] = []
        self._busy_s: list[float] = []
        self._bag = BagWriter(out / RESULTS)
        self._video = VideoWriter(out / VIDEO)
        self._panels = PanelMessages()

    def add(self, number: int, frame: CameraFrame, answers: Responses) -> None:
        """Keep the answers to the bag's frame ``number`` (from 0); it counts as processed when all
        stages answered.
        """
        self.frames.append(FrameKey(number, frame.stamp_ns))
        self.image_size = (frame.color.message.height, frame.color.message.width)
        for stage in STAGES:  # always in this order, so that the same answers give the same file
            if stage.name in answers.data:
                self._bag.write_raw(
                    RawMessage(
                        stage.topic, stage.type_name, frame.stamp_ns, answers.data[stage.name]
                    )
                )
        self._busy_s.append(max(answers.latency_s.values(), default=0.0))
        self._latency_s.append(dict(answers.latency_s))
        if all(stage.name in answers.data for stage in STAGES):
            self.processed += 1
            self._latency_s[-1]["total"] = self._busy_s[-1]
        scene = scene_from_messages(answers.messages)
        if self._rerun is not None:
            self._rerun.add(frame, answers, scene)
        self._draw(frame, scene)

    def frame_counts(self) -> dict[str, int]:
        """``frames`` of metrics.json."""
        return {
            "input": self.frame_count,
            "processed": self.processed,
            "dropped": self.frame_count - self.processed,
        }

    def latency_ms(self) -> dict[str, Any]:
        """``latency_ms`` of metrics.json: milliseconds from publishing a frame until a stage's
        result (``total``: the last one) is here.
        """
        samples = {
            name: [one[name] for one in self._latency_s if name in one] for name in _LATENCIES
        }
        return {name: _percentiles(values) for name, values in samples.items() if values}

    def frame_latencies_ms(self) -> list[dict[str, float]]:
        """The same for each of ``frames``, in the order of the stages."""
        return [
            {name: 1e3 * one[name] for name in _LATENCIES if name in one} for one in self._latency_s
        ]

    def unanswered(self) -> dict[str, int]:
        """Frames without a result, by stage."""
        return {
            stage.name: sum(stage.name not in one for one in self._latency_s) for stage in STAGES
        }

    def live_drops(self) -> int:
        """Frames that would be dropped if they came at their stamps, when each takes as long as it
        did here.
        """
        stamps_s = [(key.stamp_ns - self.frames[0].stamp_ns) * 1e-9 for key in self.frames]
        return count_live_drops(stamps_s, self._busy_s)

    def close(self) -> None:
        """Finish all files."""
        if self._rerun is not None:
            self._rerun.close()
        self._bag.close()
        self._video.close()

    def _draw(self, frame: CameraFrame, scene: FrameResults) -> None:
        """One picture of the video, and what panels show of it; none of an image that the nodes
        cannot use either (they say why).
        """
        self.pictures.append(None)
        try:
            rgb = color_image(frame.color.message)
            if frame.camera_info is not None:
                scene.intrinsics = intrinsics_from_camera_info(
                    frame.camera_info.message, frame.color.message
                )
        except ImageError:
            return
        scene.model_points = self._model_points
        picture = draw_overlay(rgb, scene)
        self._video.write(picture, frame.stamp_ns)
        self.pictures[-1] = sum(number is not None for number in self.pictures)
        for message in self._panels.of(frame, scene, picture):
            self._bag.write_raw(message)

    def __enter__(self) -> Recorder:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def _percentiles(seconds: list[float]) -> dict[str, float]:
    milliseconds = np.array(seconds) * 1e3
    p50, p95 = np.percentile(milliseconds, [50, 95])
    return {"p50": float(p50), "p95": float(p95), "max": float(milliseconds.max())}
