# SPDX-License-Identifier: Apache-2.0
"""Reads one source and makes its tags."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from perception_kit.bags.bag import BagReader
from perception_kit.bags.camera_topics import has_images
from perception_kit.evaluation.results import STAGES, read_results
from perception_kit.evaluation.run_folder import RESULTS
from perception_kit.ros.image import ImageError
from perception_kit.short_text import listed
from perception_kit.temporary import temporary_folder
from perception_kit.types import FrameResults
from video_search.describer import SPACE, Describer, cropped
from video_search.frames import Frame, duration_ns, frames_of
from video_search.matchers import Matcher, MatcherError
from video_search.models import Models, missing_nodes, run_models, write_color_bag
from video_search.results import sightings_of
from video_search.schema import tags_to_table
from video_search.sightings import Appearances, Sighting
from video_search.sources import SourceFile
from video_search.tag import FILE_CLOCK, WALL_CLOCK, Source, Tag
from video_search.texts import TextError, read_texts

STRING = "std_msgs/msg/String"
# Topics of strings that nobody has said.
_NOT_SPOKEN = ("/robot_description",)
# Kinds whose descriptor is that of their crop.
_DESCRIBED = ("object", "track", "face")

_NAMED_FAULTS = 3

Progress = Callable[[float], None]
"""Called with the fraction of a source that is done."""


@dataclass
class Ingestion:
    """How sources are read.

    ``matchers`` look at ``rate`` frames per second, ``models`` run over recordings without results,
    over videos only with ``models_on_videos``. ``describer`` None: no descriptors.
    """

    matchers: Sequence[Matcher] = ()
    models: Models | None = None
    models_on_videos: bool = False
    rate: float = 5.0
    thumbnails: bool = True
    describer: Describer | None = None
    remarks: list[str] = field(default_factory=list)

    @property
    def settings(self) -> str:
        """Changes whenever the same source could give other tags."""
        parts = [f"{matcher.name}={matcher.settings}" for matcher in self.matchers]
        parts += [f"models={self.models.settings}"] if self.models is not None else []
        described = SPACE if self.describer is not None else "none"
        videos, pictures = self.models_on_videos, self.thumbnails
        return f"2 {self.rate:g} {videos} {pictures} {described} {' '.join(parts)}"

    def looks_at(self, file: SourceFile) -> bool:
        """Whether anything looks at the pictures of a source, where it is one of pictures alone."""
        if file.kind in ("bag", "text"):
            return True
        return bool(self.matchers) or (self.models is not None and self.models_on_videos)

    def read(self, file: SourceFile, progress: Progress) -> tuple[Source, list[Tag]]:
        """The source and its tags.

        Raises BagError, VideoError, TextError, ModelRunError, MatcherError, ImageError or OSError.
        """
        source = Source(file.id, file.uri, file.kind, settings=self.settings)
        if file.kind == "text":
            tags, clock = _text_tags(file.path, file.id)
            return _with_times(replace(source, clock=clock), tags), tags

        tags = []
        for path in file.texts:
            found, clock = _text_tags(path, file.id)
            if clock != FILE_CLOCK:
                raise TextError(
                    f"'{path}' has times of day, and those of a video count from its start"
                )
            tags += found
        if file.kind == "bag":
            source = replace(source, clock=WALL_CLOCK)
            tags += _spoken(file.path, file.id)

        with temporary_folder("ingest") as scratch:
            results, space = self._results(file, scratch, progress)
            tags += self._seen(file, results, space, progress)
        source = _with_times(source, tags)
        if file.kind == "bag":
            with BagReader(file.path) as reader:
                source = replace(source, start_ns=reader.stamps_ns[0], end_ns=reader.stamps_ns[1])
        return source, tags

    def _results(
        self, file: SourceFile, scratch: Path, progress: Progress
    ) -> tuple[dict[int, FrameResults], str]:
        """Results of the nodes by stamp, recorded or made now, and the space of descriptors."""
        recorded_by = file.path if file.results is None else file.results
        if recorded_by.name == RESULTS and (missing := missing_nodes(recorded_by.parent)):
            self.remarks.append(f"'{recorded_by}' lacks what a node would have seen: {missing}")
        if file.results is not None:
            return read_results(file.results)[0], ""
        if file.kind == "bag":
            with BagReader(file.path) as reader:
                recorded = set(reader.topics)
            if recorded & {stage.topic for stage in STAGES}:
                return read_results(file.path)[0], ""
        if self.models is None or (file.kind != "bag" and not self.models_on_videos):
            return {}, ""

        bag = file.path
        if file.kind != "bag":
            bag = scratch / "frames"
            write_color_bag(bag, _at_rate(frames_of(file.path, file.kind), 15.0))
        progress(0.05)
        results = run_models(bag, self.models, scratch / "replay")
        return read_results(results)[0], self.models.space

    def _seen(
        self,
        file: SourceFile,
        results: dict[int, FrameResults],
        space: str,
        progress: Progress,
    ) -> list[Tag]:
        """Tags of the results and of what the matchers see."""
        if not results and not self.matchers:
            return []
        appearances = Appearances(file.id, thumbnails=self.thumbnails)
        tags: list[Tag] = []
        crops: dict[str, np.ndarray] = {}
        length_ns = max(1, duration_ns(file.path, file.kind))
        first_ns, next_ns, seen = None, 0, set()
        faults: list[str] = []
        count = 0
        # One picture of a folder says nothing of the next, nor whether that can be read.
        is_alone = file.kind == "pictures"

        for frame in _frames(file):
            count += 1
            first_ns = frame.stamp_ns if first_ns is None else first_ns
            result = results.get(frame.stamp_ns)
            is_due = is_alone or (bool(self.matchers) and frame.stamp_ns >= next_ns)
            if result is None and not is_due:
                continue
            try:
                rgb = frame.rgb
            except ImageError:
                faults.append(frame.file or f"at {frame.stamp_ns * 1e-9:.2f} s")
                continue

            sightings = []
            if result is not None:
                seen.add(frame.stamp_ns)
                sightings += sightings_of(result, frame.frame_id, space, rgb)
            if is_due:
                next_ns = max(next_ns, frame.stamp_ns) + round(1e9 / self.rate)
                for matcher in self.matchers:
                    sightings += _looked(matcher, frame)
            tags += appearances.update(frame.stamp_ns, sightings, rgb)
            self._keep_crops(appearances.going_on(), frame, crops)
            progress(min(1.0, (frame.stamp_ns - first_ns) / length_ns))

        # Results whose images are not there: of a bag of results alone.
        for stamp_ns in sorted(set(results) - seen) if not seen else ():
            tags += appearances.update(stamp_ns, sightings_of(results[stamp_ns], "", space))
        if faults:
            self._name_faults(file, faults, count)
        return self._described(tags + appearances.finish(), crops)

    def _name_faults(self, file: SourceFile, faults: list[str], count: int) -> None:
        """Remark on images that cannot be read; ImageError for pictures that all are so."""
        named = listed(faults, _NAMED_FAULTS, ", ")
        if file.kind == "pictures" and len(faults) == count:
            raise ImageError(
                f"'{file.uri}': none of its {count} pictures can be read ({named}): give whole"
                " JPEG, PNG, BMP or WebP files"
            )
        self.remarks.append(f"'{file.uri}': {len(faults)} images cannot be read ({named})")

    def _keep_crops(self, tags: list[Tag], frame: Frame, crops: dict[str, np.ndarray]) -> None:
        """Keep the pixels of those whose best frame is this one."""
        if self.describer is None:
            return
        for tag in tags:
            if tag.kind in _DESCRIBED and tag.box is not None and tag.best_ns == frame.stamp_ns:
                crops[tag.id] = cropped(frame.rgb, tag.box).copy()

    def _described(self, tags: list[Tag], crops: dict[str, np.ndarray]) -> list[Tag]:
        """The tags with the descriptors of their crops, where those are known."""
        described = [tag for tag in tags if tag.id in crops]
        if self.describer is None or not described:
            return tags
        descriptors = self.describer([crops[tag.id] for tag in described])
        of_tag = {tag.id: values for tag, values in zip(described, descriptors, strict=True)}
        return [
            replace(tag, descriptor=of_tag[tag.id], space=SPACE) if tag.id in of_tag else tag
            for tag in tags
        ]


def _frames(file: SourceFile) -> Iterator[Frame]:
    """The frames of a source; none of a bag of results that were recorded without images."""
    if file.kind == "bag":
        with BagReader(file.path) as reader:
            recorded = reader.topics
        if set(recorded) & {stage.topic for stage in STAGES} and not has_images(recorded):
            return
    yield from frames_of(file.path, file.kind)


def _looked(matcher: Matcher, frame: Frame) -> list[Sighting]:
    """What a matcher sees. Raises MatcherError for whatever fails in it, or cannot be stored."""
    try:
        seen = list(matcher(frame))
        alone = Appearances("", thumbnails=False)
        alone.update(frame.stamp_ns, seen)
        tags_to_table(alone.finish())
    except ImageError:
        raise
    except Exception as error:  # whatever a plug-in raises is its fault, and named so
        raise MatcherError(
            f"matcher '{matcher.name}' failed at {frame.stamp_ns * 1e-9:.2f} s:"
            f" {type(error).__name__}: {error}"
        ) from error
    return seen


def _at_rate(frames: Iterator[Frame], rate: float) -> Iterator[Frame]:
    """Frames at ``rate`` at most."""
    next_ns = None
    for frame in frames:
        if next_ns is None or frame.stamp_ns >= next_ns:
            next_ns = frame.stamp_ns + round(0.99e9 / rate)
            yield frame


def _text_tags(path: Path, source: str) -> tuple[list[Tag], str]:
    texts = read_texts(path)
    clock = texts[0].clock if texts else FILE_CLOCK
    return [entry.tag(source, path.suffix[1:].lower()) for entry in texts], clock


def _spoken(path: Path, source: str) -> list[Tag]:
    """Messages of speech to text, each until the next one or for at most a few seconds."""
    tags = []
    with BagReader(path) as reader:
        topics = [
            name
            for name, topic in reader.topics.items()
            if topic.type_name == STRING and name not in _NOT_SPOKEN
        ]
        for message in reader.messages(topics):
            if text := " ".join(str(message.message.data).split()):
                tags.append(
                    Tag(
                        source,
                        message.stamp_ns,
                        message.stamp_ns,
                        "text",
                        "",
                        text=text,
                        producer=message.topic,
                    )
                )
    return tags


def _with_times(source: Source, tags: Sequence[Tag]) -> Source:
    start = min((tag.start_ns for tag in tags), default=0)
    end = max((tag.end_ns for tag in tags), default=0)
    return replace(source, start_ns=start if source.clock == WALL_CLOCK else 0, end_ns=end)
