# SPDX-License-Identifier: Apache-2.0
"""The server behind the page: what it answers, and what it refuses by name."""

from __future__ import annotations

import io
from pathlib import Path

import av
import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from video_search import Library, Query, Source, Tag, serve_app
from video_search.serve_app import make_app
from video_search.serve_upload import MAX_BYTES

SECOND = 1_000_000_000
NOON = 1_750_000_000


@pytest.fixture(scope="module")
def client(kitchen: Library) -> TestClient:
    app = make_app(Library.open(kitchen.uri))
    return TestClient(app, base_url="http://localhost", raise_server_exceptions=False)


def png(size: tuple[int, int] = (32, 32)) -> bytes:
    written = io.BytesIO()
    Image.new("RGB", size, (200, 30, 30)).save(written, "PNG")
    return written.getvalue()


def test_the_page_and_its_files_come_from_the_package(client: TestClient) -> None:
    for name, kind in (("", "html"), ("page.css", "css"), ("page.js", "javascript")):
        answer = client.get(f"/{name}")
        assert answer.status_code == 200
        assert kind in answer.headers["content-type"]
        assert "default-src 'self'" in answer.headers["content-security-policy"]


def test_the_library_says_what_there_is_and_not_where(client: TestClient, kitchen: Library) -> None:
    answer = client.get("/api/library")
    assert [source["name"] for source in answer.json()["sources"]] == [
        "kitchen.mp4",
        "live:/search 1",
    ]
    assert answer.json()["labels"] == ["falling", "mug", "walking"]
    assert str(Path(kitchen.uri).parent) not in answer.text


def test_a_search_gives_moments_with_reasons(client: TestClient) -> None:
    found = client.get("/api/search", params={"q": "red mug", "kind": "track"}).json()
    (moment,) = found["moments"]
    assert (moment["label"], moment["color"], moment["name"]) == ("mug", "red", "kitchen.mp4")
    assert (moment["start_ns"], moment["end_ns"]) == ("0", str(11 * SECOND))
    assert moment["reasons"]
    assert moment["position"] == [0.1, 0.2, 1.5]
    thumbnail = client.get(f"/api/thumbnail/{moment['thumbnail']}")
    assert Image.open(io.BytesIO(thumbnail.content)).format == "JPEG"


@pytest.mark.parametrize(
    ("parameters", "sources"),
    [
        ({"source": "live"}, {"live"}),
        ({"since": NOON + 5}, {"live"}),
        ({"since": NOON + 60}, set()),
        ({"until": NOON - 1}, set()),
        ({"kind": ["track", "object"]}, {"video", "live"}),
    ],
)
def test_filters_leave_out_the_others(
    client: TestClient, parameters: dict[str, object], sources: set[str]
) -> None:
    moments = client.get("/api/search", params={"q": "mug", **parameters}).json()["moments"]
    assert {moment["source"] for moment in moments} == sources


def test_an_unknown_word_is_remarked_on(client: TestClient) -> None:
    found = client.get("/api/search", params={"q": "zeppelin"}).json()
    assert found["moments"] == []
    assert "zeppelin" in found["remarks"][0]


def test_what_is_added_or_forgotten_elsewhere_shows(tmp_path: Path) -> None:
    library = Library.create(tmp_path / "library")
    client = TestClient(make_app(Library.open(library.uri)), base_url="http://localhost")
    library.put_source(Source("a", "/gone/a.mp4", "video"))
    library.add([Tag("a", 0, 1, "object", "mug"), Tag("a", 0, 1, "object", "bowl")])
    assert len(client.get("/api/search", params={"q": "mug"}).json()["moments"]) == 1
    library.forget(track_id=-1)
    assert client.get("/api/search", params={"q": "mug"}).json()["moments"] == []
    assert client.get("/api/library").json()["tags"] == 0


