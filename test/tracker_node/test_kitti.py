# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest

from perception_kit.metrics.tracking import TrackedBoxes
from tracker_node.kitti import combine_sequences, main
from tracker_node.kitti_files import read_labels

FRAMES = 30

Refused = Callable[[str], AbstractContextManager[None]]


@pytest.fixture
def sequence(tmp_path: Path) -> Path:
    """Two people 6 m apart in depth who pass each other in the image.

    While they overlap, the camera shakes by half a box.
    """
    detections, labels = [], []
    for frame in range(FRAMES):
        shake = 14 * (-1) ** frame if 10 <= frame < 20 else 0
        for identity, (left, depth) in enumerate([(100 + 4 * frame, 6.0), (216 - 4 * frame, 12.0)]):
            box = f"{left + shake} 50 {left + shake + 30} 130"
            place = f"1.8 0.6 0.8 {(left - 150) * depth / 700:.4f} 1.5 {depth} 0"
            labels.append(f"{frame} {identity} Pedestrian 0 0 0 {box} {place}")
            detections.append(f"{frame},1,{box.replace(' ', ',')},3,{place.replace(' ', ',')},0")
    for folder, rows in (("det", detections), ("label", labels)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "0001.txt").write_text("\n".join(rows))
    return tmp_path


def compare(folder: Path, out: Path, *arguments: str) -> dict[tuple[str, str], dict[str, float]]:
    """Metrics by sequence and motion term; the file is in ``out``."""
    inputs = ["--detections", str(folder / "det"), "--labels", str(folder / "label")]
    assert main([*inputs, "--json", str(out / "out.json"), *arguments]) == 0
    results = json.loads((out / "out.json").read_text())["results"]
    return {(row["sequence"], row["motion"]): row for row in results}


def test_positions_keep_identities_that_boxes_lose(
    sequence: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = compare(sequence, sequence)
    assert results["0001", "3D"]["id_switches"] == 0
    assert results["0001", "2D"]["id_switches"] > 0
    assert results["0001", "3D"]["mota"] == pytest.approx(1 - 4 / (2 * FRAMES)), (
        "two frames until a track is confirmed"
    )
    assert results["all", "3D"]["mota"] == results["0001", "3D"]["mota"]
    table = capsys.readouterr().out.splitlines()
    titles = "sequence motion MOTA MOTP IDF1 HOTA switches fragments"
    assert " ".join(table[0].split()) == titles
    assert len(table) == 5


def test_min_score_leaves_detections_out(sequence: Path) -> None:
    assert compare(sequence, sequence, "--min-confidence", "4")["all", "3D"]["mota"] == 0.0


def test_the_old_name_of_an_option_works_with_a_warning(
    sequence: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compare(sequence, sequence, "--min-score", "4")["all", "3D"]["mota"] == 0.0
    assert "--min-score is now called --min-confidence" in capsys.readouterr().err


def test_what_the_benchmark_ignores_is_neither_right_nor_wrong(tmp_path: Path) -> None:
    shape = "1.8 0.6 0.8 0 1.5 8 0"
    (tmp_path / "0001.txt").write_text(
        f"0 1 Pedestrian 0 0 0 100 50 130 130 {shape}\n"
        f"0 2 Pedestrian 0 3 0 200 50 230 130 {shape}\n"
        f"0 3 Person 0 0 0 300 50 330 130 {shape}\n"
        f"0 -1 DontCare -1 -1 -10 400 0 600 200 {shape}\n"
        f"0 4 Car 0 0 0 700 50 730 130 {shape}\n"
    )
    boxes = [[left, 50, left + 30, 130] for left in (100, 200, 300, 450, 700)]
    tracked = TrackedBoxes(np.arange(1, 7), np.array([*boxes, [800, 50, 810, 70]]))
    labels = read_labels(tmp_path / "0001.txt").evaluated()
    assert labels.scored(0, tracked).ids.tolist() == [1, 5]
    assert labels.counted(0).ids.tolist() == [1]


def test_small_people_count_and_small_tracks_elsewhere_do_not(tmp_path: Path) -> None:
    shape = "1.8 0.6 0.8 0 1.5 8 0"
    (tmp_path / "0001.txt").write_text(f"0 1 Pedestrian 0 0 0 100 50 110 70 {shape}\n")
    tracked = TrackedBoxes([1, 2], [[100, 50, 110, 70], [300, 50, 310, 75]])
    labels = read_labels(tmp_path / "0001.txt").evaluated()
    assert labels.counted(0).ids.tolist() == [1]
    assert labels.scored(0, tracked).ids.tolist() == [1]


def test_another_class_than_those_of_the_benchmark_is_refused(tmp_path: Path) -> None:
    (tmp_path / "0001.txt").write_text("")
    with pytest.raises(ValueError, match="class 'Tram' is not evaluated by KITTI: Pedestrian, Car"):
        read_labels(tmp_path / "0001.txt").evaluated("Tram")


def test_identities_of_two_sequences_do_not_meet() -> None:
    box = [0, 0, 1, 1]
    first = [TrackedBoxes([1_000_001], [box]), TrackedBoxes([1], [box])]
    second = [TrackedBoxes([1], [box]), TrackedBoxes([], np.zeros((0, 4)))]
    ids = [boxes.ids.tolist() for boxes in combine_sequences([first, second])]
    assert ids == [[1], [0], [2], []]


ERRORS = {
    "no labels": (lambda folder: (folder / "label" / "0001.txt").unlink(), "no label files"),
    "no detections": (
        lambda folder: (folder / "det" / "0001.txt").unlink(),
        r"0001\.txt cannot be read",
    ),
    "broken line": (lambda folder: (folder / "det" / "0001.txt").write_text("abc\n"), "line 1"),
}


@pytest.mark.parametrize("case", ERRORS)
def test_errors_end_with_a_message(case: str, sequence: Path, refused: Refused) -> None:
    prepare, message = ERRORS[case]
    prepare(sequence)
    with refused(message):
        compare(sequence, sequence)


@pytest.mark.slow
def test_positions_switch_less_on_real_sequences(shared_dir: Path, tmp_path: Path) -> None:
    folder = shared_dir / "data/mot/kitti_ped"
    results = compare(folder, tmp_path)
    assert results["all", "3D"]["id_switches"] < results["all", "2D"]["id_switches"]
    assert results["all", "3D"]["mota"] >= results["all", "2D"]["mota"]
