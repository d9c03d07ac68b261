# SPDX-License-Identifier: Apache-2.0
"""What a robot records can be cut out, stays in bounds, and is forgotten."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient
from full_disk import full_disk

from video_search import Library, Query
from video_search.clips import ClipError, write_clip
from video_search.config import MemoryConfig
from video_search.footage import Footage
from video_search.memory import Memory
from video_search.recorder import PIECE_NS, RecordingError
from video_search.retention import folder_size
from video_search.serve_app import make_app
from video_search.sightings import Sighting

SECOND = 1_000_000_000
DAY = 86_400 * SECOND
NOON = 1_750_000_000 * SECOND
GRAY = np.arange(48, dtype=np.uint8)[:, None, None].repeat(64, 1).repeat(3, 2)
CONFIG = MemoryConfig(store="clips", write_period=600.0, retention_period=80_000.0)


def seen(label: str, track_id: int) -> Sighting:
    box = np.array([10, 10, 40, 50], np.float32)
    return Sighting("track", label, 0.9, "tracker_node", box=box, track_id=track_id)


def watch(
    memory: Memory,
    start_ns: int,
    seconds: float,
    *sightings: Sighting,
    picture: np.ndarray = GRAY,
) -> None:
    """Five images a second, each a row further down."""
    for number in range(round(5 * seconds)):
        rgb = np.roll(picture, number, axis=0)
        memory.see(start_ns + number * SECOND // 5, sightings, rgb)


@pytest.fixture
def library(tmp_path: Path) -> Library:
    return Library.create(tmp_path / "library")


def pieces(library: Library) -> list[tuple[float, float]]:
    """Starts and ends in seconds since noon."""
    footage = Footage(Path(library.uri))
    found = [piece for source in footage.sources() for piece in footage.pieces(source)]
    return [((piece.start_ns - NOON) / SECOND, (piece.end_ns - NOON) / SECOND) for piece in found]


def test_only_what_is_seen_is_recorded_in_pieces(library: Library) -> None:
    memory = Memory(library, "/node", CONFIG)
    watch(memory, NOON, 12, seen("mug", 1))
    watch(memory, NOON + 12 * SECOND, 5)
    watch(memory, NOON + 20 * SECOND, 1, seen("mug", 2))
    memory.end_session()
    assert PIECE_NS == 10 * SECOND
    assert pieces(library) == [(0.0, 9.8), (10.0, 11.8), (20.0, 20.8)]


@pytest.mark.parametrize("store", ["tags", "thumbnails"])
def test_no_video_unless_wanted(library: Library, store: str) -> None:
    memory = Memory(library, "/node", replace(CONFIG, store=store))
    watch(memory, NOON, 2, seen("mug", 1))
    memory.end_session()
    assert not list(Path(library.uri).rglob("*.mp4"))
    (moment,) = library.find("mug")
    with pytest.raises(ClipError, match="live source without images"):
        write_clip(library, moment, Path(library.uri) / "clip.mp4")


def test_a_moment_is_cut_out_over_the_pieces(library: Library, tmp_path: Path) -> None:
    memory = Memory(library, "/node", CONFIG)
    watch(memory, NOON, 8, seen("mug", 1))
    watch(memory, NOON + 8 * SECOND, 4, seen("bowl", 2))
    memory.end_session()
    (moment,) = library.find("bowl")
    assert write_clip(library, moment, tmp_path / "bowl.mp4") == 25, "with a second before it"
    client = TestClient(make_app(library), base_url="http://localhost")
    (found,) = client.get("/api/search", params={"q": "bowl"}).json()["moments"]
    assert found["has_clip"]
    times = {"start_ns": found["start_ns"], "end_ns": found["end_ns"]}
    assert client.get(f"/api/clip/{found['source']}", params=times).status_code == 200
    library.forget(track_id=2)
    assert client.get("/api/search", params={"q": "bowl"}).json()["moments"] == []
    assert client.get(f"/api/clip/{found['source']}", params=times).status_code == 400


def test_forgetting_leaves_no_video_of_it(library: Library) -> None:
    memory = Memory(library, "/node", CONFIG)
    watch(memory, NOON, 10, seen("mug", 1))
    watch(memory, NOON + 10 * SECOND, 4, seen("bowl", 2))
    watch(memory, NOON + 20 * SECOND, 4, seen("bowl", 3))
    assert memory.forget(track_id=2) == 1
    assert pieces(library) == [(0.0, 9.8), (20.0, 23.8)]
    assert memory.forget(until_ns=NOON + SECOND) == 1
    assert pieces(library) == [(20.0, 23.8)]
    (source,) = library.sources()
    assert memory.forget(source=source.id) == 1
    assert not list(Path(library.uri).rglob("*.mp4*"))


def test_age_deletes_video_and_that_of_falls_stays(library: Library) -> None:
    memory = Memory(library, "/node", replace(CONFIG, max_age=2.0, fall_max_age=5.0))
    fall = Sighting("action", "falling", 0.9, "actionrec_node", track_id=7)
    watch(memory, NOON, 2, seen("mug", 1), fall)
    watch(memory, NOON + 60 * SECOND, 2, seen("mug", 2))
    memory.retain(NOON + 3 * DAY)
    assert pieces(library) == [(0.0, 1.8)]
    memory.retain(NOON + 6 * DAY)
    assert not list(Path(library.uri).rglob("*.mp4*"))


def test_size_deletes_the_oldest_video_first_and_that_of_falls_last(library: Library) -> None:
    memory = Memory(library, "/node", replace(CONFIG, max_size=1.0))
    random = np.random.default_rng(0)
    for number in range(12):
        start_ns = NOON + number * 60 * SECOND
        label = "falling" if number == 0 else "mug"
        for frame in range(5):
            rgb = random.integers(0, 255, (240, 320, 3)).astype(np.uint8)
            memory.see(start_ns + frame * SECOND // 5, [seen(label, number)], rgb)
    memory.end_session()
    assert folder_size(Path(library.uri)) > 1_500_000
    memory.retain(NOON)
    assert folder_size(Path(library.uri)) <= 1_000_000
    left = pieces(library)
    assert left[0][0] == 0.0
    assert left[-1][0] == 660.0
    assert 2 <= len(left) < 12
    assert library.count() == 12, "video goes before tags"


def test_a_kill_leaves_no_part_of_a_piece(library: Library) -> None:
    killed = Memory(library, "/node", CONFIG)
    watch(killed, NOON, 9, seen("mug", 1))  # the encoder holds the first seconds back
    killed.flush()
    assert list(Path(library.uri).rglob("*.partial"))
    Memory(library, "/node", CONFIG)
    assert not list(Path(library.uri).rglob("*.partial"))
    assert pieces(library) == []


def test_a_full_disk_stops_the_video_and_not_the_memory(library: Library) -> None:
    memory = Memory(library, "/node", CONFIG)
    noise = np.random.default_rng(0).integers(0, 255, (480, 640, 3)).astype(np.uint8)
    with full_disk(), pytest.raises(RecordingError, match="make room on its disk"):
        watch(memory, NOON, 11, seen("mug", 1), picture=noise)
    assert memory.find(Query("mug")).moments
    watch(memory, NOON + 200 * SECOND, 1, seen("bowl", 2))
    memory.end_session()
    assert pieces(library) == [(200.0, 200.8)]
