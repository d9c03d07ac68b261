# SPDX-License-Identifier: Apache-2.0
"""Detections and poses for the tracker's tests."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

import numpy as np
import pytest

from perception_kit.types import Instance, PoseEstimate


@pytest.fixture(scope="session")
def detection() -> Callable[..., Instance]:
    """``detection(box, class_id=1, descriptor=())``: a detection without a mask.

    The descriptor is scaled to norm 1.
    """

    def make(
        box: Sequence[float],
        class_id: int = 1,
        descriptor: Sequence[float] = (),
        score: float = 0.9,
    ) -> Instance:
        vector = np.asarray(descriptor, np.float32)
        norm = np.linalg.norm(vector)
        return Instance(
            class_id=class_id,
            class_name=f"class {class_id}",
            score=score,
            box=np.asarray(box, np.float32),
            mask=np.zeros((0, 0), bool),
            mask_origin=(0, 0),
            descriptor=vector / norm if norm > 0 else vector,
        )

    return make


@pytest.fixture(scope="session")
def pose() -> Callable[..., PoseEstimate]:
    """``pose(detection_index, translation, rotation=identity)``."""

    def make(
        detection_index: int, translation: Sequence[float], rotation: np.ndarray | None = None
    ) -> PoseEstimate:
        return PoseEstimate(
            detection_index=detection_index,
            class_id=1,
            class_name="class 1",
            rotation=np.eye(3) if rotation is None else rotation,
            translation=np.asarray(translation, float),
            confidence=0.9,
            size=np.full(3, 0.1),
        )

    return make


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Callable[[str], AbstractContextManager[None]]:
    """``with refused(pattern)``: the command ends with exit code 2 and a message that matches."""

    @contextmanager
    def ends(pattern: str) -> Iterator[None]:
        with pytest.raises(SystemExit) as ended:
            yield
        assert ended.value.code == 2
        assert re.search(pattern, capsys.readouterr().err)

    return ends
