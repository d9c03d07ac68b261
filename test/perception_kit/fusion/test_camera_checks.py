# SPDX-License-Identifier: Apache-2.0
"""A camera whose clock or place cannot be trusted is named."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from perception_kit.fusion.camera_checks import ClockCheck, JumpCheck
from perception_kit.fusion.config import FusionConfig
from perception_kit.geometry import pose_matrix

CONFIG = FusionConfig()
SECOND = 10**9


def clock_problems(offsets_s: dict[str, float]) -> dict[str, str | None]:
    """What is said of cameras whose clocks go ahead by ``offsets_s``, after some frames."""
    check = ClockCheck(list(offsets_s))
    problems: dict[str, str | None] = {}
    for number in range(5):
        for camera, offset_s in offsets_s.items():
            now = 100 * SECOND + number * SECOND // 15
            stamp = now - SECOND // 5 + round(offset_s * SECOND)
            problems[camera] = check.problem(camera, stamp, now, CONFIG)
    return problems


def test_clocks_that_agree_are_no_problem() -> None:
    assert set(clock_problems({"left": 0.0, "right": 0.7}).values()) == {None}


@pytest.mark.parametrize(("offset_s", "words"), [(4.0, "4.0 s ahead of"), (-3.5, "3.5 s behind")])
def test_another_clock_is_named(offset_s: float, words: str) -> None:
    problems = clock_problems({"left": 0.0, "right": offset_s})
    assert problems["left"] is None, "the first one counts"
    assert f"the stamps of 'right' are {words} those of 'left'" in str(problems["right"])


def test_most_clocks_count() -> None:
    problems = clock_problems({"left": 5.0, "right": 0.0, "back": 0.1})
    assert "'left' are 5.0 s ahead of those of 'right'" in str(problems["left"])
    assert (problems["right"], problems["back"]) == (None, None)


def test_how_far_a_named_clock_is_ahead_is_known() -> None:
    check = ClockCheck(["left", "right"])
    for number in range(5):
        now = 100 * SECOND + number * SECOND // 15
        check.problem("left", now, now, CONFIG)
        check.problem("right", now - 3600 * SECOND, now, CONFIG)
    assert check.ahead_ns == {"left": 0, "right": -3600 * SECOND}
    for number in range(30):  # its clock was set
        now = 101 * SECOND + number * SECOND // 15
        check.problem("left", now, now, CONFIG)
        problem = check.problem("right", now - SECOND // 2, now, CONFIG)
    assert (problem, check.ahead_ns["right"]) == (None, 0)


def pose(x: float, angle: float = 0.0) -> np.ndarray:
    """A camera at x, turned about z."""
    turn = Rotation.from_rotvec([0, 0, angle]).as_matrix()
    return pose_matrix(turn, np.array([x, 0.0, 1.0]))


def test_a_driving_camera_does_not_jump() -> None:
    check = JumpCheck()
    for number in range(30):
        stamp, place = number * SECOND // 15, pose(number * 0.1, number * 0.1)
        assert check.problem("left", stamp, place, CONFIG) is None


@pytest.mark.parametrize("jumped", [pose(1.0), pose(0.0, 2.0)], ids=["place", "direction"])
def test_a_jump_costs_one_frame(jumped: np.ndarray) -> None:
    check = JumpCheck()
    assert check.problem("left", 0, pose(0.0), CONFIG) is None
    assert "TF of 'left' jumps by" in str(check.problem("left", SECOND // 15, jumped, CONFIG))
    assert check.problem("left", 2 * SECOND // 15, jumped, CONFIG) is None
    assert check.problem("right", 2 * SECOND // 15, pose(0.0), CONFIG) is None


def test_late_poses_of_a_frame_get_its_answer_and_older_ones_change_nothing() -> None:
    check, later = JumpCheck(), SECOND // 15
    assert check.problem("left", 0, pose(0.0), CONFIG) is None
    jump = check.problem("left", later, pose(1.0), CONFIG)
    assert jump is not None
    assert check.problem("left", later, pose(1.0), CONFIG) == jump
    assert "jumps by 1.00 m" in str(check.problem("left", 0, pose(0.0), CONFIG))
    assert check.problem("left", 2 * later, pose(1.1), CONFIG) is None
    assert check.problem("left", later, pose(1.0), CONFIG) is None, "of a moving camera"


def test_a_broken_transform_is_refused() -> None:
    check, broken = JumpCheck(), pose(0.0)
    broken[0, 0] = np.nan
    assert "no rigid transform" in str(check.problem("left", 0, broken, CONFIG))
    assert check.problem("left", 0, pose(0.0), CONFIG) is None
