# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perception_kit.bags.bag import BagWriter, RawMessage
from perception_kit.metrics.tracking import TrackedBoxes
from perception_kit.types import Instance, TrackEstimate, TrackState
from tracker_node.config import TrackerConfig
from tracker_node.distances import Distances, collect_distances
from tracker_node.tune import main
from tracker_node.tuning_data import NO_IDENTITY, LabeledFrame

Detection = Callable[..., Instance]
Refused = Callable[[str], AbstractContextManager[None]]
FRAMES = 25


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A MOTChallenge folder of two objects that look different and pass each other."""
    detections, ground_truth, features = [], [], []
    for frame in range(1, FRAMES + 1):
        for identity, left in ((1, 100 + 4 * frame), (2, 200 - 4 * frame)):
            ground_truth.append(f"{frame},{identity},{left},50,30,60,1,-1,-1,-1")
            detections.append(f"{frame},-1,{left},50,30,60,0.9,-1,-1,-1")
            features.append(np.eye(4)[identity] + 0.05 * np.sin(frame + np.arange(4)))
    for name, rows in (("det", detections), ("gt", ground_truth)):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{name}.txt").write_text("\n".join(rows))
    np.save(tmp_path / "features.npy", np.array(features))
    return tmp_path


def test_report_and_plot_are_written(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = folder / "out"
    inputs = ["--mot", str(folder), "--features", str(folder / "features.npy")]
    assert main([*inputs, "--out", str(out), "--lambdas", "0.25", "0.5"]) == 0

    report = json.loads((out / "tune.json").read_text())
    appearance = report["distances"]["appearance"]
    assert (appearance["parameter"], appearance["present"]) == ("max_cosine_distance", 0.2)
    largest_same, smallest_different = (
        appearance["same_quantiles"][2],
        appearance["different_quantiles"][0],
    )
    assert largest_same < appearance["suggested"] < smallest_different
    assert appearance["errors_suggested"] == [0.0, 0.0]
    assert appearance["same_count"] == appearance["different_count"] == 2 * (FRAMES - 1)
    assert report["distances"]["motion"]["errors_present"][1] > 0, (
        "while they pass, one is where the other should be"
    )
    assert [(row["lambda"], row["id_switches"]) for row in report["sweep"]] == [(0.25, 0), (0.5, 0)]
    assert (out / "tune.png").stat().st_size > 1000
    assert "switches" in capsys.readouterr().out


def test_without_appearance_only_motion_is_suggested(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["--mot", str(folder), "--out", str(folder / "out"), "--lambdas", "0"])
    assert list(json.loads((folder / "out/tune.json").read_text())["distances"]) == ["motion"]
    assert (
        "appearance: 0 distances of the same and 0 of different identities"
        in capsys.readouterr().out
    )


def test_unusable_detections_are_named_once(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (folder / "det/det.txt").open("a") as file:
        file.write("\n3,-1,nan,50,30,60,0.9\n")
    main(["--mot", str(folder), "--out", str(folder / "out"), "--lambdas", "0", "1"])
    assert capsys.readouterr().err.count("frame 3: detection 3 is skipped: box [nan") == 1


def test_metrics_that_nothing_defines_are_printed_as_dashes(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = (folder / "gt/gt.txt").read_text().splitlines()
    (folder / "gt/gt.txt").write_text("\n".join(lines[20:]))
    inputs = ["--mot", str(folder), "--frames", "5", "--lambdas", "0"]
    assert main([*inputs, "--out", str(folder / "out")]) == 0
    printed = capsys.readouterr()
    assert printed.out.splitlines()[3].split()[3:6] == ["-", "-", "-"]
    assert "10 of 10 detections lie outside of the truth's frames 11 to 25" in printed.err


def test_reading_options_belong_to_files(folder: Path, refused: Refused) -> None:
    with refused("--layout, --classes, --min-confidence and --boxes belong to --mot"):
        main(["--bag", str(folder), "--classes", "1", "--out", str(folder / "out")])


@pytest.mark.parametrize("option", ["--features", "--frames", "--results"])
def test_options_of_the_other_source_are_refused(
    option: str, folder: Path, refused: Refused
) -> None:
    source = "--mot" if option == "--results" else "--bag"
    with refused(f"{option}.* belong"):
        main([source, str(folder), option, "1", "--out", str(folder / "out")])


ERRORS = {
    "truth with an id twice": (
        lambda folder: (folder / "gt/gt.txt").write_text("1,1,5,5,9,9,1\n1,1,5,5,9,9,1\n"),
        r"gt\.txt, line 2: id 1 is in frame 1 already",
    ),
    "truth of another class": (
        lambda folder: (folder / "gt/gt.txt").write_text("1,1,5,5,9,9,1,2,1\n"),
        r"no row of .*gt\.txt counts.*such as --classes 2",
    ),
    "no truth": (lambda folder: (folder / "gt/gt.txt").write_text(""), "0 true boxes"),
    "broken line": (lambda folder: (folder / "det/det.txt").write_text("abc"), r"det\.txt, line 1"),
    "other features": (
        lambda folder: np.save(folder / "features.npy", np.zeros((3, 4))),
        r"shape \(3, 4\)",
    ),
}


@pytest.mark.parametrize("case", ERRORS)
def test_errors_end_with_a_message(case: str, folder: Path, refused: Refused) -> None:
    prepare, message = ERRORS[case]
    prepare(folder)
    inputs = ["--mot", str(folder), "--features", str(folder / "features.npy")]
    with refused(message):
        main([*inputs, "--out", str(folder / "out")])


def test_a_bag_with_ground_truth_and_the_results_of_a_replay(tmp_path: Path) -> None:
    """Two mugs that look different and pass each other.

    The ground truth is in one bag, what the node detected in another.
    """
    pytest.importorskip(
        "assistant_perception", reason="the messages are not built: run 'make setup'"
    )
    from rclpy.serialization import serialize_message
    from std_msgs.msg import Header

    from perception_kit.ros.to_messages import detections_to_message, ns_to_stamp, tracks_to_message

    with BagWriter(tmp_path / "bag") as bag, BagWriter(tmp_path / "results") as results:
        for frame in range(FRAMES):
            stamp_ns = round((1 + frame / 30) * 1e9)
            header = Header(stamp=ns_to_stamp(stamp_ns), frame_id="camera")
            boxes = {
                1: np.array([100 + 4 * frame, 50, 130 + 4 * frame, 110.0]),
                2: np.array([200 - 4 * frame, 50, 230 - 4 * frame, 110.0]),
            }
            mask, looks = np.ones((2, 2), bool), np.eye(4, dtype=np.float32)
            mugs = [
                Instance(1, "mug", 0.9, box, mask, (0, 0), looks[k]) for k, box in boxes.items()
            ]
            tracks = [
                TrackEstimate(
                    k, 1, "mug", TrackState.CONFIRMED, 1.0, 1, 1, 0.0, index, box, np.zeros(4)
                )
                for index, (k, box) in enumerate(boxes.items())
            ]
            for writer, topic, message in (
                (bag, "/ground_truth/detections", detections_to_message(mugs, header, 640, 480)),
                (bag, "/ground_truth/tracks", tracks_to_message(tracks, header)),
                (results, "/pose6d_node/detections", detections_to_message(mugs, header, 640, 480)),
            ):
                kind = f"assistant_perception/msg/{type(message).__name__}"
                writer.write_raw(RawMessage(topic, kind, stamp_ns, serialize_message(message)))
    inputs = ["--bag", str(tmp_path / "bag"), "--results", str(tmp_path / "results")]
    assert main([*inputs, "--out", str(tmp_path / "out")]) == 0

    report = json.loads((tmp_path / "out/tune.json").read_text())
    appearance, motion = report["distances"]["appearance"], report["distances"]["motion"]
    assert appearance["same_count"] == motion["same_count"] == 2 * (FRAMES - 1)
    assert appearance["errors_suggested"] == [0.0, 0.0]
    assert [(row["lambda"], row["truth_ids"]) for row in report["sweep"]] == [
        (weight, 2) for weight in (0.0, 0.25, 0.5, 0.75, 1.0)
    ]
    assert report["sweep"][0]["id_switches"] == 0


def test_a_bag_without_detections_says_what_to_do(tmp_path: Path, refused: Refused) -> None:
    with BagWriter(tmp_path / "bag") as writer:
        message = writer.typestore.types["std_msgs/msg/String"](data="hello")
        writer.write("/chatter", message, 1)
    with refused(r"has no detections: play it .* perception_kit\.replay"):
        main(["--bag", str(tmp_path / "bag"), "--out", str(tmp_path / "out")])


def test_detections_get_the_identity_of_the_true_box_of_their_class(detection: Detection) -> None:
    ground_truth = TrackedBoxes(
        [7, 8, 9],
        [[0, 0, 10, 10], [50, 0, 60, 10], [90, 0, 99, 9]],
        ["class 1", "class 2", "class 1"],
    )
    seen = [
        detection([51, 0, 61, 10]),
        detection([1, 0, 11, 10]),
        detection([51, 0, 61, 10], class_id=2),
        detection([200, 0, 210, 10]),
    ]
    identities = LabeledFrame(0, seen, [], ground_truth).identities()
    assert identities.tolist() == [NO_IDENTITY, 7, 8, NO_IDENTITY]


def test_distances_are_those_of_the_true_tracks(detection: Detection) -> None:
    """Two objects swap places.

    The tracker would follow the place, the distances follow the identity.
    """
    boxes = [[100, 100, 150, 200], [140, 100, 190, 200]]
    looks = [[1, 0], [0.6, 0.8]]
    frames = []
    for number, order in enumerate([(0, 1), (1, 0)]):
        seen = [
            detection(boxes[place], descriptor=looks[identity])
            for place, identity in enumerate(order)
        ]
        ground_truth = TrackedBoxes([1 + identity for identity in order], boxes)
        frames.append(LabeledFrame(number * 33_333_333, seen, [], ground_truth))
    found = collect_distances(frames, TrackerConfig())
    np.testing.assert_allclose(found["appearance"].same, [0, 0], atol=1e-6)
    np.testing.assert_allclose(found["appearance"].different, [0.4, 0.4], atol=1e-6)
    assert found["motion"].same.min() > 5 > 1e-6 > found["motion"].different.max()


tenths = st.lists(st.integers(0, 50).map(lambda number: number / 10), min_size=1, max_size=20)


@given(tenths, tenths)
def test_no_threshold_is_better_than_the_suggested_one(
    same: list[float], different: list[float]
) -> None:
    distances = Distances(np.array(same), np.array(different))
    best = sum(distances.errors(distances.best_threshold()))
    assert all(best <= sum(distances.errors(threshold)) + 1e-9 for threshold in [*same, *different])
