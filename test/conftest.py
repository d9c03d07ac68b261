# SPDX-License-Identifier: Apache-2.0
"""Fixtures shared by all tests."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from playwright.sync_api import Browser
    from ros_graph import RosGraph

# Compiled networks stay in the checkout, where the next run finds them.
os.environ["XDG_CACHE_HOME"] = str(Path(__file__).resolve().parents[1] / "out" / "cache")

settings.register_profile("no_deadline", deadline=None)  # a busy machine is no failure
settings.load_profile("no_deadline")

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """Folder with reference outputs and real data, kept beside the checkout during development."""
    if not SHARED.is_dir():
        pytest.skip(f"reference outputs and real data are not at {SHARED}")
    return SHARED


@pytest.fixture(scope="session")
def reference_dir(shared_dir: Path) -> Path:
    """Outputs of the reference implementations."""
    return shared_dir / "reference"


@pytest.fixture
def write_video(tmp_path: Path) -> Callable[..., Path]:
    """``write_video(name, times_s, …)``: a tiny video of ``write_moving_square``."""
    from moving_square import write_moving_square  # PyAV loads libraries that few tests need

    return lambda name, *args, **more: write_moving_square(tmp_path / name, *args, **more)


@pytest.fixture(scope="module")
def graph() -> Iterator[RosGraph]:
    """The test's side of the ROS graph, for tests marked ``ros``."""
    from ros_graph import RosGraph  # imports ROS 2, which other tests do without

    graph = RosGraph()
    yield graph
    graph.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Headless Chromium, for tests of pages; ``browser.new_page()`` opens a tab."""
    pytest.importorskip("playwright", reason="playwright is not installed: run 'make setup'")
    from browser import chromium_path, open_browser

    path = chromium_path()
    if path is None:
        pytest.skip("no Chromium is installed: apt-get install chromium")
    with open_browser(path) as browser:
        yield browser
