# SPDX-License-Identifier: Apache-2.0
"""What is truly seen in rendered recordings, when, and which of it the nodes have found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from bench.search_scores import Span
from perception_kit.bags.bag import BagReader, read_messages
from perception_kit.boxes import box_iou
from perception_kit.evaluation.results import read_results
from perception_kit.ros.image import color_image
from perception_kit.stamps import stamp_to_ns
from perception_kit.synth.bag_writer import COLOR
from perception_kit.types import FrameResults, TrackState
from video_search.describer import cropped

# Of what is seen less, a person would say that it is hidden; shorter than this it is a glimpse.
MIN_VISIBLE, MIN_LENGTH_NS = 0.3, 500_000_000
# An action is decided after a clip of it, and a moment is right this long after its end.
ACTION_SLACK_NS = 1_200_000_000
ACTIONS = frozenset({"falling", "lying", "running", "walking"})
_TRUE_DETECTIONS, _TRUE_ACTIONS = "/ground_truth/detections", "/ground_truth/actions"
_NOTHING = {"", "other"}
_MIN_IOU = 0.5
# A picture to search by shows this much of the thing.
_PICTURED_VISIBLE = 0.9


@dataclass
class Truth:
    """Of one recording: (stamp, box, visible fraction) of each object by label; actions by label.

    Actions have no boxes.
    """

    bag: Path
    interval_ns: int = 0
    objects: dict[str, list[tuple[int, np.ndarray, float]]] = field(default_factory=dict)
    actions: dict[str, list[int]] = field(default_factory=dict)

    @property
    def labels(self) -> set[str]:
        """All that is to be seen."""
        return set(self.objects) | set(self.actions)

    def spans(self, label: str) -> list[Span]:
        """When something with the label is to be seen without a break."""
        if label in ACTIONS:
            times = self.actions.get(label, [])
        else:
            seen = self.objects.get(label, [])
            times = sorted({stamp for stamp, _, visible in seen if visible >= MIN_VISIBLE})
        runs = _runs(times, 2 * self.interval_ns)
        return [run for run in runs if run[1] - run[0] >= MIN_LENGTH_NS]

    def detected(self, label: str, results: dict[int, FrameResults]) -> list[Span]:
        """Those spans in which the nodes have found it: a track where it is, or the action."""
        return [span for span in self.spans(label) if self._is_detected(label, span, results)]

    def _is_detected(self, label: str, span: Span, results: dict[int, FrameResults]) -> bool:
        if label in ACTIONS:
            return any(
                action.label == label
                for stamp_ns, frame in results.items()
                if span[0] <= stamp_ns <= span[1] + ACTION_SLACK_NS
                for action in frame.actions
            )
        for stamp_ns, box, _ in self.objects[label]:
            frame = results.get(stamp_ns)
            if frame is None or not span[0] <= stamp_ns <= span[1]:
                continue
            for track in frame.tracks:
                is_right = track.state == TrackState.CONFIRMED and track.class_name == label
                if is_right and float(box_iou(np.asarray(track.box), box)) >= _MIN_IOU:
                    return True
        return False

    def picture(self, label: str) -> np.ndarray | None:
        """(H, W, 3) uint8 of the largest view of an object that is seen whole; None without one."""
        whole = [seen for seen in self.objects.get(label, ()) if seen[2] >= _PICTURED_VISIBLE]
        if not whole:
            return None
        stamp_ns, box, _ = max(whole, key=lambda seen: float(np.prod(seen[1][2:] - seen[1][:2])))
        with BagReader(self.bag) as reader:
            for item in reader.messages([f"{COLOR}/image_raw"]):
                if stamp_to_ns(item.message.header.stamp) == stamp_ns:
                    return cropped(color_image(item.message), box).copy()
        return None


def read_truth(bag: Path) -> Truth:
    """What the renderer says of a recording."""
    truth, stamps = Truth(bag), []
    for item in read_messages(bag, (_TRUE_DETECTIONS, _TRUE_ACTIONS)):
        stamp_ns = stamp_to_ns(item.message.header.stamp)
        if item.topic == _TRUE_ACTIONS:
            for label in {action.label for action in item.message.actions} - _NOTHING:
                truth.actions.setdefault(label, []).append(stamp_ns)
            continue
        stamps.append(stamp_ns)
        for seen in item.message.detections:
            if seen.class_name not in _NOTHING:
                entry = stamp_ns, np.asarray(seen.box, np.float32), float(seen.score)
                truth.objects.setdefault(seen.class_name, []).append(entry)
    truth.interval_ns = stamps[1] - stamps[0] if len(stamps) > 1 else 0
    return truth


def nodes_results(replay: Path) -> dict[int, FrameResults]:
    """What the nodes have found in a recording, by stamp."""
    return read_results(replay / "results")[0]


def _runs(times: Sequence[int], gap_ns: int) -> list[Span]:
    runs: list[Span] = []
    for time in times:
        if runs and time - runs[-1][1] <= gap_ns:
            runs[-1] = runs[-1][0], time
        else:
            runs.append((time, time))
    return runs
