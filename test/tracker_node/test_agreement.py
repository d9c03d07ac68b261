# SPDX-License-Identifier: Apache-2.0
"""Every figure equals TrackEval's, on sequences made by hand, at random, and real ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench.agreement import (
    KEYS,
    Figures,
    compare_kitti,
    compare_mot,
    trackeval_kitti,
    trackeval_mot,
)
from perception_kit.metrics.tracking import TrackedBoxes, tracking_metrics
from tracker_node.kitti_files import read_labels, write_results
from tracker_node.mot import score_tracks
from tracker_node.motchallenge import read_mot, write_tracks
from tracker_node.sequence_files import ReadingOptions, read_sequence_labels

FRAMES = 12
# left, top, width, height, speed in px a frame, MOT class, flag, KITTI's type, truncated, occluded.
PEOPLE = [
    (50, 100, 40, 100, 4, 1, 1, "Pedestrian", 0, 0),
    (400, 100, 40, 100, -5, 1, 1, "Pedestrian", 0, 2),
    (230, 100, 44, 110, 1, 1, 1, "Pedestrian", 0, 1),  # where the first two pass
    (600, 100, 40, 100, 0, 1, 0, "Pedestrian", 0, 3),  # does not count
    (700, 100, 40, 100, 0, 7, 0, "Person", 0, 0),
    (800, 100, 40, 100, 0, 6, 0, "Pedestrian", 1, 0),
    (900, 100, 40, 100, 0, 3, 0, "Car", 0, 0),
    (1000, 100, 10, 24, 0, 1, 1, "Pedestrian", 0, 0),  # small, and counts
]
AREA = (1100, 0, 1300, 200)
# Beside people: in the area, half in it, small, on nothing.
STRAYS = [(1150, 50, 40, 100), (1080, 50, 40, 100), (50, 400, 10, 25), (200, 400, 40, 100)]


def truth_box(person: int, frame: int) -> np.ndarray:
    left, top, width, height, speed = PEOPLE[person][:5]
    return np.array([left + speed * frame, top, left + speed * frame + width, top + height], float)


def hand_made_tracks() -> list[TrackedBoxes]:
    """Everybody is followed; the first is missed for a frame and comes back as another track.

    One frame has no track, and two people swap theirs.
    """
    frames = []
    for frame in range(FRAMES):
        boxes = {
            1_000_000 + person: truth_box(person, frame) + (person % 3)
            for person in range(len(PEOPLE))
        }
        boxes |= {
            10 + number: np.array([left, top, left + width, top + height], float)
            for number, (left, top, width, height) in enumerate(STRAYS)
        }
        if frame in (3, 4):
            del boxes[1_000_000]
        if frame >= 5:  # the old one comes back beside a better new one
            boxes[1_000_000] = truth_box(0, frame) + np.array([9, 0, 9, 0])
            boxes[5] = truth_box(0, frame)
        if frame >= 8:
            boxes[1_000_001], boxes[1_000_002] = boxes[1_000_002], boxes[1_000_001]
        if frame == 6:
            boxes = {}
        frames.append(TrackedBoxes(list(boxes), list(boxes.values())))
    return frames


def random_tracks(seed: int) -> list[TrackedBoxes]:
    """Noisy boxes of everybody, lost, swapped and invented."""
    rng = np.random.default_rng(seed)
    identity = rng.permutation(20)[: len(PEOPLE)]
    frames = []
    for frame in range(FRAMES):
        if rng.random() < 0.2:
            identity = rng.permutation(20)[: len(PEOPLE)]
        found = np.flatnonzero(rng.random(len(PEOPLE)) < 0.75)
        boxes = [truth_box(person, frame) + rng.normal(0, 5, 4) for person in found]
        corners = rng.uniform((0, 0), (1300, 400), (rng.integers(0, 4), 2))
        boxes += np.hstack([corners, corners + rng.uniform(8, 120, corners.shape)]).tolist()
        ids = [*identity[found], *(30 + np.arange(len(corners)))]
        frames.append(TrackedBoxes(ids, boxes))
    return frames


TRACKS = {"by hand": hand_made_tracks()} | {f"seed {k}": random_tracks(k) for k in range(4)}


def check(ours: Figures, theirs: Figures) -> None:
    for key in KEYS:
        assert ours[key] == pytest.approx(theirs[key], abs=1e-6), key


@pytest.mark.parametrize("case", TRACKS)
@pytest.mark.parametrize("benchmark", ["MOT15", "MOT17", "MOT20"])
def test_motchallenge(benchmark: str, case: str, tmp_path: Path) -> None:
    lines = []
    for frame in range(FRAMES):
        for person, (*_, category, flag, _, _, _) in enumerate(PEOPLE):
            left, top, right, bottom = truth_box(person, frame)
            box = f"{left},{top},{right - left},{bottom - top}"
            tail = "-1,-1,-1" if benchmark == "MOT15" else f"{category},1.0"
            lines.append(f"{frame + 1},{person + 1},{box},{flag},{tail}")
    truth, out = tmp_path / "gt.txt", tmp_path / "tracks.txt"
    truth.write_text("\n".join(lines))
    rows = [
        (number, int(track_id), box)
        for number, frame in enumerate(TRACKS[case], start=1)
        for track_id, box in zip(frame.ids, frame.boxes, strict=True)
    ]
    write_tracks(out, rows)

    labels = read_sequence_labels(truth, ReadingOptions(layout=benchmark.lower()))
    table = read_mot(out)
    written = list(zip(table.frame, table.id, table.boxes, strict=True))
    check(score_tracks(labels, written, FRAMES), trackeval_mot(benchmark, truth, out, FRAMES))


@pytest.mark.parametrize("case", TRACKS)
def test_kitti(case: str, tmp_path: Path) -> None:
    shape = "1.8 0.6 0.8 0 1.5 8 0"
    area = " ".join(map(str, AREA))
    lines = []
    for frame in range(FRAMES):
        lines.append(f"{frame} -1 DontCare -1 -1 -10 {area} {shape}")
        for person, (*_, kind, truncated, occluded) in enumerate(PEOPLE):
            box = " ".join(map(str, truth_box(person, frame)))
            lines.append(f"{frame} {person} {kind} {truncated} {occluded} 0 {box} {shape}")
    (tmp_path / "0000.txt").write_text("\n".join(lines))
    (tmp_path / "results").mkdir()
    write_results(tmp_path / "results/0000.txt", TRACKS[case])

    labels = read_labels(tmp_path / "0000.txt").evaluated()
    ours = tracking_metrics(*labels.compare(TRACKS[case], first_frame=0))
    theirs = trackeval_kitti(tmp_path, tmp_path / "results", {"0000": FRAMES})
    check(ours, theirs["0000"])


SEQUENCES = ["mot15/TUD-Campus"] + [
    f"mot17mini/MOT17-{name}-FRCNN" for name in ("02", "04", "05", "09")
]


@pytest.mark.parametrize("name", SEQUENCES)
def test_real_sequences(name: str, shared_dir: Path, tmp_path: Path) -> None:
    check(*compare_mot(shared_dir / "data/mot" / name, tmp_path))


def test_real_pedestrians_of_kitti(shared_dir: Path, tmp_path: Path) -> None:
    compared = compare_kitti(shared_dir / "data/mot/kitti_ped", tmp_path)
    assert len(compared) == 2 * (3 + 1)
    for ours, theirs in compared.values():
        check(ours, theirs)
