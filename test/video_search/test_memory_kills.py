# SPDX-License-Identifier: Apache-2.0
"""A robot that loses its power while it writes loses at most what was not written yet."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from video_search import Library

_KILLS = 10
_WRITER = """
import sys
import numpy as np
from video_search.config import MemoryConfig
from video_search.library import Library
from video_search.memory import Memory
from video_search.sightings import Sighting

SECOND = 1_000_000_000
memory = Memory(Library.create(sys.argv[1]), "/node", MemoryConfig(store="thumbnails"))
rgb = np.random.default_rng(0).integers(0, 255, (120, 160, 3), np.uint8)
box = np.array([10, 10, 90, 90], np.float32)
start_ns = int(sys.argv[2]) * 1000 * SECOND
for second in range(1000):
    seen = [
        Sighting("track", "mug", 0.9, "tracker", box, track_id=second // 3 + first)
        for first in (0, 500)
    ]
    memory.see(start_ns + second * SECOND, seen, rgb)
    memory.flush()
    print(second, flush=True)
"""


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_library_survives_kills_of_its_writer(tmp_path: Path) -> None:
    acknowledged = 0  # as many tags at least, for all that was written before a line came
    for kill in range(_KILLS):
        command = [sys.executable, "-c", _WRITER, str(tmp_path / "library"), str(kill)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            seconds = [int(process.stdout.readline()) for _ in range(3 + 2 * kill)][-1]
            process.kill()
        acknowledged += 2 * (seconds // 3 + 1)

        library = Library.open(tmp_path / "library")
        tags = list(library.tags(thumbnails=True))
        assert len({tag.id for tag in tags}) == len(tags)
        assert all(tag.thumbnail for tag in tags)
        assert len(tags) >= acknowledged
        assert len(tags) % 2 == 0, "the two of an image are written together"
        assert len(library.find("mug").moments) == min(10, len(tags))
