# SPDX-License-Identifier: Apache-2.0
"""The server behind the page: searches, thumbnails, timelines and clips of one library.

Nothing that is asked for names a file: sources and tags go by their ids, and the page is three
files of this package.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request
from fastapi import Query as Parameter
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.trustedhost import TrustedHostMiddleware
from fastapi.responses import FileResponse, JSONResponse, Response

from perception_kit.bags.bag import BagError
from perception_kit.videos.video_file import VideoError
from video_search.clips import ClipError, has_images
from video_search.images import image_query
from video_search.library import Library
from video_search.pictures import PictureError
from video_search.query import MAX_TEXT, Query
from video_search.schema import quoted
from video_search.serve_clips import MAX_MARGIN_S, ClipRequestError, Clips
from video_search.serve_json import moment_json, source_json, source_name, tag_json, without_folder
from video_search.serve_upload import TooLargeError, decode_picture, read_body
from video_search.tables import LibraryError
from video_search.tag import KINDS, Source

MAX_TAGS = 2000
_FILES = {"page.html": "text/html", "page.css": "text/css", "page.js": "text/javascript"}
_MAX_LABELS, _MAX_SECONDS = 500, 4e9
_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' blob: data:; media-src 'self'"
    " blob:; frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}

Seconds = Annotated[float | None, Parameter(ge=0, le=_MAX_SECONDS, allow_inf_nan=False)]
Margin = Annotated[float, Parameter(ge=0, le=MAX_MARGIN_S, allow_inf_nan=False)]
Nanoseconds = Annotated[int, Parameter(ge=0, lt=2**63)]
Names = Annotated[list[str], Parameter(max_length=100)]
router = APIRouter()


class Shelf:
    """The open library, which one request at a time uses, and its clips."""

    def __init__(self, library: Library) -> None:
        self.library = library
        self.clips = Clips(library)
        self.lock = threading.Lock()

    def refresh(self) -> None:
        """See what was written and forgotten since; the lock must be held."""
        self.library.refresh()
        self.clips.forget()

    def found(self, query: Query) -> dict[str, Any]:
        """The answer to a query."""
        with self.lock:
            self.refresh()
            result = self.library.find(query)
            moments = [
                moment_json(moment, has_images(self.library, moment.source)) for moment in result
            ]
        return {"moments": moments, "remarks": result.remarks}

    def source(self, source_id: str) -> Source:
        """Raises HTTPException 404 for an id that no source has."""
        with self.lock:
            self.refresh()
            for source in self.library.sources():
                if source.id == source_id:
                    return source
        raise HTTPException(404, f"the library has no source '{source_id[:80]}'")


def make_app(library: Library, any_host: bool = False) -> FastAPI:
    """The application; it answers to the names of this machine alone unless ``any_host``."""
    app = FastAPI(title="video_search", docs_url=None, redoc_url=None, openapi_url=None)
    app.state.shelf = Shelf(library)
    app.include_router(router)
    if not any_host:  # no other site may reach it under a name of its own
        app.add_middleware(TrustedHostMiddleware, allowed_hosts=["localhost", "127.0.0.1"])

    for kind, status in {
        TooLargeError: 413, PictureError: 400, ClipRequestError: 400, LibraryError: 503,
        ValueError: 400, OSError: 500,
    }.items():  # fmt: skip
        app.add_exception_handler(kind, _answer(status))
    for refused in (HTTPException, 404, 405):
        app.add_exception_handler(refused, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.middleware("http")(_with_headers)
    return app


def shelf_of(request: Request) -> Shelf:
    """The library of the application that a request came to."""
    shelf: Shelf = request.app.state.shelf
    return shelf


OfRequest = Annotated[Shelf, Depends(shelf_of)]


def asked(
    q: Annotated[str, Parameter(max_length=MAX_TEXT)] = "",
    kind: Names = [],  # noqa: B006  # FastAPI copies it
    source: Names = [],  # noqa: B006
    since: Seconds = None,
    until: Seconds = None,
    limit: Annotated[int, Parameter(ge=1, le=200)] = 48,
    newest: bool = False,
) -> Query:
    """The query of a request; times are seconds since 1970. Raises ValueError."""
    return Query(
        text=q,
        kinds=tuple(kind),
        sources=tuple(source),
        since_ns=None if since is None else round(since * 1e9),
        until_ns=None if until is None else round(until * 1e9),
        limit=limit,
        newest_first=newest,
    )


@router.get("/")
def page() -> Response:
    """The page."""
    return page_file("page.html")


@router.get("/{name}")
def page_file(name: str) -> Response:
    """One of the files of the page."""
    if name not in _FILES:
        raise HTTPException(404, f"there is no page '{name[:80]}'")
    text = Path(__file__).with_name(name).read_text()
    return Response(text, media_type=f"{_FILES[name]}; charset=utf-8")


@router.get("/api/library")
def library(shelf: OfRequest) -> dict[str, Any]:
    """What there is to search."""
    with shelf.lock:
        shelf.refresh()
        sources = shelf.library.sources()
        return {
            "name": Path(shelf.library.uri).name,
            "tags": shelf.library.count(),
            "kinds": list(KINDS),
            "labels": list(shelf.library.labels())[:_MAX_LABELS],
            "sources": [source_json(source) for source in sources],
        }


@router.get("/api/search")
def search(shelf: OfRequest, query: Annotated[Query, Depends(asked)]) -> dict[str, Any]:
    """The moments at which a query holds."""
    return shelf.found(query)


@router.post("/api/search")
async def search_image(
    request: Request, shelf: OfRequest, query: Annotated[Query, Depends(asked)]
) -> dict[str, Any]:
    """The moments that look like the picture in the body, as far as the query holds, too."""
    picture = decode_picture(await read_body(request.stream()))
    return await run_in_threadpool(lambda: shelf.found(image_query(picture, query)))


@router.get("/api/timeline/{source_id}")
def timeline(shelf: OfRequest, source_id: str) -> dict[str, Any]:
    """The tags of a source by time, the longest where there are many."""
    source = shelf.source(source_id)
    with shelf.lock:
        tags = list(shelf.library.tags(f"source = {quoted(source.id)}"))
    kept = sorted(tags, key=lambda tag: tag.start_ns - tag.end_ns)[:MAX_TAGS]
    kept.sort(key=lambda tag: tag.start_ns)
    return {
        "source": source_json(source),
        "tags": [tag_json(tag) for tag in kept],
        "left_out": len(tags) - len(kept),
    }


@router.get("/api/thumbnail/{tag_id}")
def thumbnail(shelf: OfRequest, tag_id: str) -> Response:
    """The stored picture of a tag."""
    with shelf.lock:
        shelf.refresh()
        tag = next(shelf.library.tags(f"id = {quoted(tag_id)}", thumbnails=True), None)
    if tag is None or not tag.thumbnail:
        raise HTTPException(404, f"there is no picture of a tag '{tag_id[:80]}'")
    return Response(tag.thumbnail, media_type="image/jpeg")


@router.get("/api/clip/{source_id}")
def clip(
    shelf: OfRequest,
    source_id: str,
    start_ns: Nanoseconds,
    end_ns: Nanoseconds,
    margin_s: Margin = 1.0,
    download: bool = False,
) -> Response:
    """An MP4 of a time of a source; parts of it where the browser asks for a range."""
    source = shelf.source(source_id)
    try:
        path = shelf.clips.clip(source, start_ns, end_ns, margin_s)
    except (BagError, VideoError, ClipError, OSError) as error:
        raise HTTPException(409, without_folder(str(error), source.uri)) from error
    seconds = (start_ns - source.start_ns) * 1e-9
    name = f"{Path(source_name(source)).stem}_{seconds:.1f}s.mp4"
    kind = "attachment" if download else "inline"
    return FileResponse(path, media_type="video/mp4", filename=name, content_disposition_type=kind)


async def _with_headers(request: Request, call_next: Any) -> Response:
    response: Response = await call_next(request)
    response.headers.update(_HEADERS)
    response.headers.setdefault("Cache-Control", "no-store")
    return response


def _answer(status: int) -> Any:
    def answer(request: Request, error: Exception) -> JSONResponse:
        uri = shelf_of(request).library.uri
        return JSONResponse({"error": without_folder(str(error), uri)}, status)

    return answer


def _refused(request: Request, error: Any) -> JSONResponse:
    return JSONResponse({"error": error.detail}, error.status_code)


def _invalid(request: Request, error: Any) -> JSONResponse:
    """Which parameter cannot be used, and why."""
    texts = [f"{fault['loc'][-1]}: {fault['msg']}" for fault in error.errors()]
    return JSONResponse({"error": "; ".join(texts)}, 400)
