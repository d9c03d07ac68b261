# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest

from tracker_node.mot import main
from tracker_node.motchallenge import read_mot

Refused = Callable[[str], AbstractContextManager[None]]


@pytest.fixture
def sequence(tmp_path: Path) -> Path:
    """Two objects of 40 frames; the second is hidden in frames 15 to 24.

    ``det.txt``, ``gt.txt``, ``features.npy``.
    """
    detections, ground_truth, features = [], [], []
    for frame in range(1, 41):
        for identity, left in ((1, 10 + 2 * frame), (2, 400 - frame)):
            ground_truth.append(f"{frame},{identity},{left},50,30,60,1,-1,-1,-1")
            if identity == 1 or not 15 <= frame < 25:
                detections.append(f"{frame},-1,{left},50,30,60,0.9,-1,-1,-1")
                features.append(np.eye(4)[identity])
    (tmp_path / "det.txt").write_text("\n".join(detections))
    (tmp_path / "gt.txt").write_text("\n".join(ground_truth))
    np.save(tmp_path / "features.npy", np.array(features))
    return tmp_path


def track(folder: Path, *arguments: str) -> None:
    detections, out = str(folder / "det.txt"), str(folder / "out/tracks.txt")
    assert main(["--detections", detections, "--out", out, *arguments]) == 0


def test_tracks_and_metrics_are_written(sequence: Path, capsys: pytest.CaptureFixture[str]) -> None:
    features, ground_truth = str(sequence / "features.npy"), str(sequence / "gt.txt")
    result = sequence / "out/metrics.json"
    inputs = ["--features", features, "--truth", ground_truth]
    track(sequence, *inputs, "--lambda", "0.5", "--fps", "25", "--json", str(result))

    metrics = json.loads(result.read_text())
    # Two frames until a track is confirmed, 10 hidden ones of which the first is predicted.
    assert metrics["misses"] == 2 + 2 + 9
    assert (metrics["id_switches"], metrics["false_positives"], metrics["fragments"]) == (0, 0, 1)
    assert metrics["mota"] == pytest.approx(1 - 13 / 80)
    assert 0.9 < metrics["motp"] <= 1
    assert {"idf1", "hota", "mostly_tracked", "mostly_lost"} <= metrics.keys()
    assert metrics["config"]["motion_weight"] == 0.5
    assert metrics["config"]["nominal_frame_rate"] == 25.0

    tracks = read_mot(sequence / "out/tracks.txt")
    assert len(tracks) == 80 - 13
    assert set(tracks.id.tolist()) == {1, 2}
    assert "2 tracks, 67 boxes" in capsys.readouterr().out


