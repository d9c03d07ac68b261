# SPDX-License-Identifier: Apache-2.0
"""A live memory writes while things last, keeps to its bounds, and forgets without a trace."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from video_search import Library, LibraryError, Query
from video_search.config import MemoryConfig, SearchNodeConfig
from video_search.memory import Memory
from video_search.retention import folder_size
from video_search.sightings import Sighting

SECOND = 1_000_000_000
DAY = 86_400 * SECOND
NOON = 1_750_000_000 * SECOND
CONFIG = MemoryConfig(write_period=600.0, retention_period=80_000.0)


def mug(confidence: float = 0.9, **changes: object) -> Sighting:
    box = np.array([10, 10, 40, 50], np.float32)
    values: dict[str, object] = {"box": box, "track_id": 3, **changes}
    return Sighting("track", "mug", confidence, "tracker_node", **values)  # type: ignore[arg-type]


def fall() -> Sighting:
    return Sighting("action", "falling", 0.9, "actionrec_node", track_id=7)


@pytest.fixture
def library(tmp_path: Path) -> Library:
    return Library.create(tmp_path / "library")


def labels(library: Library) -> list[str]:
    library.refresh()
    return [tag.label for tag in library.tags()]


def test_an_appearance_is_one_row_that_grows(library: Library) -> None:
    memory = Memory(library, "/node", CONFIG)
    for second in range(5):
        memory.see(NOON + second * SECOND, [mug()])
        memory.flush()
    (tag,) = library.tags()
    assert (tag.start_ns, tag.end_ns) == (NOON, NOON + 4 * SECOND)
    memory.see(NOON + 60 * SECOND, [mug()])
    memory.end_session()
    assert len(labels(library)) == 2, "what was gone for longer than the gap comes back as another"


def test_a_question_is_answered_up_to_now(library: Library) -> None:
    memory = Memory(library, "/node", CONFIG)
    position = np.array([0.1, 0.2, 1.5], np.float32)
    memory.see(NOON, [mug(position=position, frame_id="map")])
    (moment,) = memory.find(Query(text="mug", since_ns=NOON))
    assert moment.tags[0].track_id == 3
    np.testing.assert_array_equal(moment.tags[0].position, position)
    assert not memory.find(Query(text="mug", since_ns=NOON + SECOND)).moments


def test_it_writes_on_its_own_when_due(library: Library) -> None:
    memory = Memory(library, "/node", replace(CONFIG, write_period=0.1))
    memory._written_s -= 1.0
    memory.see(NOON, [mug()])
    assert labels(library) == ["mug"]


@pytest.mark.parametrize(("store", "has_picture"), [("tags", False), ("thumbnails", True)])
def test_pictures_are_stored_only_where_wanted(
    library: Library, store: str, has_picture: bool
) -> None:
    memory = Memory(library, "/node", replace(CONFIG, store=store))
    memory.see(NOON, [mug()], np.full((60, 80, 3), 90, np.uint8))
    memory.end_session()
    (tag,) = library.tags(thumbnails=True)
    assert bool(tag.thumbnail) == has_picture


def test_each_session_is_a_source_that_ends(library: Library) -> None:
    memory = Memory(library, "/node", CONFIG)
    memory.see(NOON, [mug()])
    memory.flush()
    assert [source.state for source in library.sources()] == ["live"]
    restarted = Memory(library, "/node", CONFIG)  # as after a kill
    assert [source.state for source in library.sources()] == ["done"]
    restarted.see(NOON - DAY, [mug()])
    restarted.end_session()
    states = [(source.state, source.tag_count) for source in library.sources()]
    assert states == [("done", 1), ("done", 1)]


def test_what_is_forgotten_is_in_no_file_though_it_is_in_view(library: Library) -> None:
    memory = Memory(library, "/node", replace(CONFIG, store="thumbnails"))
    picture = np.full((60, 80, 3), 90, np.uint8)
    secret = Sighting("object", "zyxdiary", 0.9, "pose6d_node", text="qqsecretqq", track_id=5)
    memory.see(NOON, [mug(), secret], picture)
    memory.flush()
    memory.see(NOON + SECOND, [mug(), secret], picture)
    assert memory.forget(track_id=5) == 1
    memory.see(NOON + 2 * SECOND, [mug()], picture)
    memory.end_session()
    assert set(labels(library)) == {"mug"}
    files = [path for path in Path(library.uri).rglob("*") if path.is_file()]
    for word in (b"zyxdiary", b"qqsecretqq"):
        assert not [path for path in files if word in path.read_bytes()]


def test_a_forgotten_session_goes_on_as_another(library: Library) -> None:
    memory = Memory(library, "/node", CONFIG)
    memory.see(NOON, [mug()])
    memory.flush()
    (source,) = library.sources()
    assert memory.forget(source=source.id) == 1
    assert library.sources() == []
    memory.see(NOON + SECOND, [mug()])
    (moment,) = memory.find(Query(text="mug"))
    assert moment.source.id != source.id


def test_what_cannot_be_written_waits_and_the_rest_is_found(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(tags: object) -> None:
        raise LibraryError("make room on its disk")

    memory = Memory(library, "/node", CONFIG)
    memory.see(NOON, [mug()])
    memory.flush()
    with monkeypatch.context() as patch:
        patch.setattr(library, "add", full)
        memory.see(NOON + SECOND, [mug(track_id=4)])
        result = memory.find(Query(text="mug"))
        assert [moment.tags[0].track_id for moment in result] == [3]
        assert "make room on its disk" in result.remarks[-1]
    memory.end_session()
    assert sorted(tag.track_id for tag in library.tags()) == [3, 4]
    assert memory.lost == 0


def test_age_deletes_and_falls_stay_longest(library: Library) -> None:
    memory = Memory(library, "/node", replace(CONFIG, max_age=2.0, fall_max_age=5.0))
    for day in range(7):
        memory.see(NOON + day * DAY, [mug(), fall()])
    memory.retain(NOON + 6 * DAY)
    kept = {label: 0 for label in ("mug", "falling")}
    for label in labels(library):
        kept[label] += 1
    assert kept == {"mug": 3, "falling": 6}


def test_size_is_bounded_and_falls_go_last(library: Library) -> None:
    memory = Memory(library, "/node", replace(CONFIG, max_size=1.0))
    for number in range(100):
        stamp_ns = NOON + number * 10 * SECOND
        memory.see(
            stamp_ns, [mug(text=f"{number} {np.random.default_rng(number).bytes(9999).hex()}")]
        )
        if number == 0:
            memory.see(stamp_ns + SECOND, [fall()])
    assert memory.retain(NOON) > 0
    assert folder_size(Path(library.uri)) <= 1_000_000
    left = labels(library)
    assert "falling" in left
    assert left.count("mug") > 5
    newest = max(tag.end_ns for tag in library.tags("label = 'mug'"))
    assert newest == NOON + 99 * 10 * SECOND


def test_retention_leaves_other_sources_alone(library: Library) -> None:
    other = Memory(library, "/other", CONFIG)
    other.see(NOON, [mug()])
    other.end_session()
    memory = Memory(library, "/node", replace(CONFIG, max_age=1.0, fall_max_age=1.0))
    memory.see(NOON, [mug()])
    memory.end_session()
    assert memory.retain(NOON + 10 * DAY) == 1
    assert [source.uri.split()[0] for source in library.sources()] == ["live:/other"]


def test_parameters_that_contradict_each_other_are_named() -> None:
    with pytest.raises(ValueError, match="fall_max_age must not be below max_age, got 1"):
        MemoryConfig(max_age=2.0, fall_max_age=1.0)
    with pytest.raises(ValueError, match="expected a folder of this machine"):
        SearchNodeConfig(library="s3://bucket/memory")