def test_a_timeline_has_the_tags_of_its_source(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = client.get("/api/timeline/video").json()
    assert [tag["start_s"] for tag in answer["tags"]] == [0.0, 1.0, 2.0, 7.0]
    assert answer["left_out"] == 0
    monkeypatch.setattr(serve_app, "MAX_TAGS", 3)
    assert client.get("/api/timeline/video").json()["left_out"] == 1


def test_a_clip_shows_the_time_that_was_asked_for(client: TestClient) -> None:
    times = {"start_ns": 3 * SECOND, "end_ns": 5 * SECOND, "margin_s": 0.5}
    answer = client.get("/api/clip/video", params={**times, "download": True})
    assert answer.status_code == 200
    assert answer.headers["content-disposition"] == 'attachment; filename="kitchen_3.0s.mp4"'
    with av.open(io.BytesIO(answer.content)) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(frames) == 31
    reddish = np.flatnonzero((frames[0][150].astype(int) @ [1, -1, -1]) > 60)
    assert abs(int(reddish.min()) - (40 + 2 * 25)) <= 4, "the first frame is that at 2.5 s"
    part = client.get("/api/clip/video", params=times, headers={"Range": "bytes=0-99"})
    assert (part.status_code, len(part.content)) == (206, 100)


@pytest.mark.parametrize(
    ("source", "changes", "status", "text"),
    [
        ("video", {"start_ns": 20 * SECOND, "end_ns": 21 * SECOND}, 400, "lasts 12.0 s"),
        ("video", {"end_ns": 200 * SECOND}, 400, "at most 120 s"),
        ("video", {"start_ns": 5 * SECOND}, 400, "ends before it starts"),
        ("video", {"start_ns": "yesterday"}, 400, "start_ns: Input should be a valid integer"),
        ("video", {"margin_s": 99}, 400, "margin_s: Input should be less than or equal to 30"),
        ("video", {"margin_s": "nan"}, 400, "margin_s: Input should be"),
        ("live", {}, 400, "a source of kind 'live' has no pictures"),
        ("nobody", {}, 404, "the library has no source 'nobody'"),
        ("' OR 1=1 --", {}, 404, "no source"),
    ],
)
def test_a_clip_that_is_not_to_be_had_is_named(
    client: TestClient, source: str, changes: dict[str, object], status: int, text: str
) -> None:
    times = {"start_ns": 0, "end_ns": SECOND, **changes}
    answer = client.get(f"/api/clip/{source}", params=times)
    assert answer.status_code == status
    assert text in answer.json()["error"]


def test_a_video_that_is_gone_is_named_without_its_folder(tmp_path: Path) -> None:
    library = Library.create(tmp_path / "library")
    library.put_source(Source("a", str(tmp_path / "secret" / "gone.mp4"), "video"))
    client = TestClient(make_app(library), base_url="http://localhost")
    answer = client.get("/api/clip/a", params={"start_ns": 0, "end_ns": 1})
    assert answer.status_code == 400
    assert "'gone.mp4' is not where it was" in answer.json()["error"]
    assert "secret" not in answer.text


def test_a_damaged_or_other_file_is_named_without_its_folder(tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "notes.txt").write_text("not for the page")
    (tmp_path / "secret" / "link.mp4").symlink_to(tmp_path / "secret" / "notes.txt")
    library = Library.create(tmp_path / "library")
    path = str(tmp_path / "secret" / "link.mp4")
    error = f"'{path}' could not be decoded"
    library.put_source(Source("a", path, "video", state="failed", error=error))
    client = TestClient(make_app(library), base_url="http://localhost")
    (source,) = client.get("/api/library").json()["sources"]
    assert source["error"] == "'link.mp4' could not be decoded"
    answer = client.get("/api/clip/a", params={"start_ns": 0, "end_ns": 1})
    assert answer.status_code == 409
    assert "'link.mp4' could not be decoded" in answer.json()["error"]
    assert "secret" not in answer.text
    assert "not for" not in answer.text


def test_filters_that_leave_nothing_are_remarked_on(client: TestClient) -> None:
    found = client.get("/api/search", params={"source": "' OR 1=1 --"}).json()
    assert found == {
        "moments": [],
        "remarks": ["no tag is left by the filters: kind, source, time, track, confidence"],
    }


@pytest.mark.parametrize(
    ("parameters", "text"),
    [
        ({"limit": 0}, "limit: Input should be greater"),
        ({"limit": 100000}, "limit: Input should be less"),
        ({"kind": "mood"}, "unknown kind 'mood'"),
        ({"since": "inf"}, "since: Input should be"),
        ({"since": 9, "until": 3}, "the end of the time to search lies before its start"),
        ({"q": "x" * 501}, "q: String should have at most 500"),
    ],
)
def test_a_search_that_cannot_be_understood_is_named(
    client: TestClient, parameters: dict[str, object], text: str
) -> None:
    answer = client.get("/api/search", params=parameters)
    assert answer.status_code == 400
    assert text in answer.json()["error"]


@pytest.mark.parametrize(
    "path",
    ["/../setup.cfg", "/%2e%2e/setup.cfg", "/..%2fsetup.cfg", "/serve.py",
     "/api/clip/..%2f..%2fetc", "/api/thumbnail/..%2f..%2fetc%2fpasswd", "/docs", "/openapi.json"],
)  # fmt: skip
def test_no_other_file_is_served(client: TestClient, path: str) -> None:
    answer = client.get(path, params={"start_ns": 0, "end_ns": 1})
    assert answer.status_code == 404
    assert "error" in answer.json()


def test_another_name_of_this_machine_is_refused(client: TestClient) -> None:
    assert client.get("/", headers={"Host": "evil.example"}).status_code == 400


@pytest.mark.parametrize(
    ("body", "status", "text"),
    [
        (b"", 400, "no picture was sent"),
        (b"GIF89a not one", 400, "not a picture that can be read"),
        (png()[:60], 400, "not a picture that can be read"),
        (bytes(MAX_BYTES + 1), 413, "more than 10 MiB"),
        (png((9000, 6000)), 413, "9000x6000 pixels"),
    ],
    ids=["empty", "text", "cut off", "large", "many pixels"],
)
def test_a_picture_that_cannot_be_used_is_named(
    client: TestClient, body: bytes, status: int, text: str
) -> None:
    answer = client.post("/api/search", content=body)
    assert answer.status_code == status
    assert text in answer.json()["error"]


def test_a_picture_and_filters_make_one_query(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = {}

    def image_query(picture: np.ndarray, query: Query) -> Query:
        asked.update(picture=picture, query=query)
        return Query(text="mug", kinds=("track",))

    monkeypatch.setattr(serve_app, "image_query", image_query)
    parameters = {"q": "red", "kind": "track", "limit": 5}
    found = client.post("/api/search", params=parameters, content=png()).json()
    assert [moment["label"] for moment in found["moments"]] == ["mug"]
    assert asked["picture"].shape == (32, 32, 3)
    assert asked["query"] == Query(text="red", kinds=("track",), limit=5)
