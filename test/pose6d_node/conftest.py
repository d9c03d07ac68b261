# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the pose tests: views of one box, their camera and their BOP folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from box_views import CAMERA, SIZE, BoxView, random_box, write_bop

from perception_kit.types import Intrinsics


@pytest.fixture(scope="session")
def box_views() -> list[BoxView]:
    """Twelve views of the box."""
    rng = np.random.default_rng(0)
    return [random_box(rng) for _ in range(12)]


@pytest.fixture(scope="session")
def box_size() -> np.ndarray:
    """(3,) extents of the box in metres; its origin is its centre."""
    return SIZE


@pytest.fixture(scope="session")
def camera() -> Intrinsics:
    """The camera of the views."""
    return CAMERA


@pytest.fixture(scope="session")
def bop_folder(box_views: list[BoxView], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The views as a BOP folder."""
    return write_bop(tmp_path_factory.mktemp("bop") / "boxes", box_views)
