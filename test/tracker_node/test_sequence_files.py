# SPDX-License-Identifier: Apache-2.0
"""What the readers of tracking files understand, say and refuse."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tracker_node.descriptors import read_features, warn_alike
from tracker_node.kitti_files import KittiFileError
from tracker_node.labels import Role
from tracker_node.motchallenge import MotFileError, read_mot
from tracker_node.sequence_files import (
    ReadingOptions,
    read_sequence_detections,
    read_sequence_labels,
    warn_uncovered,
)

FRAMES = 12
SHAPE = "1.8 0.6 0.8 0 1.5 8 0"

Row = Callable[[int, int, str], str]
"""The line of a frame from 1, a person from 1 and their box "left,top,width,height"."""


def people(row: Row) -> str:
    """Lines of three people in all frames."""
    lines = []
    for frame in range(1, FRAMES + 1):
        for person, (left, speed) in enumerate(((50, 4), (500, -3), (300, 1)), start=1):
            lines.append(row(frame, person, f"{left + speed * frame},100,60,150"))
    return "\n".join(lines)


def kitti_row(frame: int, person: int, box: str) -> str:
    left, top, width, height = map(int, box.split(","))
    kind = ("Pedestrian", "Person", "Car")[person - 1]
    corners = f"{left} {top} {left + width} {top + height}"
    return f"{frame - 1} {person} {kind} 0 0 0 {corners} {SHAPE}"


# Lines, options, the name of the layout, and what becomes of the three people.
COUNTED, IGNORED, OTHER, AREA = Role.COUNTED, Role.IGNORED, Role.OTHER, Role.AREA
LAYOUTS: dict[str, tuple[Row, ReadingOptions, str, list[Role]]] = {
    "MOT15": (
        lambda f, p, box: f"{f},{p},{box},1,-1,-1,-1",
        ReadingOptions(),
        "MOT15, no classes, 10 columns",
        [COUNTED, COUNTED, COUNTED],
    ),
    "MOT15 with positions in space": (
        lambda f, p, box: f"{f},{p},{box},1,{p}.5,{f}.25,0",
        ReadingOptions(),
        "MOT15, no classes, 10 columns",
        [COUNTED, COUNTED, COUNTED],
    ),
    "MOT17": (
        lambda f, p, box: f"{f},{p},{box},1,{(1, 7, 3)[p - 1]},0.{f % 10}",
        ReadingOptions(),
        "MOT16/17, 9 columns",
        [COUNTED, IGNORED, OTHER],
    ),
    "MOT17 with a class that was named": (
        lambda f, p, box: f"{f},{p},{box},1,{(1, 7, 3)[p - 1]},0.{f % 10}",
        ReadingOptions(classes=("1", "static person")),
        "MOT16/17, 9 columns",
        [COUNTED, COUNTED, OTHER],
    ),
    "eight columns": (
        lambda f, p, box: f"{f},{p},{box},1,{(1, 7, 3)[p - 1]}",
        ReadingOptions(),
        "MOT16/17, 8 columns",
        [COUNTED, IGNORED, OTHER],
    ),
    "class and two columns without meaning": (
        lambda f, p, box: f"{f},{p},{box},1,{(1, 7, 3)[p - 1]},-1,-1",
        ReadingOptions(),
        "MOT16/17, 10 columns",
        [COUNTED, IGNORED, OTHER],
    ),
    "MOT20": (
        lambda f, p, box: f"{f},{p},{box},1,{(1, 6, 3)[p - 1]},0.5",
        ReadingOptions(layout="mot20"),
        "MOT20, 9 columns",
        [COUNTED, IGNORED, OTHER],
    ),
    "UAVDT, all in view, occluded now and then": (
        lambda f, p, box: f"{f},{p},{box},1,{1 + f % 4},1",
        ReadingOptions(),
        "UAVDT, 9 columns",
        [COUNTED, COUNTED, COUNTED],
    ),
    "UAVDT, trucks and buses": (
        lambda f, p, box: f"{f},{p},{box},{1 + f % 3},1,{p}",
        ReadingOptions(classes=("truck",)),
        "UAVDT, 9 columns",
        [IGNORED, COUNTED, IGNORED],
    ),
    "VisDrone": (
        lambda f, p, box: f"{f},{p},{box},1,{(1, 11, 0)[p - 1]},{f % 2},{f % 3}",
        ReadingOptions(),
        "VisDrone, 10 columns",
        [COUNTED, IGNORED, AREA],
    ),
    "VisDrone, a label that does not count": (
        lambda f, p, box: f"{f},{p},{box},{(1, 1, 0)[p - 1]},{(1, 4, 1)[p - 1]},0,0",
        ReadingOptions(classes=("pedestrian",)),
        "VisDrone, 10 columns",
        [COUNTED, IGNORED, IGNORED],
    ),
    "KITTI": (
        kitti_row,
        ReadingOptions(),
        "KITTI labels",
        [COUNTED, IGNORED, Role.UNUSED],
    ),
    "KITTI's cars": (
        kitti_row,
        ReadingOptions(layout="kitti", classes=("Car",)),
        "KITTI labels",
        [Role.UNUSED, Role.UNUSED, COUNTED],
    ),
}


@pytest.mark.parametrize("case", LAYOUTS)
def test_labels_of_the_benchmarks(
    case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    row, options, title, roles = LAYOUTS[case]
    (tmp_path / "gt.txt").write_text(people(row))
    labels = read_sequence_labels(tmp_path / "gt.txt", options)
    assert labels.role.tolist() == roles * FRAMES
    assert (labels.frame.min(), labels.frame.max()) == (1, FRAMES)
    np.testing.assert_allclose(labels.boxes[0], [54, 100, 114, 250])
    printed = capsys.readouterr().err
    counted = roles.count(COUNTED) * FRAMES
    assert f"gt.txt: {title}; frames" in printed
    assert f"; {counted} of {3 * FRAMES} rows count" in printed


def test_few_rows_that_count_are_pointed_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    row = LAYOUTS["MOT17"][0]
    (tmp_path / "gt.txt").write_text(people(row))
    read_sequence_labels(tmp_path / "gt.txt", ReadingOptions())
    warning = capsys.readouterr().err.splitlines()[1]
    assert "warning: less than half of the rows in" in warning
    assert "{1 pedestrian: 12, 3 car: 12, 7 static person: 12}" in warning
    assert "counted: 1 pedestrian; name yours with --classes, such as --classes 3" in warning


CVAT = {
    # labels.txt, roles of classes 1, 2 and 3
    "people": ("car\nPerson\ndog\n", [IGNORED, COUNTED, IGNORED]),
    "people by two names": ("pedestrian\ncar\npeople", [COUNTED, IGNORED, COUNTED]),
}


@pytest.mark.parametrize("case", CVAT)
def test_an_export_of_cvat_names_its_classes(
    case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names, roles = CVAT[case]
    (tmp_path / "labels.txt").write_text(names)
    (tmp_path / "gt.txt").write_text(people(lambda f, p, box: f"{f},{p},{box},1,{p},1.0"))
    labels = read_sequence_labels(tmp_path / "gt.txt", ReadingOptions())
    assert labels.role.tolist() == roles * FRAMES
    assert f"CVAT's MOT 1.1, 9 columns; frames 1 to 12; classes 1 {names.split()[0]}: 12" in (
        capsys.readouterr().err
    )


def test_the_only_class_of_an_export_counts(tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text("mug\n")
    (tmp_path / "gt.txt").write_text(people(lambda f, p, box: f"{f},{p},{box},1,1,1.0"))
    labels = read_sequence_labels(tmp_path / "gt.txt", ReadingOptions())
    assert (labels.role == COUNTED).all()


def test_of_several_other_classes_none_is_guessed(tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text("car\ndog\ncat\n")
    (tmp_path / "gt.txt").write_text(people(lambda f, p, box: f"{f},{p},{box},1,{p},1.0"))
    with pytest.raises(MotFileError, match=r"counted: none; name yours with --classes"):
        read_sequence_labels(tmp_path / "gt.txt", ReadingOptions())
    labels = read_sequence_labels(tmp_path / "gt.txt", ReadingOptions(classes=("dog",)))
    assert labels.role.tolist() == [IGNORED, COUNTED, IGNORED] * FRAMES


@pytest.mark.parametrize("named_by", ["folder", "seqinfo"])
def test_mot20_is_known_by_its_folder(named_by: str, tmp_path: Path) -> None:
    folder = tmp_path / ("MOT20-01" if named_by == "folder" else "mine")
    (folder / "gt").mkdir(parents=True)
    if named_by == "seqinfo":
        (folder / "seqinfo.ini").write_text("[Sequence]\nname=MOT20-01\n")
    (folder / "gt/gt.txt").write_text(people(LAYOUTS["MOT20"][0]))
    labels = read_sequence_labels(folder / "gt/gt.txt", ReadingOptions())
    assert labels.role.tolist() == [COUNTED, IGNORED, OTHER] * FRAMES


def test_ignored_areas_of_uavdt_lie_in_a_file_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "M1_gt_whole.txt").write_text(people(lambda f, p, box: f"{f},{p},{box},1,1,{p}"))
    (tmp_path / "M1_gt_ignore.txt").write_text("1,-1,0,300,100,100,1,-1,-1\n")
    path = tmp_path / "M1_gt_whole.txt"
    labels = read_sequence_labels(path, ReadingOptions())
    assert labels.role.tolist() == [COUNTED] * 3 * FRAMES + [AREA]
    labels = read_sequence_labels(path, ReadingOptions(classes=("bus",)))
    assert labels.role.tolist() == [IGNORED, IGNORED, COUNTED] * FRAMES + [AREA]


LABEL_ERRORS = {
    "no class counts": (
        people(lambda f, p, box: f"{f},{p},{box},1,2,1.0"),
        ReadingOptions(),
        r"no row of .*gt\.txt counts, read as MOT16/17, 9 columns: column 8 holds the classes"
        r" \{2 person on vehicle: 36\}; counted: 1 pedestrian; .*such as --classes 2",
    ),
    "no flag is set": (
        people(lambda f, p, box: f"{f},{p},{box},0,1,1.0"),
        ReadingOptions(),
        r"no row of .* counts.*column 7 is 0 in the others",
    ),
    "no flag without classes": (
        people(lambda f, p, box: f"{f},{p},{box},0,-1,-1,-1"),
        ReadingOptions(),
        "column 7, which says whether a label counts, is 0 everywhere",
    ),
    "a column that changes within an identity": (
        people(lambda f, p, box: f"{f},{p},{box},1,{f % 9},0.5"),
        ReadingOptions(),
        r"column 8 changes within the identity 1, so it is no class: .*--layout mot15, mot17",
    ),
    "unknown class": (
        people(LAYOUTS["VisDrone"][0]),
        ReadingOptions(classes=("boat",)),
        "class 'boat' is not known in VisDrone: ignored region, pedestrian",
    ),
    "classes without a column": (
        people(LAYOUTS["MOT15"][0]),
        ReadingOptions(classes=("1",)),
        "has no class column",
    ),
    "a class that KITTI's labels do not hold": (
        people(kitti_row),
        ReadingOptions(classes=("Cyclist",)),
        "no row of .* counts as Cyclist.*it holds Car, Pedestrian, Person; name the class",
    ),
    "two classes of KITTI": (
        people(kitti_row),
        ReadingOptions(classes=("Car", "Van")),
        "KITTI evaluates one class at a time",
    ),
    "corners": (
        people(lambda f, p, box: f"{f},{p},{100 * p + f},50,{100 * p + f + 40},150,1,-1,-1,-1"),
        ReadingOptions(),
        "columns 5 and 6 are larger .* right and bottom edges do; .*subtract left and top",
    ),
    "fractions": (
        people(lambda f, p, box: f"{f},{p},0.{f:03d},0.5,0.1,0.25,1,-1,-1,-1"),
        ReadingOptions(),
        "no coordinate is above 1.*multiply left and width by the image's width",
    ),
}


@pytest.mark.parametrize("case", LABEL_ERRORS)
def test_labels_that_mean_something_else_are_refused(case: str, tmp_path: Path) -> None:
    text, options, message = LABEL_ERRORS[case]
    (tmp_path / "gt.txt").write_text(text)
    with pytest.raises((MotFileError, KittiFileError), match=message):
        read_sequence_labels(tmp_path / "gt.txt", options)


def detections(form: str) -> str:
    """Three people whose boxes are written in a form."""

    def row(frame: int, person: int, box: str) -> str:
        left, top, width, height = map(int, box.split(","))
        numbers = {
            "size": (left, top, width, height),
            "corners": (left, top, left + width, top + height),
            "center": (left + width / 2, top + height / 2, width, height),
        }[form]
        return f"{frame},-1,{','.join(map(str, numbers))},0.{person}"

    return people(row)


@pytest.mark.parametrize("form", ["size", "corners", "center"])
def test_boxes_of_other_forms_can_be_named(form: str, tmp_path: Path) -> None:
    (tmp_path / "det.txt").write_text(detections(form))
    read = read_sequence_detections(tmp_path / "det.txt", ReadingOptions(boxes=form))
    np.testing.assert_allclose(read.table.boxes[0], [54, 100, 114, 250])


def test_corners_are_not_taken_for_sizes(tmp_path: Path) -> None:
    (tmp_path / "det.txt").write_text(detections("corners"))
    with pytest.raises(MotFileError, match="say what they are with --boxes corners"):
        read_sequence_detections(tmp_path / "det.txt", ReadingOptions())


NEAR = {
    # left, top, width, height of an object that fills the corner; its speed and growth a frame
    "stands still": ([40, 20, 300, 400], 0.0, 1.0),
    "walks on": ([10, 20, 300, 400], 4.0, 1.0),
    "comes nearer": ([10, 20, 150, 250], 0.0, 1.04),
    "comes nearer while walking": ([10, 20, 200, 300], 3.0, 1.03),
    "goes away": ([100, 20, 500, 450], -3.0, 0.985),
}


@pytest.mark.parametrize("case", NEAR)
def test_an_object_in_the_corner_is_not_taken_for_corners(case: str, tmp_path: Path) -> None:
    (left, top, width, height), speed, growth = NEAR[case]
    rng = np.random.default_rng(0)
    lines = []
    for frame in range(1, 31):
        box = np.array([left + speed * frame, top, width * growth**frame, height])
        lines.append(f"{frame},-1,{','.join(map(str, box + rng.normal(0, 2, 4)))},0.9")
    (tmp_path / "det.txt").write_text("\n".join(lines))
    assert len(read_sequence_detections(tmp_path / "det.txt", ReadingOptions()).table) == 30


def test_sizes_that_look_like_corners_can_be_named(tmp_path: Path) -> None:
    (tmp_path / "det.txt").write_text(detections("corners"))
    read = read_sequence_detections(tmp_path / "det.txt", ReadingOptions(boxes="size"))
    np.testing.assert_allclose(read.table.boxes[0], [54, 100, 54 + 114, 100 + 250])


def test_detections_below_a_confidence_are_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "det.txt").write_text(detections("size"))
    read = read_sequence_detections(tmp_path / "det.txt", ReadingOptions())
    assert len(read.table) == 3 * FRAMES
    printed = capsys.readouterr().err
    assert "confidence 0.1 to 0.3; 36 of 36 rows count" in printed
    assert "24 of the 36 detections" in printed
    assert "--min-confidence" in printed

    read = read_sequence_detections(tmp_path / "det.txt", ReadingOptions(min_confidence=0.2))
    assert read.table.confidence.tolist() == [0.2, 0.3] * FRAMES
    assert read.row[:4].tolist() == [1, 2, 4, 5]
    printed = capsys.readouterr().err
    assert "24 of 36 rows count" in printed
    assert "warning" not in printed


def test_scores_that_are_no_probabilities_are_not_called_low(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "det.txt").write_text(people(lambda f, p, box: f"{f},-1,{box},{p - 2}.5"))
    read_sequence_detections(tmp_path / "det.txt", ReadingOptions())
    assert "warning" not in capsys.readouterr().err


def test_detections_with_classes_are_chosen_by_class(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = people(lambda f, p, box: f"{f},-1,{box},0.9,{p},-1,-1")
    (tmp_path / "det.txt").write_text(text)
    assert len(read_sequence_detections(tmp_path / "det.txt", ReadingOptions()).table) == 36
    assert "classes 1 pedestrian: 12, 2 person on vehicle: 12, 3 car: 12" in capsys.readouterr().err
    read = read_sequence_detections(tmp_path / "det.txt", ReadingOptions(classes=("3",)))
    assert read.row.tolist() == list(range(2, 36, 3))


def test_results_of_kitti_are_detections_with_frames_from_one(tmp_path: Path) -> None:
    lines = [f"{line} 0.7" for line in people(kitti_row).splitlines()]
    (tmp_path / "0000.txt").write_text("\n".join(lines))
    table = read_sequence_detections(tmp_path / "0000.txt", ReadingOptions()).table
    assert table.frame.tolist() == list(range(1, FRAMES + 1)), "its pedestrians"
    np.testing.assert_allclose(table.boxes[0], [54, 100, 114, 250])
    assert set(table.confidence.tolist()) == {0.7}
    cars = read_sequence_detections(tmp_path / "0000.txt", ReadingOptions(classes=("Car",))).table
    np.testing.assert_allclose(cars.boxes[0], [301, 100, 361, 250])


def test_truth_that_ends_early_is_pointed_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "det.txt").write_text(people(lambda f, p, box: f"{f},-1,{box},0.9"))
    lines = people(lambda f, p, box: f"{f},{p},{box},1,-1,-1,-1").splitlines()
    (tmp_path / "gt.txt").write_text("\n".join(lines[:12]))
    table = read_sequence_detections(tmp_path / "det.txt", ReadingOptions()).table
    labels = read_sequence_labels(tmp_path / "gt.txt", ReadingOptions())
    capsys.readouterr()
    warn_uncovered(labels, table, frames=4)
    assert capsys.readouterr().err == ""
    warn_uncovered(labels, table, frames=FRAMES)
    assert "24 of 36 detections lie outside of the truth's frames 1 to 4" in capsys.readouterr().err


@pytest.fixture
def deep_sort(tmp_path: Path) -> tuple[Path, np.ndarray]:
    """Detections whose frames are not in order, and descriptors in the order of the file."""
    lines = people(lambda f, p, box: f"{f},-1,{box},0.9").splitlines()
    rng = np.random.default_rng(0)
    order = rng.permutation(len(lines))
    (tmp_path / "det.txt").write_text("\n".join(lines[k] for k in order))
    return tmp_path / "det.txt", rng.normal(size=(len(lines), 16))


@pytest.mark.parametrize("by_frame", [False, True])
def test_deep_sorts_columns_are_taken_off(
    by_frame: bool, deep_sort: tuple[Path, np.ndarray], capsys: pytest.CaptureFixture[str]
) -> None:
    path, descriptors = deep_sort
    table = read_mot(path)
    rows = np.hstack([table.columns, np.full((len(table), 3), -1.0), descriptors])
    order = np.argsort(table.frame, kind="stable") if by_frame else np.arange(len(table))
    np.save(path.with_name("own.npy"), rows[order])
    np.testing.assert_allclose(read_features(path.with_name("own.npy"), table), descriptors, 1e-6)
    assert "16 numbers behind the 10 columns of each detection" in capsys.readouterr().err

    read = read_sequence_detections(path.with_name("own.npy"), ReadingOptions())
    np.testing.assert_allclose(read.table.boxes, table.boxes[order])
    np.testing.assert_allclose(read.features, descriptors[order], 1e-6)


def test_an_array_of_other_detections_is_refused(deep_sort: tuple[Path, np.ndarray]) -> None:
    path, descriptors = deep_sort
    table = read_mot(path)
    rows = np.hstack([table.columns + 5, np.full((len(table), 3), -1.0), descriptors])
    np.save(path.with_name("own.npy"), rows)
    with pytest.raises(ValueError, match=r"begins with frames and boxes.*not with those"):
        read_features(path.with_name("own.npy"), table)


def test_an_array_of_descriptors_alone_is_no_detections(
    deep_sort: tuple[Path, np.ndarray],
) -> None:
    path, descriptors = deep_sort
    np.save(path.with_name("features.npy"), descriptors)
    np.testing.assert_allclose(
        read_features(path.with_name("features.npy"), read_mot(path)), descriptors, 1e-6
    )
    with pytest.raises(MotFileError, match=r"shape \(36, 16\), expected Deep SORT's detections"):
        read_sequence_detections(path.with_name("features.npy"), ReadingOptions())


def test_descriptors_that_tell_nothing_apart_are_pointed_out(
    capsys: pytest.CaptureFixture[str],
) -> None:
    rng = np.random.default_rng(0)
    frame = np.repeat(np.arange(1, 11), 3)
    warn_alike(frame, rng.normal(size=(30, 16)), 0.2)
    assert capsys.readouterr().err == ""
    warn_alike(frame, 500.0 + rng.normal(size=(30, 16)), 0.2)
    assert "30 of 30 pairs of detections in one frame" in capsys.readouterr().err
