# SPDX-License-Identifier: Apache-2.0
"""Cuts moments out of their sources, as videos and as Rerun recordings."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from perception_kit.bags.bag import BagError
from perception_kit.partial_file import replacing
from perception_kit.replay.video import VideoWriter
from perception_kit.ros.image import ImageError
from perception_kit.videos.video_file import VideoError
from video_search.footage import Footage
from video_search.frames import Frame, frames_of
from video_search.library import Library
from video_search.query import Moment
from video_search.sources import changed_since
from video_search.tag import Source

MARGIN_S = 1.0
"""Seconds that a clip has before and after its moment."""


class ClipError(ValueError):
    """A moment cannot be cut out; the message says why."""


FRAME_ERRORS = (ClipError, BagError, VideoError, ImageError)
"""Of one moment's frames; other moments can still be cut out."""


def has_images(library: Library, source: Source) -> bool:
    """Whether a source has images by its kind; of a live one, whether they were recorded."""
    if source.kind == "live":
        return bool(Footage(Path(library.uri)).pieces(source.id))
    return source.kind in ("bag", "video", "pictures")


def moment_frames(library: Library, moment: Moment, margin_s: float = MARGIN_S) -> Iterator[Frame]:
    """The frames of a moment's source from ``margin_s`` before to as long after it.

    What reaches over the ends of the source is left out. Raises ClipError for a source without
    images, or one that is not where it was; BagError and VideoError as reading does.
    """
    source = moment.source
    if not has_images(library, source):
        raise ClipError(f"'{source.uri}' is a {source.kind} source without images to cut out")
    margin_ns = round(margin_s * 1e9)
    start_ns, end_ns = moment.start_ns - margin_ns, moment.end_ns + margin_ns
    for frame in _source_frames(library, source, start_ns, end_ns):
        if frame.stamp_ns > end_ns:
            return
        if frame.stamp_ns >= start_ns:
            yield frame


def _source_frames(library: Library, source: Source, start_ns: int, end_ns: int) -> Iterator[Frame]:
    """Frames of a source, at least those of a time."""
    if source.kind == "live":
        return Footage(Path(library.uri)).frames(source.id, start_ns, end_ns)
    path = Path(source.uri)
    if not path.exists():
        raise ClipError(f"'{source.uri}' is not there any more: move it back, or index it again")
    if changed_since(path, source.indexed_ns):
        raise ClipError(f"'{source.uri}' was changed after it was indexed: index it again")
    return frames_of(path, source.kind)


def write_clip(library: Library, moment: Moment, path: Path, margin_s: float = MARGIN_S) -> int:
    """Write a moment as an MP4 file; returns the number of its frames. Raises ClipError."""
    count = 0
    with replacing(path) as partial, VideoWriter(partial, "mp4") as writer:
        for frame in moment_frames(library, moment, margin_s):
            try:
                rgb = frame.rgb
            except ImageError:
                continue
            writer.write(rgb, frame.stamp_ns)
            count += 1
        if not count:
            raise ClipError(f"'{moment.source.uri}' has no frame that can be read at this moment")
    return count


def write_rerun(
    library: Library, moments: list[Moment], path: Path, margin_s: float = MARGIN_S
) -> list[str]:
    """Write moments for the Rerun viewer: images with the boxes of the tags, one after the other.

    Each has a timeline of its own seconds. Returns what cannot be shown, and why.
    """
    import rerun as rr  # here because importing it takes a second

    left_out = []
    with replacing(path) as partial:
        recording = rr.RecordingStream("video_search")
        recording.save(str(partial))
        for number, moment in enumerate(moments, start=1):
            entity = f"moment_{number:02}"
            title = f"{moment.source.uri}: {'; '.join(moment.reasons)}"
            recording.log(entity, rr.TextDocument(title), static=True)
            try:
                for frame in moment_frames(library, moment, margin_s):
                    recording.set_time("moment", duration=(frame.stamp_ns - moment.start_ns) * 1e-9)
                    image = rr.Image(frame.rgb).compress(jpeg_quality=80)
                    recording.log(f"{entity}/image", image)
            except FRAME_ERRORS as error:
                left_out.append(f"no images of moment {number}: {error}")
            for tag in moment.tags:
                if tag.box is not None:
                    recording.set_time("moment", duration=(tag.best_ns - moment.start_ns) * 1e-9)
                    box = rr.Boxes2D(
                        array=tag.box, array_format=rr.Box2DFormat.XYXY, labels=tag.label
                    )
                    recording.log(f"{entity}/image/{tag.kind}_{tag.label}", box)
        recording.flush()
        recording.disconnect()
    return left_out
