# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from actionrec_node.data.annotations import DataError
from actionrec_node.data.backgrounds import Backgrounds

BOXES = np.array([[0.2, 0.3, 0.5, 0.8], [0.3, 0.3, 0.6, 0.8]])


def _white(path: Path) -> Path:
    cv2.imwrite(str(path), np.full((80, 120, 3), 255, np.uint8))
    return path


def test_only_the_person_is_left_of_the_frames(tmp_path: Path) -> None:
    frames = np.zeros((2, 100, 200, 3), np.uint8)
    photographs = Backgrounds([_white(tmp_path / "room.png")])
    moved = photographs.move(frames, BOXES, np.random.default_rng(0))
    for frame, box in zip(moved, BOXES, strict=True):
        x_min, y_min, x_max, y_max = np.round(box * (200, 100, 200, 100)).astype(int)
        assert not frame[y_min:y_max, x_min:x_max].any()
        outside = np.ones((100, 200), bool)
        outside[y_min - 10 : y_max + 10, x_min - 12 : x_max + 12] = False
        assert (frame[outside] == 255).all()


def test_another_draw_shows_another_part(tmp_path: Path) -> None:
    photo = np.random.default_rng(1).integers(0, 256, (80, 120, 3), np.uint8)
    cv2.imwrite(str(tmp_path / "room.png"), photo)
    photographs = Backgrounds([tmp_path / "room.png"])
    frames = np.zeros((2, 50, 60, 3), np.uint8)
    first, again, other = (
        photographs.move(frames, BOXES, np.random.default_rng(seed)) for seed in (0, 0, 1)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_what_is_no_image_is_named(tmp_path: Path) -> None:
    (tmp_path / "note.jpg").write_text("no picture")
    photographs = Backgrounds([tmp_path / "note.jpg"])
    with pytest.raises(DataError, match=r"note\.jpg"):
        photographs.move(np.zeros((2, 8, 8, 3), np.uint8), BOXES, np.random.default_rng(0))
