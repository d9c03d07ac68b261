# SPDX-License-Identifier: Apache-2.0
"""Records the node responses of a replay: a bag of results, an annotated video and latencies."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from perception_kit.bags.bag import BagWriter, RawMessage
from perception_kit.bags.camera_frames import CameraFrame
from perception_kit.closing import Closing
from perception_kit.depth_scale import metric_width, scale_warning
from perception_kit.drawing import draw_overlay
from perception_kit.evaluation.ground_truth import FrameKey
from perception_kit.evaluation.object_points import PointModel
from perception_kit.evaluation.results import STAGES, results_from_messages
from perception_kit.evaluation.run_folder import RESULTS, VIDEO
from perception_kit.replay.live import count_live_drops
from perception_kit.replay.panels import PanelMessages
from perception_kit.replay.player import Responses
from perception_kit.replay.rerun_log import RerunLog
from perception_kit.replay.video import VideoWriter
from perception_kit.ros.camera_reader import CameraReader
from perception_kit.ros.image import ImageError, check_same_size
from perception_kit.types import FrameResults

_LATENCIES = (*(stage.name for stage in STAGES), "total")


class Recorder(Closing):
    """Writes the bag of results and the video into the folder ``out``, and the Rerun log ``rerun``.

    ``frame_count`` is the number of colour images to come. ``models`` are by class name; their
    outlines are drawn at the poses, and their sizes tell a wrong unit of the depth. ``camera`` says
    how the images are read. Use as a context manager.

    ``frames`` are those of the bag, ``video_frames`` their numbers in the video (None: not in it),
    ``rejected`` the number of those that could not be played for their stamps. ``faults`` counts
    the frames with a part that cannot be read, by the part, and ``first_fault`` says why.
    ``warnings`` say why poses may be wrong. ``image_size`` is the largest (height, width),
    ``sizes`` the first frame number of each.
    ``realtime`` describes a replay by the clock (None: in lock step).
    """

    def __init__(
        self,
        out: Path,
        frame_count: int,
        models: Mapping[str, PointModel],
        camera: CameraReader,
        rerun: RerunLog | None = None,
    ) -> None:
        self.frame_count = frame_count
        self.frames: list[FrameKey] = []
        self.video_frames: list[int | None] = []
        self.rejected = 0
        self.processed = 0
        self.realtime: dict[str, Any] | None = None
        self.image_size: tuple[int, int] = (0, 0)
        self.warnings: dict[str, str] = {}
        self.sizes: dict[tuple[int, int], int] = {}
        self.faults: Counter[str] = Counter()
        self.first_fault: dict[str, str] = {}

        self._latency_s: list[dict[str, float]] = []
        self._busy_s: list[float] = []
        self._models, self._camera = models, camera
        self._model_points = {name: model.points for name, model in models.items()}
        self._size_ratios: list[float] = []
        self._rerun = rerun
        self._bag = BagWriter(out / RESULTS)
        self._video = VideoWriter(out / VIDEO)
        self._panels = PanelMessages()

    def add(self, number: int, frame: CameraFrame, responses: Responses) -> None:
        """Record the responses to the bag's frame ``number`` (from 0).

        The frame counts as processed when all stages responded.
        """
        self.frames.append(FrameKey(number, frame.stamp_ns))
        self._note_input(number, frame)

        # The order of the stages is fixed, so that equal responses give equal files.
        for stage in STAGES:
            if (data := responses.data.get(stage.name)) is not None:
                message = RawMessage(stage.topic, stage.type_name, frame.stamp_ns, data)
                self._bag.write_raw(message)

        busy_s = max(responses.latency_s.values(), default=0.0)
        latency_s = dict(responses.latency_s)
        if all(stage.name in responses.data for stage in STAGES):
            self.processed += 1
            latency_s["total"] = busy_s
        self._busy_s.append(busy_s)
        self._latency_s.append(latency_s)

        if frame.color.fault:
            self.video_frames.append(None)
            return
        results = results_from_messages(responses.messages)
        if self._rerun is not None:
            self._rerun.add(frame, responses, results)
        self._draw(frame, results)

    def _note_input(self, number: int, frame: CameraFrame) -> None:
        """Note the size of the image, and what of the frame cannot be read."""
        for part, reason in frame.faults.items():
            self.faults[part] += 1
            self.first_fault.setdefault(part, f"first in frame {number}: {reason}")

        if frame.color.fault:
            return
        if frame.depth is not None and frame.camera_info is not None:
            messages = (frame.color.message, frame.depth.message, frame.camera_info.message)
            for warning in self._camera.warnings(*messages):
                self.warnings.setdefault(warning.kind, warning.text)

        size = frame.color.message.height, frame.color.message.width
        self.sizes.setdefault(size, number)
        self.image_size = max(size[0], self.image_size[0]), max(size[1], self.image_size[1])

    def frame_counts(self) -> dict[str, int]:
        """``frames`` of metrics.json."""
        return {
            "input": self.frame_count,
            "processed": self.processed,
            "dropped": self.frame_count - self.processed,
        }

    def latency_ms(self) -> dict[str, Any]:
        """``latency_ms`` of metrics.json.

        Milliseconds from the publication of a frame to the arrival of a stage's result (``total``:
        of the last result).
        """
        samples = {
            name: [latency_s[name] for latency_s in self._latency_s if name in latency_s]
            for name in _LATENCIES
        }
        return {name: _percentiles(values) for name, values in samples.items() if values}

    def frame_latencies_ms(self) -> list[dict[str, float]]:
        """Latencies of each of ``frames`` in milliseconds, in the order of the stages."""
        return [
            {name: 1e3 * latency_s[name] for name in _LATENCIES if name in latency_s}
            for latency_s in self._latency_s
        ]

    def missing_responses(self) -> dict[str, int]:
        """Number of frames without a result, by stage."""
        return {
            stage.name: sum(stage.name not in latency_s for latency_s in self._latency_s)
            for stage in STAGES
        }

    def live_drops(self) -> int:
        """Frames that a live run would drop, at the stamps and processing times of this replay."""
        stamps_s = [(key.stamp_ns - self.frames[0].stamp_ns) * 1e-9 for key in self.frames]
        return count_live_drops(stamps_s, self._busy_s)

    def close(self) -> None:
        """Finish all files."""
        if self._rerun is not None:
            self._rerun.close()
        self._bag.close()
        self._video.close()

    def _draw(self, frame: CameraFrame, results: FrameResults) -> None:
        """Add a frame to the video, and what panels show of it to the bag.

        An image that the nodes cannot use either is left out; they report the reason.
        """
        self.video_frames.append(None)
        try:
            rgb = self._camera.color(frame.color.message)
            if frame.camera_info is not None:
                results.intrinsics = self._camera.intrinsics(
                    frame.camera_info.message, frame.color.message
                )
        except ImageError:
            return

        self._measure(frame, results)
        results.model_points = self._model_points
        overlay = draw_overlay(rgb, results)
        self._video.write(overlay, frame.stamp_ns)
        self.video_frames[-1] = sum(number is not None for number in self.video_frames)
        for message in self._panels.encode(frame, results, overlay):
            self._bag.write_raw(message)

    def _measure(self, frame: CameraFrame, results: FrameResults) -> None:
        """Compare the detected objects, as wide as the depth has them, with their models."""
        if frame.depth is None or results.intrinsics is None:
            return
        try:
            check_same_size(frame.color.message, frame.depth.message)
            depth = self._camera.depth(frame.depth.message)
        except ImageError:
            return  # the nodes report the reason

        for instance in results.instances:
            width = metric_width(instance, depth, results.intrinsics)
            if width is not None and instance.class_name in self._models:
                self._size_ratios.append(width / self._models[instance.class_name].diameter)

    def depth_scale_warning(self) -> str | None:
        """What is wrong with the unit of the depth, by the size of the objects; None else."""
        return scale_warning(self._size_ratios)


def _percentiles(seconds: list[float]) -> dict[str, float]:
    """Median, 95th percentile and maximum in milliseconds."""
    milliseconds = np.array(seconds) * 1e3
    p50, p95 = np.percentile(milliseconds, [50, 95])
    return {"p50": float(p50), "p95": float(p95), "max": float(milliseconds.max())}