def test_metrics_may_go_to_standard_output(
    sequence: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    track(sequence, "--truth", str(sequence / "gt.txt"), "--json", "-")
    printed = capsys.readouterr()
    assert json.loads(printed.out)["truth_boxes"] == 80
    assert "2 tracks" in printed.err


def test_unusable_detections_are_named_by_frame(
    sequence: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (sequence / "det.txt").open("a") as file:
        file.write("\n3,-1,nan,50,30,60,0.9\n5,-1,10,50,30,-60,0.9\n")
    track(sequence)
    messages = capsys.readouterr().err
    assert "frame 3: detection 3 is skipped: box [nan" in messages
    assert "frame 5: detection 3 is skipped: box is 30 px wide and -60 px high" in messages
    assert set(read_mot(sequence / "out/tracks.txt").id.tolist()) == {1, 2}


def test_detections_are_counted_in_the_frames_that_are_tracked(
    sequence: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    track(sequence, "--frames", "5")
    assert "10 detections in 5 frames" in capsys.readouterr().out


def test_ground_truth_of_other_frames_is_pointed_out(
    sequence: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (sequence / "gt.txt").write_text("101,1,10,50,30,60,1,-1,-1,-1\n")
    track(sequence, "--truth", str(sequence / "gt.txt"))
    assert "no frame has both detections and truth" in capsys.readouterr().err


def test_low_confidences_can_be_left_out(
    sequence: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (sequence / "det.txt").open("a") as file:
        for frame in range(1, 41):
            file.write(f"\n{frame},-1,200,300,30,60,0.1\n{frame},-1,300,300,30,60,0.05")
    inputs = ["--truth", str(sequence / "gt.txt"), "--json", str(sequence / "metrics.json")]
    track(sequence, *inputs)
    assert json.loads((sequence / "metrics.json").read_text())["false_positives"] == 2 * 38
    assert "80 of the 150 detections" in capsys.readouterr().err
    track(sequence, *inputs, "--min-confidence", "0.3")
    assert json.loads((sequence / "metrics.json").read_text())["false_positives"] == 0


def test_deep_sorts_array_gives_detections_and_descriptors(sequence: Path) -> None:
    features = np.load(sequence / "features.npy")
    columns = read_mot(sequence / "det.txt").columns
    np.save(sequence / "det.npy", np.hstack([columns, features]))
    track(sequence, "--features", str(sequence / "features.npy"))
    expected = (sequence / "out/tracks.txt").read_text()
    track(sequence, "--features", str(sequence / "det.npy"))
    assert (sequence / "out/tracks.txt").read_text() == expected
    out = str(sequence / "out/tracks.txt")
    assert main(["--detections", str(sequence / "det.npy"), "--out", out]) == 0
    assert (sequence / "out/tracks.txt").read_text() == expected


def test_tracks_that_match_nothing_are_pointed_out(
    sequence: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = (sequence / "gt.txt").read_text().replace(",50,30,60,", ",550,30,60,")
    (sequence / "gt.txt").write_text(lines)
    track(sequence, "--truth", str(sequence / "gt.txt"))
    assert "no track overlaps a label by half" in capsys.readouterr().err


def test_no_detections_at_all(sequence: Path) -> None:
    (sequence / "det.txt").write_text("")
    track(sequence, "--truth", str(sequence / "gt.txt"), "--json", str(sequence / "metrics.json"))
    metrics = json.loads((sequence / "metrics.json").read_text())
    assert (metrics["mota"], metrics["motp"], metrics["misses"]) == (0.0, None, 80)


ERRORS = {
    "broken line": (
        lambda folder: (folder / "det.txt").write_text("1,-1,5,5,9,9,1\nabc\n"),
        [],
        "det.txt, line 2",
    ),
    "features of another number": (
        lambda folder: np.save(folder / "features.npy", np.zeros((3, 4))),
        ["--features", "{}/features.npy"],
        r"shape \(3, 4\), expected \(70, D\)",
    ),
    "features that are no array": (
        lambda folder: (folder / "features.npy").write_bytes(b"abc"),
        ["--features", "{}/features.npy"],
        "cannot be read as a .npy array",
    ),
    "features that are no real numbers": (
        lambda folder: np.save(folder / "features.npy", np.ones((70, 4), complex)),
        ["--features", "{}/features.npy"],
        "4 values of type complex128 a row, expected at least one real number",
    ),
    "features without values": (
        lambda folder: np.save(folder / "features.npy", np.ones((70, 0))),
        ["--features", "{}/features.npy"],
        "0 values of type float64 a row",
    ),
    "truth with an id twice": (
        lambda folder: (folder / "gt.txt").write_text("1,1,5,5,9,9,1\n1,1,50,5,9,9,1\n"),
        ["--truth", "{}/gt.txt"],
        "gt.txt, line 2: id 1 is in frame 1 already, by line 1",
    ),
    "metrics over the truth": (
        lambda folder: None,
        ["--truth", "{0}/gt.txt", "--json", "{0}/gt.txt"],
        "gt.txt is read and would be overwritten",
    ),
    "metrics over the tracks": (
        lambda folder: None,
        ["--truth", "{0}/gt.txt", "--json", "{0}/out/tracks.txt"],
        "would be overwritten",
    ),
    "lambda outside its range": (
        lambda folder: None,
        ["--lambda", "2"],
        "motion_weight is 2.0, expected 0.0 to 1.0",
    ),
    "truth of another class": (
        lambda folder: (folder / "gt.txt").write_text("1,1,5,5,9,9,1,3,1\n"),
        ["--truth", "{}/gt.txt"],
        "no row of .*gt.txt counts.*such as --classes 3",
    ),
    "no such truth": (
        lambda folder: None,
        ["--truth", "{}/absent.txt"],
        "absent.txt cannot be read",
    ),
    "no frame rate": (
        lambda folder: None,
        ["--fps", "0"],
        "nominal_frame_rate is 0.0, expected 0.1 to 1000.0",
    ),
    "output that is a folder": (
        lambda folder: (folder / "out/tracks.txt").mkdir(parents=True),
        [],
        "Is a directory: '.*tracks.txt'",
    ),
    "output below a file": (lambda folder: (folder / "out").touch(), [], "File exists: '.*out'"),
    "metrics that cannot be written": (
        lambda folder: None,
        ["--truth", "{0}/gt.txt", "--json", "{0}/det.txt/metrics.json"],
        "Not a directory|File exists",
    ),
}


@pytest.mark.parametrize("case", ERRORS)
def test_errors_end_with_a_message(case: str, sequence: Path, refused: Refused) -> None:
    prepare, arguments, message = ERRORS[case]
    prepare(sequence)
    with refused(message):
        track(sequence, *(argument.format(sequence) for argument in arguments))


def score(folder: Path, out: Path, *arguments: str) -> dict[str, float]:
    """Metrics of a MOTChallenge folder; the tracks are in ``out``."""
    inputs = ["--detections", str(folder / "det/det.txt"), "--truth", str(folder / "gt/gt.txt")]
    outputs = ["--out", str(out / "tracks.txt"), "--json", str(out / "metrics.json")]
    assert main([*inputs, *outputs, *arguments]) == 0
    return json.loads((out / "metrics.json").read_text())


def test_real_sequence_beats_the_sample_tracker(shared_dir: Path, tmp_path: Path) -> None:
    """TUD-Campus without appearance.

    The sample tracker has MOTA 52.6 %, IDF1 55.8 % and 7 switches.
    """
    folder = shared_dir / "data/mot/mot15/TUD-Campus"
    metrics = score(folder, tmp_path, "--fps", "25")
    assert metrics["mota"] > 0.526
    assert metrics["idf1"] > 0.558
    assert metrics["id_switches"] < 7


@pytest.mark.parametrize(
    ("name", "frames", "fps"), [("02", 4, 30), ("04", 8, 30), ("05", 6, 14), ("09", 4, 30)]
)
def test_real_people_keep_their_identities(
    name: str, frames: int, fps: int, shared_dir: Path, tmp_path: Path
) -> None:
    """The start of MOT17's sequences.

    People on vehicles, statues and reflections, which detectors also find, do not count.
    """
    folder = shared_dir / f"data/mot/mot17mini/MOT17-{name}-FRCNN"
    metrics = score(folder, tmp_path, "--fps", str(fps), "--frames", str(frames))
    found = metrics["truth_boxes"] - metrics["misses"]
    assert metrics["id_switches"] == 0
    assert metrics["false_positives"] <= 0.03 * found
    assert metrics["motp"] > 0.85
    assert set(read_mot(tmp_path / "tracks.txt").frame.tolist()) == set(range(3, frames + 1)), (
        "two frames confirm a track"
    )
