# SPDX-License-Identifier: Apache-2.0
"""A small library that tests only read."""

from __future__ import annotations

import pytest
from kitchen_library import demo_library

from video_search import Library


@pytest.fixture(scope="module")
def kitchen(tmp_path_factory: pytest.TempPathFactory) -> Library:
    """A video, what was said in it, and a live source."""
    return demo_library(tmp_path_factory.mktemp("kitchen"))
