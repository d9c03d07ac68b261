# SPDX-License-Identifier: Apache-2.0
"""A box and what a camera sees of it."""

from __future__ import annotations

import pytest
from painted_box import box_crop, box_model, box_surfaces, box_view

from perception_kit.datasets.object_model import ObjectModel
from pose6d_node.registration.observation import Observation
from pose6d_node.registration.placement import Surfaces


@pytest.fixture(scope="session")
def box() -> ObjectModel:
    """A box whose six sides are painted differently."""
    return box_model()


@pytest.fixture(scope="session")
def surfaces(box: ObjectModel) -> Surfaces:
    """Its surface samples."""
    return box_surfaces(box)


@pytest.fixture
def observation(box: ObjectModel) -> Observation:
    """What the camera sees of it."""
    return Observation.of(box_crop(box_view(box)))
