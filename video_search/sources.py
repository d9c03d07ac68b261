# SPDX-License-Identifier: Apache-2.0
"""What can be indexed: finds sources in folders, and tells whether one has changed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from perception_kit.budgets import parse_yaml
from perception_kit.evaluation.run_folder import CONFIG, RESULTS
from perception_kit.videos.pictures import has_pictures
from perception_kit.videos.video import VIDEO_SUFFIXES
from video_search.texts import TEXT_SUFFIXES

BAG_SUFFIXES = (".mcap", ".db3", ".bag")
_CHUNK = 1 << 20


class SourceError(ValueError):
    """A path is nothing that can be indexed; the message says what can."""


@dataclass(frozen=True)
class SourceFile:
    """A source on disk of ``kind`` bag, video, pictures or text.

    ``results`` is the bag of the nodes' results where it is not ``path`` itself. ``texts`` belong
    to a video: they lie beside it and have its name.
    """

    path: Path
    kind: str
    results: Path | None = None
    texts: tuple[Path, ...] = ()

    @property
    def id(self) -> str:
        """Short name, the same whenever the same path is indexed."""
        return hashlib.sha256(str(self.path).encode()).hexdigest()[:16]

    def files(self) -> list[Path]:
        """All files that the source is made of."""
        roots = [path for path in (self.path, self.results, *self.texts) if path is not None]
        return [file for root in roots for file in _files_below(root)]

    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.stat().st_size for file in self.files())

    def digest(self) -> str:
        """SHA-256 of the names and contents of all files."""
        total = hashlib.sha256()
        for file in self.files():
            content = hashlib.sha256()
            with file.open("rb") as opened:
                while chunk := opened.read(_CHUNK):
                    content.update(chunk)
            total.update(f"{file.name}\0{content.hexdigest()}\0".encode())
        return total.hexdigest()


def find_sources(paths: Iterable[Path]) -> list[SourceFile]:
    """The sources at ``paths``, and in folders that are none themselves, each once.

    Raises SourceError for a path that does not exist, or neither is a source nor holds one.
    """
    found: dict[Path, SourceFile] = {}
    for given in paths:
        path = given.absolute()
        if not path.exists():
            raise SourceError(f"'{given}' does not exist")
        sources = list(_sources_at(path))
        if not sources:
            raise SourceError(
                f"'{given}' is nothing that can be indexed: give rosbags, folders of replays,"
                f" videos ({', '.join(VIDEO_SUFFIXES[:5])}, …), folders of pictures, or texts with"
                f" times ({', '.join(TEXT_SUFFIXES)})"
            )
        found |= {source.path: source for source in sources}

    # A text beside its video is found with it, and counts once.
    taken = {text for source in found.values() for text in source.texts}
    return [source for path, source in found.items() if path not in taken]


def _sources_at(path: Path) -> Iterator[SourceFile]:
    if path.is_file():
        suffix = path.suffix.lower()
        if suffix in BAG_SUFFIXES:
            yield SourceFile(path, "bag")
        elif suffix in VIDEO_SUFFIXES:
            beside = (path.with_suffix(text) for text in TEXT_SUFFIXES)
            yield SourceFile(path, "video", texts=tuple(text for text in beside if text.is_file()))
        elif suffix in TEXT_SUFFIXES:
            yield SourceFile(path, "text")
        return

    if (path / RESULTS).is_dir() and (path / CONFIG).is_file():
        yield _replay(path)
    elif _is_bag(path):
        yield SourceFile(path, "bag")
    elif has_pictures(path) and not any(child.is_dir() for child in path.iterdir()):
        yield SourceFile(path, "pictures")
    else:
        for child in sorted(path.iterdir()):
            if not child.name.startswith("."):
                yield from _sources_at(child)


def _replay(folder: Path) -> SourceFile:
    """The bag that a replay has played, with its results; the results alone where it is gone."""
    try:
        settings = parse_yaml((folder / CONFIG).read_text())["settings"]
        given = Path(settings["bag"])
    except (yaml.YAMLError, UnicodeDecodeError, KeyError, TypeError, OSError) as error:
        raise SourceError(f"'{folder / CONFIG}' is not the file of a replay: {error}") from error
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
    if root.is_file():
        return [root]
    return sorted(file for file in root.rglob("*") if file.is_file())
