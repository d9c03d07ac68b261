# SPDX-License-Identifier: Apache-2.0
"""Recorded TF: chains, moments between two transforms, and what is not known."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from perception_kit.bags.transforms import TF, TF_STATIC, RecordedTransforms, UnknownTransform
from perception_kit.geometry import pose_matrix

SECOND = 10**9


def transform(parent: str, child: str, stamp_ns: int, pose: np.ndarray) -> Any:
    """A ``TransformStamped`` of a (4, 4) pose."""
    sec, nanosec = divmod(stamp_ns, SECOND)
    header = SimpleNamespace(stamp=SimpleNamespace(sec=sec, nanosec=nanosec), frame_id=parent)
    x, y, z, w = Rotation.from_matrix(pose[:3, :3]).as_quat()
    move = dict(zip("xyz", pose[:3, 3], strict=True))
    return SimpleNamespace(
        header=header,
        child_frame_id=child,
        transform=SimpleNamespace(
            translation=SimpleNamespace(**move), rotation=SimpleNamespace(x=x, y=y, z=z, w=w)
        ),
    )


def recorded(*entries: tuple[str, Any]) -> RecordedTransforms:
    """TF of ``(topic, transform)``."""
    return RecordedTransforms(
        (topic, SimpleNamespace(transforms=[entry])) for topic, entry in entries
    )


vectors = st.tuples(*[st.floats(-3, 3)] * 3).map(np.array)
poses = st.builds(
    lambda turn, move: pose_matrix(Rotation.from_rotvec(turn).as_matrix(), move), vectors, vectors
)


@settings(deadline=None, max_examples=40)
@given(poses, poses, poses, poses)
def test_frames_are_chained_up_and_down(
    base: np.ndarray, left: np.ndarray, right: np.ndarray, point: np.ndarray
) -> None:
    tf = recorded(
        (TF, transform("odom", "base", 5 * SECOND, base)),
        (TF_STATIC, transform("base", "left", 0, left)),
        (TF_STATIC, transform("/base", "/right", 0, right)),
    )
    np.testing.assert_allclose(tf.pose_in("odom", "left", 5 * SECOND), base @ left, atol=1e-9)
    between = tf.pose_in("left", "right", 5 * SECOND)
    np.testing.assert_allclose(left @ between @ point, right @ point, atol=1e-8)


@settings(deadline=None, max_examples=40)
@given(vectors, vectors, st.floats(0, 1))
def test_moments_between_two_transforms_are_interpolated(
    turn: np.ndarray, move: np.ndarray, part: float
) -> None:
    turn = turn / 3.0  # less than half a turn: the short way is the way
    ends = [pose_matrix(Rotation.from_rotvec(turn * k).as_matrix(), move * k) for k in (0.0, 1.0)]
    entries = [(TF, transform("odom", "camera", k * SECOND, ends[k])) for k in (1, 0)]
    stamp_ns = round(part * SECOND)
    expected = pose_matrix(Rotation.from_rotvec(turn * part).as_matrix(), move * part)
    found = recorded(*entries).pose_in("odom", "camera", stamp_ns)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_moments_outside_are_not_guessed() -> None:
    tf = recorded(*((TF, transform("odom", "camera", k * SECOND, np.eye(4))) for k in (2, 3, 3)))
    for stamp_ns in (2 * SECOND - 1, 3 * SECOND + 1):
        with pytest.raises(UnknownTransform, match=r"known from 2.000 s to 3.000 s only"):
            tf.pose_in("odom", "camera", stamp_ns)


def test_frames_that_are_not_connected_are_named() -> None:
    tf = recorded((TF, transform("odom", "camera", SECOND, np.eye(4))))
    with pytest.raises(UnknownTransform, match=r"connect 'camera' with 'map'.* camera, odom"):
        tf.pose_in("map", "camera", SECOND)
    with pytest.raises(UnknownTransform, match="the bag has no transforms: record /tf"):
        recorded().pose_in("map", "camera", SECOND)


def test_a_circle_of_frames_ends() -> None:
    tf = recorded(
        (TF_STATIC, transform("a", "b", 0, np.eye(4))),
        (TF_STATIC, transform("b", "a", 0, np.eye(4))),
    )
    with pytest.raises(UnknownTransform):
        tf.pose_in("map", "a", 0)
