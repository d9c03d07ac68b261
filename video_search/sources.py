# SPDX-License-Identifier: Apache-2.0
"""What can be indexed: finds sources in folders, and tells whether one has changed."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import yaml

from perception_kit.budgets import parse_yaml, regular
from perception_kit.evaluation.run_folder import CONFIG, RESULTS
from perception_kit.videos.pictures import has_pictures, picture_paths
from perception_kit.videos.video import VIDEO_SUFFIXES
from video_search.names import as_text, is_text
from video_search.texts import TEXT_SUFFIXES

BAG_SUFFIXES = (".mcap", ".db3", ".bag")
_CHUNK = 1 << 20


class SourceError(ValueError):
    """A path is nothing that can be indexed; the message says why, or what can."""


@dataclass(frozen=True)
class SourceFile:
    """A source on disk of ``kind`` bag, video, pictures or text.

    ``results`` is the bag of the nodes' results where it is not ``path`` itself. ``texts`` belong
    to a video: they lie beside it and have its name. ``fault`` says why it cannot be read, where
    that was seen when it was found.
    """

    path: Path
    kind: str
    results: Path | None = None
    texts: tuple[Path, ...] = ()
    fault: str = ""

    @property
    def id(self) -> str:
        """Short name, the same whenever the same path is indexed."""
        return hashlib.sha256(os.fsencode(self.path)).hexdigest()[:16]

    @property
    def uri(self) -> str:
        """The path as text, with marks for what is no UTF-8 in it."""
        return as_text(self.path)

    def files(self) -> list[Path]:
        """All files that the source is made of, none of one with a ``fault``."""
        if self.fault:
            return []
        if self.kind == "pictures":
            return picture_paths(self.path)
        roots = [path for path in (self.path, self.results, *self.texts) if path is not None]
        return [file for root in roots for file in _files_below(root)]

    def size(self) -> int:
        """Bytes of all files that are there."""
        return sum(file.stat().st_size for file in self.files() if file.exists())

    def digest(self) -> str:
        """SHA-256 of the names and contents of all files.

        Pictures that cannot be read count as such: reading the others goes on. Raises SourceError
        for a source with a ``fault``, BudgetError for what is no file, and OSError.
        """
        if self.fault:
            raise SourceError(self.fault)
        total = hashlib.sha256()
        for file in self.files():
            try:
                content = _content_digest(file)
            except OSError as error:
                if self.kind != "pictures":
                    raise
                content = type(error).__name__
            total.update(os.fsencode(file.name) + f"\0{content}\0".encode())
        return total.hexdigest()


def _content_digest(file: Path) -> str:
    content = hashlib.sha256()
    with regular(file).open("rb") as opened:
        while chunk := opened.read(_CHUNK):
            content.update(chunk)
    return content.hexdigest()


def find_sources(paths: Iterable[Path]) -> list[SourceFile]:
    """The sources at ``paths``, and in folders that are none themselves, each once.

    Raises SourceError for a path that does not exist, or neither is a source nor holds one.
    """
    found: dict[Path, SourceFile] = {}
    for given in paths:
        path = Path(os.path.abspath(given))
        if not path.exists():
            raise SourceError(f"'{given}' does not exist")
        sources = list(_sources_at(path))
        if not sources:
            raise SourceError(
                f"'{given}' is nothing that can be indexed: give rosbags, folders of replays,"
                f" videos ({', '.join(VIDEO_SUFFIXES[:5])}, …), folders of pictures, or texts with"
                f" times ({', '.join(TEXT_SUFFIXES)})"
            )
        found |= {source.path: _named(source) for source in sources}

    # A text beside its video is found with it, and counts once.
    taken = {text for source in found.values() for text in source.texts}
    return [source for path, source in found.items() if path not in taken]


def _named(source: SourceFile) -> SourceFile:
    """The source, with a fault where the library cannot keep its name."""
    if is_text(source.path):
        return source
    return replace(source, fault="the names of files and folders must be UTF-8: rename it")


def _sources_at(path: Path) -> Iterator[SourceFile]:
    if not path.is_dir():  # also a link to nothing, which reading it names
        yield from _source_file(path)
    elif not _is_loop(path):
        try:
            children = sorted(path.iterdir())
        except OSError as error:
            yield SourceFile(path, "pictures", fault=f"'{path}' cannot be read: {error}")
            return
        yield from _sources_in(path, children)


def changed_since(path: Path, indexed_ns: int) -> bool:
    """Whether a file at ``path``, or below it, was written later than a source was indexed.

    Times to come are those of a wrong clock and say nothing.
    """
    written = (file.stat().st_mtime_ns for file in _files_below(path) if file.exists())
    return any(indexed_ns < stamp_ns <= time.time_ns() for stamp_ns in written)


def _source_file(path: Path) -> Iterator[SourceFile]:
    """The source that a file is by its suffix, where it is one."""
    suffix = path.suffix.lower()
    kinds = {"bag": BAG_SUFFIXES, "video": VIDEO_SUFFIXES, "text": TEXT_SUFFIXES}
    kind = next((kind for kind, suffixes in kinds.items() if suffix in suffixes), None)
    if kind is None:
        return
    beside = [path.with_suffix(end) for end in TEXT_SUFFIXES] if kind == "video" else []
    yield SourceFile(path, kind, texts=tuple(text for text in beside if text.is_file()))


def _sources_in(folder: Path, children: Sequence[Path]) -> Iterator[SourceFile]:
    """The source that a folder is, or those in it."""
    if (folder / RESULTS).is_dir() and (folder / CONFIG).is_file():
        yield _replay(folder)
    elif _is_bag(folder):
        yield SourceFile(folder, "bag")
    else:
        if has_pictures(folder):
            yield SourceFile(folder, "pictures")
        for child in children:
            if not child.name.startswith("."):
                yield from _sources_at(child)


def _is_loop(folder: Path) -> bool:
    """Whether a link leads to a folder that it lies in."""
    if not folder.is_symlink():
        return False
    target = folder.resolve()
    return any(parent.resolve() == target for parent in folder.parents)


def _replay(folder: Path) -> SourceFile:
    """The bag that a replay has played, with its results; the results alone where it is gone."""
    try:
        settings = parse_yaml((folder / CONFIG).read_text())["settings"]
        given = Path(settings["bag"])
    except (yaml.YAMLError, UnicodeDecodeError, KeyError, TypeError, OSError) as error:
        fault = f"'{folder / CONFIG}' is not the file of a replay: {error}"
        return SourceFile(folder / RESULTS, "bag", fault=fault)
    results = folder / RESULTS
    # The path may be relative to where the replay ran, which was mostly above its folder.
    bags = (above / given for above in folder.parents if (above / given).exists())
    bag = next(bags, None)
    return SourceFile(results, "bag") if bag is None else SourceFile(bag, "bag", results)


def _is_bag(folder: Path) -> bool:
    if (folder / "metadata.yaml").is_file():
        return True
    recordings = [file for file in folder.iterdir() if file.suffix in BAG_SUFFIXES]
    return len(recordings) == 1 and recordings[0].suffix != ".bag"


def _files_below(root: Path) -> list[Path]:
    if not root.is_dir():
        return [root]
    return sorted(file for file in root.rglob("*") if file.is_file())
