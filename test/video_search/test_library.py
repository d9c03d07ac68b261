# SPDX-License-Identifier: Apache-2.0
"""A library keeps what it is given, whole and once, and forgets without a trace."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from lancedb.table import LanceTable

from video_search import Library, LibraryError, Query, Source, Tag

SECOND = 1_000_000_000


def tag(start_s: float = 0.0, label: str = "mug", **changes: object) -> Tag:
    start_ns = round(start_s * SECOND)
    values: dict[str, object] = {"source": "a", "end_ns": start_ns + SECOND, "kind": "object"}
    return Tag(start_ns=start_ns, label=label, **{**values, **changes})  # type: ignore[arg-type]


@pytest.fixture
def library(tmp_path: Path) -> Library:
    made = Library.create(tmp_path / "library")
    made.put_source(Source("a", "/videos/a.mp4", "video"))
    return made


def test_tags_come_back_as_they_were(library: Library) -> None:
    given = tag(
        box=np.array([1, 2, 30, 40], np.float32),
        position=np.array([0.1, 0.2, 1.5], np.float32),
        frame_id="camera",
        track_id=7,
        descriptor=np.array([0.6, 0.8], np.float32),
        space="test",
        thumbnail=b"\xff\xd8jpeg",
        color="red",
    )
    library.add([given])
    (found,) = library.tags(thumbnails=True)
    assert (found.id, found.thumbnail, found.color) == (given.id, given.thumbnail, "red")
    np.testing.assert_array_equal(found.descriptor, given.descriptor)
    np.testing.assert_array_equal(found.position, given.position)


def test_adding_again_changes_nothing(library: Library) -> None:
    library.add([tag(0), tag(5)])
    library.add([tag(0), tag(5)])
    assert library.count() == 2


def test_an_appearance_that_goes_on_stays_one_tag(library: Library) -> None:
    library.add([tag(0, track_id=3)])
    library.add([tag(0, track_id=3, end_ns=9 * SECOND)])
    assert [found.end_ns for found in library.tags()] == [9 * SECOND]


def test_a_source_read_again_loses_its_old_tags_alone(library: Library) -> None:
    library.add([tag(0, source="b")])
    library.replace_source(Source("a", "a.mp4", "video"), [tag(0), tag(5)])
    library.replace_source(Source("a", "a.mp4", "video"), [tag(5)])
    assert [(found.source, found.start_ns) for found in library.tags()] == [
        ("b", 0),
        ("a", 5 * SECOND),
    ]
    assert library.sources()[0].tag_count == 1


def test_a_source_that_two_have_read_has_its_tags_once(library: Library) -> None:
    source = Source("b", "b.mp4", "video")
    both = Library.open(library.uri), Library.open(library.uri)
    for opened in both:
        opened.replace_source(source, [tag(0, source="b"), tag(5, source="b")])
        opened.put_source(source)
        opened.add([tag(9, source="b")])
    library.refresh()
    assert library.count() == 3
    assert [known.id for known in library.sources()] == ["a", "b"]


def test_optimizing_is_tried_again_where_another_writes(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    optimize, tries = LanceTable.optimize, []

    def preempted(table: LanceTable, **options: object) -> object:
        tries.append(table.name)
        if len(tries) == 1:
            raise RuntimeError("lance error: Retryable commit conflict for version 63")
        return optimize(table, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(LanceTable, "optimize", preempted)
    library.optimize()
    assert tries == ["tags", "tags", "sources"]


def test_a_label_is_found_with_its_reason(library: Library) -> None:
    library.add([tag(0), tag(3, "bowl")])
    (moment,) = library.find("mugs")
    assert moment.tags[0].label == "mug"
    assert moment.reasons == ("is called mug",)
    assert moment.source.uri == "/videos/a.mp4"


def test_what_was_said_is_found(library: Library) -> None:
    library.add([tag(4, "", kind="text", text="She put the mug on the table")])
    (moment,) = library.find("table")
    assert moment.start_ns == 4 * SECOND
    assert "She put the mug" in moment.reasons[0]


@pytest.mark.parametrize(
    ("said", "asked"),
    [
        ("чайник стоит на столе", "чайник"),
        ("ο κάδος είναι εδώ", "κάδος"),
        ("컵이 어디 있나요", "컵이"),
        ("चाय का प्याला कहाँ है", "प्याला"),
        ("桌子上有一个红色的杯子", "杯子"),
        ("ガラスのコップがある", "ガラス"),
        ("แก้วกาแฟอยู่ที่ไหน", "กาแฟ"),
        ("où est le café", "cafe"),
    ],
)
def test_what_was_said_is_found_in_its_script(library: Library, said: str, asked: str) -> None:
    library.add([tag(n, "", kind="text", text=text) for n, text in enumerate((said, "no"))])
    assert [moment.tags[0].text for moment in library.find(asked)] == [said]


def test_what_the_filters_leave_out_is_known(library: Library) -> None:
    library.add([tag(kind="track", track_id=1)])
    (remark,) = library.find(Query("mug", track_id=2)).remarks
    assert "none is left by the filters" in remark


def test_a_library_that_lost_its_versions_is_named(library: Library) -> None:
    shutil.rmtree(Path(library.uri) / "tags.lance" / "_versions")
    with pytest.raises(LibraryError, match="could not be opened"):
        Library.open(library.uri)


def test_a_library_that_goes_while_it_is_open_is_named(library: Library) -> None:
    shutil.rmtree(library.uri)
    with pytest.raises(LibraryError, match="could not be read"):
        library.refresh()


def test_the_color_belongs_to_the_thing(library: Library) -> None:
    library.add([tag(0, color="blue"), tag(3, color="red"), tag(0, "bowl", color="red")])
    assert [moment.start_ns for moment in library.find("where did I last see the red mug")] == [
        3 * SECOND
    ]


@pytest.mark.parametrize(("apart_m", "found"), [(0.5, 1), (3.0, 0)])
def test_near_is_measured_in_space(library: Library, apart_m: float, found: int) -> None:
    library.add(
        [
            tag(0, position=np.array([0, 0, 1], np.float32)),
            tag(0.5, "person", position=np.array([apart_m, 0, 1], np.float32)),
        ]
    )
    assert len(library.find("mug near the person")) == found
    assert len(library.find("mug and person")) == 1


def test_together_means_at_the_same_time_in_one_source(library: Library) -> None:
    library.put_source(Source("b", "b.mp4", "video"))
    library.add([tag(0), tag(60, "person"), tag(0, "person", source="b")])
    result = library.find("mug with person")
    assert not result.moments
    assert "never at the same time" in result.remarks[0]


def test_likeness_is_by_angle_and_space(library: Library) -> None:
    east, north = np.array([1, 0], np.float32), np.array([0, 1], np.float32)
    library.add(
        [
            tag(0, descriptor=east, space="a"),
            tag(5, descriptor=north, space="a"),
            tag(9, descriptor=east, space="b"),
        ]
    )
    result = library.find(Query(descriptor=east, space="a"))
    assert [moment.start_ns for moment in result] == [0]
    assert result.moments[0].score == pytest.approx(1, abs=1e-5)


def test_since_leaves_out_sources_without_a_wall_clock(library: Library) -> None:
    library.put_source(Source("b", "bag", "bag", clock="wall"))
    library.add([tag(100), tag(100, source="b"), tag(10, source="b")])
    result = library.find(Query("mug", since_ns=50 * SECOND))
    assert [(moment.source.id, moment.start_ns) for moment in result] == [("b", 100 * SECOND)]


def test_unknown_words_are_named(library: Library) -> None:
    library.add([tag()])
    result = library.find("чашка")
    assert not result.moments
    assert "'чашка'" in result.remarks[0]


@pytest.mark.parametrize("indexed", [False, True])
def test_what_is_forgotten_is_in_no_file(library: Library, indexed: bool) -> None:
    secret = b"\xff\xd8" + np.random.default_rng(0).bytes(400)
    library.add([tag(i, text=f"word{i}", thumbnail=b"kept" * 100) for i in range(200)])
    library.add([tag(500, text="unutterable", thumbnail=secret, track_id=9)])
    if indexed:
        library.optimize()
    assert any(secret in path.read_bytes() for path in files(library))

    assert library.forget(track_id=9) == 1
    assert library.count() == 200
    assert not library.find("unutterable").moments
    assert len(library.find("word7")) == 1
    for path in files(library):
        content = path.read_bytes()
        assert secret not in content, path
        assert b"unutterable" not in content, path


def files(library: Library) -> list[Path]:
    return [path for path in Path(library.uri).rglob("*") if path.is_file()]


def test_a_source_is_forgotten_with_its_name(library: Library) -> None:
    library.add([tag()])
    assert library.forget(source="a") == 1
    assert not library.sources()
    assert not any(b"/videos/a.mp4" in path.read_bytes() for path in files(library))


@pytest.mark.parametrize("lost", ["tags", "sources"])
@pytest.mark.parametrize("part", [".", "_versions"])
def test_a_library_that_lost_a_table_is_not_begun_anew(
    library: Library, lost: str, part: str
) -> None:
    library.replace_source(Source("a", "a.mp4", "video"), [tag(0)])
    shutil.rmtree(Path(library.uri, f"{lost}.lance", part).resolve())
    with pytest.raises(LibraryError, match=f"is damaged: its table '{lost}' is lost"):
        Library.create(library.uri)


def test_a_library_that_was_not_made_to_the_end_is_made(tmp_path: Path) -> None:
    Library.create(tmp_path / "library")
    shutil.rmtree(tmp_path / "library" / "tags.lance" / "_versions")
    assert Library.create(tmp_path / "library").count() == 0


@pytest.mark.parametrize("opened", [Library.open, Library.create])
def test_an_address_with_one_slash_makes_no_folder(opened, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(LibraryError, match="write 's3://bucket/library'"):
        opened(Path("s3://bucket/library"))
    assert not list(tmp_path.iterdir())


def test_a_missing_library_is_named(tmp_path: Path) -> None:
    with pytest.raises(LibraryError, match=r"there is no library at .*video_search\.index"):
        Library.open(tmp_path / "none")


def test_another_folder_is_no_library(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(LibraryError, match="is no library"):
        Library.open(tmp_path)
    with pytest.raises(LibraryError, match="not empty"):
        Library.create(tmp_path)


def test_another_format_is_named(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("video_search.tables.FORMAT_VERSION", "99")
    for opened in (Library.open, Library.create):
        with pytest.raises(LibraryError, match="is of format 1, and this release reads 99"):
            opened(library.uri)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "smell"}, "got 'smell'"),
        ({"end_ns": -1}, "before its start"),
        ({"confidence": float("nan")}, "0 to 1"),
        ({"box": np.zeros(3)}, "4 values"),
        ({"position": np.full(3, np.nan)}, "finite"),
        ({"descriptor": np.ones(2)}, "space"),
        ({"label": ""}, "neither"),
    ],
)
def test_tags_that_mean_nothing_are_refused(changes: dict[str, object], message: str) -> None:
    values: dict[str, object] = {"source": "a", "start_ns": 0, "end_ns": 1, "kind": "object"}
    with pytest.raises(ValueError, match=message):
        Tag(**{"label": "mug", **values, **changes})  # type: ignore[arg-type]


def test_searches_see_what_another_process_has_changed(library: Library) -> None:
    library.add([tag(n, track_id=n) for n in range(3)])
    other = Library.open(library.uri)

    def starts() -> list[int]:
        other.refresh()
        return sorted(moment.start_ns // SECOND for moment in other.find("mug"))

    assert starts() == [0, 1, 2]
    library.add([tag(1, track_id=1, end_ns=9 * SECOND), tag(5, track_id=5)])
    assert starts() == [0, 1, 2, 5]
    library.optimize()
    assert starts() == [0, 1, 2, 5]
    library.replace_source(Source("a", "a.mp4", "video"), [tag(7)])
    assert starts() == [7]
    library.add([tag(8)])
    library.forget(source="a", before_ns=8 * SECOND + 1)
    library.add([tag(9)])  # as many as before, in rows of the same numbers
    assert starts() == [8, 9]


def test_the_newest_of_many_equals_come_first(library: Library) -> None:
    library.add([tag(n, track_id=n) for n in np.random.default_rng(0).permutation(300)])
    found = library.find(Query("mug", limit=3))
    assert [moment.start_ns // SECOND for moment in found] == [299, 298, 297]


def test_the_last_are_the_newest_whatever_their_score(library: Library) -> None:
    library.add([tag(n, track_id=n, confidence=1 - n / 400) for n in range(300)])
    found = library.find(Query("last mug", limit=2))
    assert [moment.start_ns // SECOND for moment in found] == [299, 298]


def test_filters_leave_what_ranks_behind_others(library: Library) -> None:
    """Of texts and descriptors, also what is not among the nearest of all."""
    east = np.array([1, 0], np.float32)
    north_east = np.array([0.8, 0.6], np.float32)
    near = [tag(n, "bowl", descriptor=east, space="a", text="a mug", number=n) for n in range(300)]
    far = tag(500, "cup", descriptor=north_east, space="a", text="the mug is far away from here")
    library.add([*near, far])
    since = Query("", since_ns=400 * SECOND)
    library.put_source(Source("a", "/videos/a.mp4", "video", clock="wall"))
    for query in (replace(since, text="mug"), replace(since, descriptor=east, space="a")):
        assert [moment.tags[0].label for moment in library.find(query)] == ["cup"]


def test_a_colored_thing_that_nobody_has_seen_may_have_been_spoken_of(library: Library) -> None:
    library.add([tag(label="bowl", color="red")])
    found = library.find("red mug")
    assert not found.moments
    assert "nothing here is called 'red mug'" in found.remarks[0]

    library.add([tag(kind="text", label="", text="where is the red mug")])
    (moment,) = library.find("red mug").moments
    assert "red mug" in moment.reasons[0]
